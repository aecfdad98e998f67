/*
 * app/wget/request.c: what is asked for: fields, bodies, ranges and conditions.
 */
#include "app/wget/wget.h"
#include "base/text.h"
#include "proto/base64.h"
#include "sys/sys.h"

/* ---- Settings -------------------------------------------------------------------------------- */

/* "100k", "2m", "1g": bytes; false when it isn't one. */
static bool read_rate(const char *text, uint64_t *rate)
{
    static const char units[] = "kmg";
    rn_bytes digits = rn_bytes_text(text);
    unsigned shift = 0;
    for (unsigned i = 0; digits.len && i < 3; i++)
        if (rn_lower(digits.ptr[digits.len - 1]) == units[i]) shift = 10 * (i + 1);
    if (shift) digits.len--;
    if (!rn_parse_u64(digits, rate) || *rate > UINT64_MAX >> 24 >> shift) return false;
    *rate <<= shift;
    return *rate;
}

static rn_bytes without_blanks(rn_bytes text)
{
    while (text.len && *text.ptr == ' ') text = rn_bytes_of(text.ptr + 1, text.len - 1);
    while (text.len && text.ptr[text.len - 1] == ' ') text.len--;
    return text;
}

/* "Name: value". */
static bool read_field(const char *line, struct rn_http1_header *field)
{
    uint8_t room[RN_HTTP1_HEAD_MAX];
    rn_bytes text = rn_bytes_text(line);
    size_t colon = rn_bytes_find(text, ':');
    if (colon == text.len) return false;
    field->name = rn_bytes_of(text.ptr, colon);
    field->value = without_blanks(rn_bytes_of(text.ptr + colon + 1, text.len - colon - 1));
    return rn_http1_emit_field(room, sizeof room, field->name, field->value) > 0;
}

static int open_body(const char *path)
{
    struct rn_k_statx info;
    int fd = rn_sys_openat(RN_K_AT_FDCWD, path, RN_K_O_RDONLY | RN_K_O_CLOEXEC, 0);
    int result = fd;
    if (fd >= 0)
        result = rn_sys_statx(fd, "", RN_K_AT_EMPTY_PATH, RN_K_STATX_BASIC_STATS, &info);
    /* It is read again where a redirect or another attempt sends it again. */
    if (result >= 0 && (info.stx_mode & RN_K_S_IFMT) != RN_K_S_IFREG) result = RN_E_UNSUPPORTED;
    if (result < 0) {
        complain("cannot read '%s': %s", path,
                 result == RN_E_UNSUPPORTED ? "not a regular file" : rn_error_text(result));
        return EXIT_FILE;
    }
    fetcher.body_fd = fd;
    fetcher.body_length = info.stx_size;
    return 0;
}

/* The value of an Authorization field, for --user and --password. */
static int make_credentials(const struct settings *settings)
{
    static char value[2048];
    char pair[1024];
    struct rn_text text = {.ptr = pair, .cap = sizeof pair};
    rn_text_format(&text, "%s:%s", settings->user, settings->password ? settings->password : "");
    if (text.len == sizeof pair) {
        complain("%s", "--user and --password are too long");
        return EXIT_USAGE;
    }
    memcpy(value, "Basic ", 6);
    size_t len = 6 + rn_base64_encode(value + 6, rn_bytes_of(pair, text.len));
    fetcher.credentials = rn_bytes_of(value, len);
    return 0;
}

static int wrong(const char *value, const char *why)
{
    complain("'%s': %s", value, why);
    return EXIT_USAGE;
}

int request_check(void)
{
    struct settings *settings = &fetcher.settings;
    struct rn_http1_header field;
    uint8_t room[256];
    fetcher.body_fd = -1;
    if (settings->limit_rate && !read_rate(settings->limit_rate, &fetcher.rate))
        return wrong(settings->limit_rate, "expected bytes a second, as 500, 100k or 2m");
    for (const char **line = settings->headers; *line; line++)
        if (!read_field(*line, &field)) return wrong(*line, "expected 'Name: value'");
    if (settings->body_data && settings->body_file)
        return wrong(settings->body_file, "there is --body-data already");
    if (settings->body_data) fetcher.body_length = strlen(settings->body_data);
    if (!settings->method)
        settings->method = settings->body_data || settings->body_file ? "POST" : "GET";
    if (rn_http1_emit_request(room, sizeof room, rn_bytes_text(settings->method),
                              RN_BYTES("/")) < 0)
        return wrong(settings->method, "that is no method");
    if (settings->body_file && open_body(settings->body_file)) return EXIT_FILE;
    return settings->user ? make_credentials(settings) : 0;
}

