/*
 * proto/http_date.c: the three date formats of HTTP (RFC 9110, section 5.6.7).
 *
 * The parser proves little by itself: it moves the fields of the two obsolete formats to where an
 * IMF-fixdate has them, computes a time from whatever is there, formats that time and compares.
 * Spelling, ranges, leap years and the day of the week are then all checked by the one formatter.
 *
 * Days are counted from 1 March of the year 0, so that a leap day is the last of its year.
 */
#include "proto/http_date.h"

#include "base/bytes.h"

enum { DAY = 86400, DAYS_TO_1970 = 719468, DAYS_TO_YEAR_1 = 306, DAYS_TO_YEAR_10000 = 3652365 };

/* Where the fields of an IMF-fixdate are. */
enum { DAY_AT = 5, MONTH_AT = 8, YEAR_AT = 12, HOUR_AT = 17, SECOND_AT = 23 };

#define EPOCH       ((int64_t)DAYS_TO_1970 * DAY)
#define FIFTY_YEARS ((int64_t)146097 * DAY / 8)

/* Ten bytes each, with the comma of an RFC 850 date; the month names begin with March. */
static const char day_names[] = "Sunday,\0  Monday,\0  Tuesday,\0 "
                                "Wednesday,Thursday,\0Friday,\0  Saturday,";
enum { DAY_NAME_STRIDE = 10 };
static const char month_names[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";

/* Where each byte of an obsolete format belongs in an IMF-fixdate; a byte from ' ' up must be just
 * that one. Both are 24 bytes long, the RFC 850 one after the day's name. */
static const char asctime_map[] = "\0\1\2 \10\11\12 \5\6 \21\22\23\24\25\26\27\30 \14\15\16\17";
static const char rfc850_map[] = ", \5\6-\10\11\12-\16\17 \21\22\23\24\25\26\27\30 GMT";
enum { OBSOLETE_LEN = 24 };

static void put_two(char *to, uint32_t value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
}

/* Out of line, for size. */
static __attribute__((noinline)) uint32_t two(const char *from)
{
    return (uint32_t)(from[0] * 10 + from[1] - '0' * 11);
}

void rn_http_date_format(char to[RN_HTTP_DATE_LEN], int64_t seconds)
{
    const int64_t first = DAYS_TO_YEAR_1 * (int64_t)DAY - EPOCH;
    const int64_t last = DAYS_TO_YEAR_10000 * (int64_t)DAY - EPOCH - 1;
    if (seconds < first) seconds = first;
    if (seconds > last) seconds = last;
    uint64_t since = (uint64_t)(seconds + EPOCH);
    uint32_t days = (uint32_t)(since / DAY), rest = (uint32_t)(since % DAY);

    memcpy(to, "Sun, 06 Nov 1994 08:49:37 GMT", RN_HTTP_DATE_LEN);
    memcpy(to, day_names + (days + 3) % 7 * DAY_NAME_STRIDE, 3);
    for (int at = SECOND_AT; at >= HOUR_AT; at -= 3, rest /= 60) put_two(to + at, rest % 60);

    /* 400 years are 146,097 days, 4 years 1,461; any five months from March on are 153, twice */
    uint32_t quarters = days * 4 + 3, century = quarters / 146097;
    quarters = quarters % 146097 | 3;
    uint32_t year = quarters / 1461, fifths = quarters % 1461 / 4 * 5 + 2, month = fifths / 153;
    put_two(to + DAY_AT, fifths % 153 / 5 + 1);
    memcpy(to + MONTH_AT, month_names + month * 3, 3);
    year += century * 100 + (month >= 10);
    put_two(to + YEAR_AT, year / 100);
    put_two(to + YEAR_AT + 2, year % 100);
}

/* The time that an IMF-fixdate says, or nonsense if it isn't one: unsigned, so that nonsense may
 * wrap. */
static int64_t seconds_of(const char *date)
{
    uint32_t month = 0, second = 0;
    while (month < 12 && memcmp(date + MONTH_AT, month_names + month * 3, 3) != 0) month++;
    uint32_t year = two(date + YEAR_AT) * 100 + two(date + YEAR_AT + 2) - (month >= 10);
    uint32_t days = year * 1461 / 4 - year / 100 + year / 400;
    days += (month * 153 + 2) / 5 + two(date + DAY_AT) - 1;
    for (int at = HOUR_AT; at <= SECOND_AT; at += 3) second = second * 60 + two(date + at);
    return (int64_t)days * DAY + second - EPOCH;
}

/* Rewrites an obsolete date as an IMF-fixdate; `name` is how long an RFC 850 day's name is, 0 for
 * asctime. */
static bool rewrite(char *date, rn_bytes text, size_t name, int64_t now)
{
    const char *map = name ? rfc850_map : asctime_map;
    rn_http_date_format(date, now + FIFTY_YEARS); /* the punctuation, and a century to begin with */
    memcpy(date, text.ptr, 3);
    for (int i = 0; i < OBSOLETE_LEN; i++) {
        char c = (char)text.ptr[name + i];
        if (map[i] < ' ')
            date[(int)map[i]] = c;
        else if (map[i] != c)
            return false;
    }
    if (!name) {
        if (date[DAY_AT] == ' ') date[DAY_AT] = '0';
        return true;
    }
    if (seconds_of(date) > now + FIFTY_YEARS) put_two(date + YEAR_AT, two(date + YEAR_AT) - 1);
    const char *day = day_names;
    while (memcmp(day, text.ptr, name + 1) != 0) {
        day += DAY_NAME_STRIDE;
        if (day >= day_names + sizeof(day_names)) return false;
    }
    return true;
}

bool rn_http_date_parse(rn_bytes text, int64_t now, int64_t *seconds)
{
    char date[RN_HTTP_DATE_LEN], check[RN_HTTP_DATE_LEN];
    size_t name = text.len - OBSOLETE_LEN;
    if (text.len == RN_HTTP_DATE_LEN)
        memcpy(date, text.ptr, RN_HTTP_DATE_LEN);
    else if (name >= DAY_NAME_STRIDE || !rewrite(date, text, name, now))
        return false;
    if (__builtin_memcmp(date + HOUR_AT, "23:59:60", 8) == 0)
        __builtin_memcpy(date + SECOND_AT, "59", 2);
    int64_t found = seconds_of(date);
    rn_http_date_format(check, found);
    if (memcmp(date, check, RN_HTTP_DATE_LEN) != 0) return false;
    *seconds = found;
    return true;
}
