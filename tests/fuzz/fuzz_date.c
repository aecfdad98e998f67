/*
 * HTTP dates: what is accepted is written back the same (but for a leap second), and is understood
 * again. The first byte chooses the present.
 */
#include "fuzz.h"

#include <time.h>

#include "proto/http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    int64_t now = data[0] * (int64_t)86400 * 365, seconds = 42, again;
    uint8_t *copy = malloc(size);
    require(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    rn_bytes text = rn_bytes_of(copy, size - 1);
    if (rn_http_date_parse(text, now, &seconds)) {
        char date[RN_HTTP_DATE_LEN];
        rn_http_date_format(date, seconds);
        require(rn_http_date_parse(rn_bytes_of(date, sizeof(date)), now, &again));
        require(again == seconds);
        if (text.len == sizeof(date) && memcmp(copy + 17, "23:59:60", 8) != 0)
            require(!memcmp(copy, date, sizeof(date)));
        if (text.len > sizeof(date)) require(seconds <= now + 1577847600);
    } else {
        require(seconds == 42);
    }
    if (size >= 8) { /* any time at all can be written, and what is written is a date */
        memcpy(&seconds, data, 8);
        char date[RN_HTTP_DATE_LEN];
        rn_http_date_format(date, seconds);
        require(rn_http_date_parse(rn_bytes_of(date, sizeof(date)), now, &again));
        if (seconds >= -62135596800 && seconds <= 253402300799) {
            char plain[64];
            struct tm tm;
            require(again == seconds && gmtime_r(&(time_t){seconds}, &tm));
            strftime(plain, sizeof plain, "%a, %d %b ", &tm);
            sprintf(plain + 12, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                    tm.tm_sec);
            require(!memcmp(date, plain, sizeof date));
        }
    }
    free(copy);
    return 0;
}