/* ---- One request ----------------------------------------------------------------------------- */

static rn_ssize read_body(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    long got = rn_sys_pread(fetcher.body_fd, to, cap, at);
    return got;
}

static void add(struct job *job, rn_bytes name, rn_bytes value)
{
    job->fields[job->call.field_count++] = (struct rn_http1_header){name, value};
}

/* Only what is missing, of the same version where one is known (RFC 9110, section 13.1.5). */
static void ask_for_rest(struct job *job)
{
    const struct output *output = &job->output;
    job->asked = output->size;
    size_t len = rn_http_range_text(job->range, output->size, UINT64_MAX);
    add(job, RN_BYTES("Range"), rn_bytes_of(job->range, len));
    if (output->validator[0])
        add(job, RN_BYTES("If-Range"), rn_bytes_text(output->validator));
}

/* Whether a host is in $no_proxy: "localhost,.example.com". */
static bool goes_directly(rn_bytes host)
{
    static const char name[] = "no_proxy=";
    for (const char **entry = fetcher.environment; *entry; entry++) {
        rn_bytes list = rn_bytes_text(*entry);
        if (list.len < sizeof name || memcmp(*entry, name, sizeof name - 1)) continue;
        list = rn_bytes_of(list.ptr + sizeof name - 1, list.len - (sizeof name - 1));
        while (list.len) {
            size_t len = rn_bytes_find(list, ','), past = len < list.len ? len + 1 : len;
            rn_bytes item = without_blanks(rn_bytes_of(list.ptr, len));
            list = rn_bytes_of(list.ptr + past, list.len - past);
            if (item.len == 1 && *item.ptr == '*') return true;
            if (item.len && *item.ptr == '.') item = rn_bytes_of(item.ptr + 1, item.len - 1);
            if (!item.len || item.len > host.len) continue;
            const uint8_t *end = host.ptr + host.len - item.len;
            if (rn_bytes_equal_nocase(item, rn_bytes_of(end, item.len)) &&
                (end == host.ptr || end[-1] == '.'))
                return true;
        }
    }
    return false;
}

void request_make(struct job *job)
{
    const struct settings *settings = &fetcher.settings;
    struct output *output = &job->output;
    struct rn_http_call *call = &job->call;
    struct rn_url url;
    bool get = same_text(settings->method, "GET"), typed = false;
    *call = (struct rn_http_call){
        .client = &fetcher.client,
        .method = settings->method,
        .fields = job->fields,
        .body = settings->body_data,
        .body_length = fetcher.body_length,
        .redirects_max = settings->redirects_max,
        .no_redirects = !settings->redirects_max,
        .redirect = response_redirect,
        .owner = job,
    };
    if (fetcher.body_fd >= 0) call->body_read = read_body;
    if (rn_url_parse(&url, rn_bytes_text(job->url)) == 0) call->no_proxy = goes_directly(url.host);
    for (const char *const *line = settings->headers; *line; line++) {
        struct rn_http1_header *field = &job->fields[call->field_count++];
        if (!read_field(*line, field)) call->field_count--;
        else typed |= rn_bytes_equal_nocase(field->name, RN_BYTES("Content-Type"));
    }
    if (fetcher.credentials.len && !url.userinfo.ptr)
        add(job, RN_BYTES("Authorization"), fetcher.credentials);
    if (fetcher.body_length && !typed)
        add(job, RN_BYTES("Content-Type"), RN_BYTES("application/x-www-form-urlencoded"));
    job->verdict = AGAIN; /* until the content is being read */
    job->asked = 0;
    job->modified = -1;
    job->total = UINT64_MAX;
    if (!get || job->whole) return;
    if (output->size) {
        ask_for_rest(job);
    } else if (settings->newer_only && output->there) {
        rn_http_date_text(job->date, output->mtime);
        add(job, RN_BYTES("If-Modified-Since"), rn_bytes_of(job->date, RN_HTTP_DATE_TEXT));
    }
}
