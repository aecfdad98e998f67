/*
 * app/wget/response.c: what becomes of an answer: kept, refused, asked for once more.
 */
#include "app/wget/wget.h"
#include "base/text.h"
#include "sys/sys.h"

/* ---- The head -------------------------------------------------------------------------------- */

static unsigned status_of(const struct rn_http_call *call)
{
    return call->exchange.response.status;
}

/* -S: the status line and the fields as they came, but for blanks around the values. */
static void show_head(const struct rn_http_call *call)
{
    const struct rn_http1_response *response = &call->exchange.response;
    const struct rn_http1_request *message = &response->message;
    rn_bytes reason = rn_http1_slice(call->head, response->reason);
    say_line("  ", "HTTP/1.%u %u %b", (uint64_t)message->minor, (uint64_t)response->status,
             reason.ptr, reason.len);
    for (unsigned i = 0; i < message->field_count; i++) {
        rn_bytes name = rn_http1_slice(call->head, message->fields[i].name);
        rn_bytes value = rn_http1_slice(call->head, message->fields[i].value);
        say_line("  ", "%b: %b", name.ptr, name.len, value.ptr, value.len);
    }
}

static void describe(const struct job *job)
{
    char size[32];
    struct rn_text text = {.ptr = size, .cap = sizeof size};
    const struct rn_http_call *call = &job->call;
    rn_bytes reason = rn_http1_slice(call->head, call->exchange.response.reason);
    rn_bytes type = rn_http_call_field(call, "Content-Type");
    if (!type.len) type = RN_BYTES("unknown type");
    if (job->total == UINT64_MAX) rn_text_format(&text, "length unknown");
    else size_text(&text, job->total);
    say("%s: %u %b, %b, %b", call->url, (uint64_t)status_of(call), reason.ptr, reason.len, text.ptr,
        text.len, type.ptr, type.len);
}

bool response_redirect(struct rn_http_call *call, const char *to)
{
    if (fetcher.settings.show_head) show_head(call);
    say("%s: %u, goes on at %s", call->url, (uint64_t)status_of(call), to);
    return true;
}

/* By which a part can later be told to be one of the same content: a strong entity tag, or else the
 * date (RFC 9110, section 13.1.5). */
static rn_bytes validator_of(const struct rn_http_call *call)
{
    rn_bytes tag = rn_http_call_field(call, "ETag");
    if (tag.len && tag.ptr[0] == '"') return tag;
    return rn_http_call_field(call, "Last-Modified");
}

static enum verdict refuse(struct job *job, uint8_t exit_code, const char *why)
{
    char problem[PROBLEM_ROOM];
    struct rn_text text = {.ptr = problem, .cap = sizeof problem - 1};
    const struct rn_http_call *call = &job->call;
    rn_bytes reason = rn_http1_slice(call->head, call->exchange.response.reason);
    rn_text_format(&text, "%u %b%s", (uint64_t)status_of(call), reason.ptr, reason.len, why);
    problem[text.len] = 0;
    return fetch_fail(job, exit_code, problem);
}

static enum verdict ask_for_all(struct job *job)
{
    job->whole = true;
    return AGAIN_AT_ONCE;
}

/* What was written to a descriptor can't be taken back: notes what that was, and sees to it that
 * nothing else is put behind it. */
static bool is_something_else(struct job *job)
{
    struct output *output = &job->output;
    rn_bytes validator = validator_of(&job->call);
    if (output->kind != TO_DESCRIPTOR) return false;
    if (output->size)
        return output->validator[0] &&
               !rn_bytes_equal(validator, rn_bytes_text(output->validator));
    if (validator.len >= VALIDATOR_ROOM) validator.len = 0;
    if (validator.len) memcpy(output->validator, validator.ptr, validator.len);
    output->validator[validator.len] = 0;
    return false;
}

static enum verdict begin(struct job *job, uint64_t first, uint64_t total)
{
    job->total = total;
    if (is_something_else(job))
        return fetch_fail(job, EXIT_PROTOCOL, "it has changed since the first part was written");
    describe(job);
    job->first = first;
    job->validator = validator_of(&job->call);
    return BEGINNING;
}

/* 206 (Partial Content): what was asked for, or nothing that can be used. */
static enum verdict on_part(struct job *job)
{
    const struct rn_http_call *call = &job->call;
    const struct output *output = &job->output;
    struct rn_http_part part;
    int result = rn_http_part_parse(&part, rn_http_call_field(call, "Content-Range"));
    if (!job->asked) return refuse(job, EXIT_PROTOCOL, ": it was asked for all");
    if (result < 0 || part.first != job->asked)
        return refuse(job, EXIT_PROTOCOL, ": not the part that was asked for");
    if (call->content_length != RN_HTTP_LENGTH_UNKNOWN &&
        call->content_length != part.last - part.first + 1)
        return refuse(job, EXIT_PROTOCOL, ": the part's length contradicts its range");
    /* Without a validator this much can be told: it is not what was begun. */
    if (!output->validator[0] && job->modified > output->part_mtime && job->attempt == 1)
        return ask_for_all(job);
    return begin(job, job->asked, part.complete);
}

/* 416 (Range Not Satisfiable): all is there already, or what is there is something else. */
static enum verdict on_no_part(struct job *job)
{
    const struct output *output = &job->output;
    struct rn_http_part part = {.complete = UINT64_MAX};
    int result = rn_http_part_parse(&part, rn_http_call_field(&job->call, "Content-Range"));
    if (!job->asked) return refuse(job, EXIT_SERVER, "");
    if (result < 0 || part.complete == UINT64_MAX) return ask_for_all(job);
    if (part.complete == output->size) {
        job->total = output->size;
        if (!output->adopt) return DONE;
        say("'%s' is there already", output->name);
        job->nothing_new = true;
        return DONE;
    }
    if (!output->adopt) return ask_for_all(job);
    return refuse(job, EXIT_SERVER, ": the file that is there is longer than the server's");
}

static bool is_old(const struct job *job)
{
    const struct output *output = &job->output;
    uint64_t length = job->call.content_length;
    return fetcher.settings.newer_only && output->there && job->modified >= 0 &&
           job->modified <= output->mtime &&
           (length == RN_HTTP_LENGTH_UNKNOWN || length == output->old_size);
}

static enum verdict nothing_new(struct job *job, const char *why)
{
    say("%s: %s", job->call.url, why);
    job->nothing_new = true;
    return DONE;
}

static enum verdict on_success(struct job *job)
{
    unsigned status = status_of(&job->call);
    if (status == 206) return on_part(job);
    if (status == 204 || status == 205) return nothing_new(job, "no content");
    if (same_text(fetcher.settings.method, "HEAD")) return nothing_new(job, "it is there");
    if (is_old(job)) return nothing_new(job, "not newer than the file that is there");
    return begin(job, 0, job->call.content_length);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

/* What another attempt may mend; as GNU wget has it, not a refused connection. */
static bool passes(int error)
{
    return error == RN_E_CLOSED || error == -RN_K_ETIMEDOUT || error == -RN_K_ECONNRESET ||
           error == -RN_K_EPIPE || error == -RN_K_ECONNABORTED;
}

static enum verdict broken(struct job *job, const char *what)
{
    const struct settings *settings = &fetcher.settings;
    bool last = settings->tries && job->attempt >= settings->tries;
    /* What the server may have done already isn't asked for again, unless that changes nothing. */
    bool sent = job->call.phase >= RN_HTTP_SENDING || job->call.redirects;
    if (sent && !rn_http1_is_idempotent(rn_bytes_text(settings->method))) last = true;
    if (last) return fetch_fail(job, EXIT_NETWORK, what);
    say("%s: %s; attempt %u follows", fetch_shown_url(job), what, (uint64_t)job->attempt + 1);
    return AGAIN;
}

/* What the server said is no HTTP, or none that can be gone on from. */
static enum verdict on_nonsense(struct job *job, int error)
{
    const struct rn_http_call *call = &job->call;
    bool body = job->verdict == READING;
    if (!body && status_of(call) / 100 == 3) {
        bool tls = memcmp(call->url, "https:", 6) == 0;
        return fetch_fail(job, error == RN_E_LIMIT ? EXIT_SERVER : tls ? EXIT_TLS : EXIT_PROTOCOL,
                          error == RN_E_LIMIT ? "too many redirects"
                          : tls ? "a redirect to https, but TLS is not in this build"
                                : "a redirect that can't be followed");
    }
    if (error == RN_E_LIMIT)
        return fetch_fail(job, EXIT_PROTOCOL,
                          body ? "a chunk's line or the trailer is too long"
                               : "the response's head is too long, or too many came before it");
    if (error == RN_E_UNSUPPORTED)
        return fetch_fail(job, EXIT_PROTOCOL,
                          "another version of HTTP, or a transfer coding that is not known");
    return fetch_fail(job, EXIT_PROTOCOL,
                      body ? "the content's chunks are malformed"
                           : "the response's head is malformed");
}

static enum verdict on_error(struct job *job)
{
    static const char *const late[] = {
        [RN_HTTP_WAITING] = "no connection came free in time",
        [RN_HTTP_CONNECTING] = "no connection in time",
        [RN_HTTP_SENDING] = "the server takes no more of the request",
        [RN_HTTP_HEAD] = "no answer in time",
        [RN_HTTP_BODY] = "no more came in time",
        [RN_HTTP_OVER] = "timed out",
    };
    char problem[PROBLEM_ROOM];
    struct rn_text text = {.ptr = problem, .cap = sizeof problem - 1};
    const struct rn_http_call *call = &job->call;
    int error = call->result;
    if (error == -RN_K_ECANCELED) {
        job->exit_code = EXIT_OTHER;
        return FAILED;
    }
    if (error == -RN_K_EACCES)
        return fetch_fail(job, EXIT_AUTH, "the proxy refuses");
    if (error == RN_E_PROTOCOL || error == RN_E_LIMIT || error == RN_E_UNSUPPORTED)
        return on_nonsense(job, error);
    if (error == -RN_K_ETIMEDOUT) return broken(job, late[call->phase]);
    if (error == RN_E_CLOSED && call->phase == RN_HTTP_BODY && call->missing)
        rn_text_format(&text, "the server ended with %u bytes missing", call->missing);
    else if (error == RN_E_CLOSED)
        rn_text_format(&text, "the server ended in the middle of %s",
                       call->phase == RN_HTTP_BODY ? "the content" : "its answer");
    else rn_text_format(&text, "%s", rn_error_text(error));
    problem[text.len] = 0;
    return passes(error) ? broken(job, problem) : fetch_fail(job, EXIT_NETWORK, problem);
}

enum verdict response_head(struct job *job)
{
    const struct rn_http_call *call = &job->call;
    if (call->result < 0) return on_error(job);
    unsigned status = status_of(call);
    if (fetcher.settings.show_head) show_head(call);
    rn_bytes date = rn_http_call_field(call, "Last-Modified");
    if (!rn_http_date_read(date, (int64_t)rn_clock_realtime_seconds(), &job->modified))
        job->modified = -1;
    if (status / 100 == 2) return on_success(job);
    if (status == 304 && fetcher.settings.newer_only && job->output.there)
        return nothing_new(job, "not newer than the file that is there");
    if (status == 416) return on_no_part(job);
    if (status == 401 || status == 407) return refuse(job, EXIT_AUTH, "");
    if (status / 100 == 3)
        return refuse(job, EXIT_SERVER,
                      fetcher.settings.redirects_max ? "" : ": one redirect too many");
    return refuse(job, EXIT_SERVER, "");
}

enum verdict response_end(struct job *job)
{
    if (job->verdict != READING) return job->verdict;
    if (job->call.result < 0) return on_error(job);
    if (job->total != UINT64_MAX && job->output.size < job->total)
        return broken(job, "the server sent less than it announced");
    if (job->output.size > job->total)
        return fetch_fail(job, EXIT_PROTOCOL, "the server sent more than it announced");
    return DONE;
}
