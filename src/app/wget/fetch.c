/*
 * app/wget/fetch.c: a task that fetches one URL after the other: attempts, their content, what is
 * saved in the end.
 */
#include "app/wget/wget.h"
#include "base/text.h"
#include "sys/sys.h"

enum { RATE_STEPS = 16 }; /* so often a second the rate is seen to, at least */
#define RATE_SLACK (RN_SECOND / 10)

/* ---- Failing --------------------------------------------------------------------------------- */

const char *fetch_shown_url(const struct job *job)
{
    static char shown[RN_HTTP_URL_MAX];
    struct rn_text text = {.ptr = shown, .cap = sizeof shown - 1};
    struct rn_url url;
    if (rn_url_parse(&url, rn_bytes_text(job->url)) < 0 || !url.userinfo.ptr) return job->url;
    /* All that follows the '@'. */
    rn_text_format(&text, "%b://%s", url.scheme.ptr, url.scheme.len,
                   (const char *)url.authority.ptr);
    shown[text.len] = 0;
    return shown;
}

enum verdict fetch_fail(struct job *job, uint8_t exit_code, const char *problem)
{
    complain("%s: %s", fetch_shown_url(job), problem);
    job->exit_code = exit_code;
    return FAILED;
}

enum verdict fetch_fail_file(struct job *job, int error)
{
    if (error == -RN_K_ECANCELED) {
        job->exit_code = EXIT_OTHER;
        return FAILED;
    }
    complain("cannot write '%s': %s", job->output.name, rn_error_text(error));
    job->exit_code = EXIT_FILE;
    return FAILED;
}

/* ---- Beginning ------------------------------------------------------------------------------- */

/* Makes the URL that was given a whole and normal one. */
static enum verdict read_url(struct job *job, const char *given)
{
    char whole[RN_HTTP_URL_MAX];
    struct rn_text text = {.ptr = whole, .cap = sizeof whole};
    const char *at = given;
    while (*at && (at[0] != ':' || at[1] != '/' || at[2] != '/')) at++;
    rn_text_format(&text, "%s%s", *at ? "" : "http://", given);
    rn_ssize len = RN_E_LIMIT; /* what was cut off may be what matters */
    if (text.len < sizeof whole)
        len = rn_url_resolve(job->url, sizeof job->url, NULL, rn_bytes_of(whole, text.len));
    if (len >= 0 && memcmp(job->url, "http:", 5) == 0) return READING;
    bool tls = len >= 0 && memcmp(job->url, "https:", 6) == 0;
    text.cap = text.len < 200 ? text.len : 200;
    memcpy(job->url, whole, text.cap);
    job->url[text.cap] = 0;
    return fetch_fail(job, tls ? EXIT_TLS : EXIT_USAGE,
                      tls ? "TLS is not in this build"
                      : len >= 0 || len == RN_E_UNSUPPORTED ? "not http"
                      : len == RN_E_LIMIT ? "too long"
                                          : "that is no URL");
}

static enum verdict choose_path(struct job *job)
{
    char decoded[RN_HTTP_URL_MAX];
    struct rn_url url;
    int result = rn_url_parse(&url, rn_bytes_text(job->url));
    job->path = fetcher.settings.output;
    if (result == 0 && !job->path) {
        size_t from = url.path.len;
        while (from && url.path.ptr[from - 1] != '/') from--;
        rn_bytes last = rn_bytes_of(url.path.ptr + from, url.path.len - from);
        rn_ssize len = rn_url_decode(decoded, sizeof decoded, last);
        if (len >= 0) last = rn_bytes_of(decoded, (size_t)len);
        output_name(job->name, last, url.query);
        job->path = job->name;
    }
    return result < 0 ? fetch_fail_file(job, result) : READING;
}

static void count(struct job *job)
{
    uint8_t code = job->exit_code;
    /* The lowest one but 0, as GNU wget has it. */
    if (code && (!fetcher.exit_code || code < fetcher.exit_code)) fetcher.exit_code = code;
    output_end(&job->output);
    job->call.client = NULL;
    fetcher.done++;
}

/* Takes the next URL; false when there is none. */
static bool next(struct job *job, struct rn_cx *cx)
{
    while (fetcher.next_url < fetcher.url_count && !fetcher.interrupted) {
        const char *given = fetcher.settings.urls[fetcher.next_url++];
        job->output = (struct output){.dir = -1, .fd = -1};
        job->attempt = 1;
        job->got = job->exit_code = 0;
        job->whole = job->nothing_new = false;
        job->began = cx->now;
        job->verdict = read_url(job, given);
        if (job->verdict == READING) job->verdict = choose_path(job);
        if (job->verdict == READING) return true;
        count(job);
    }
    return false;
}

/* ---- What may wait for a disk ---------------------------------------------------------------- */

/* A helper's thread does it: a disk that is stuck, or a reader who doesn't read, is in the way of
 * this fetch alone. There are as many helpers as fetches. While one writes, what comes gathers in
 * the socket, so that more is written the next time. */
static void begin_step(struct job *job, struct rn_cx *cx, int64_t (*run)(struct rn_helped *))
{
    job->helped.run = run;
    job->helped.certain = true;
    rn_helper_begin(cx, &job->helped, RN_NEVER);
}

static struct job *job_of(struct rn_helped *helped)
{
    return rn_container_of(helped, struct job, helped);
}

static int64_t open_output(struct rn_helped *helped)
{
    struct job *job = job_of(helped);
    const struct settings *settings = &fetcher.settings;
    return output_open(&job->output, job->path, settings->output || settings->newer_only,
                       settings->resume);
}

static int64_t begin_output(struct rn_helped *helped)
{
    struct job *job = job_of(helped);
    return output_begin(&job->output, job->first, job->validator);
}

static int64_t write_output(struct rn_helped *helped)
{
    struct job *job = job_of(helped);
    return output_write(&job->output, job->step);
}

static int64_t commit_output(struct rn_helped *helped)
{
    struct job *job = job_of(helped);
    return output_commit(&job->output, job->modified);
}

/* Takes a step's result: false when the fetch has failed. */
static bool went_well(struct job *job)
{
    if (job->helped.op.result < 0) job->verdict = fetch_fail_file(job, (int)job->helped.op.result);
    return job->helped.op.result >= 0;
}

/* ---- Content --------------------------------------------------------------------------------- */

static void drop(rn_bytes *piece, size_t len)
{
    *piece = rn_bytes_of(piece->ptr + len, piece->len - len);
}

/* What follows so many bytes is to wait for so long. */
static rn_ns pause_after(size_t len)
{
    if (!fetcher.rate) return 0;
    rn_ns now = rn_clock_monotonic();
    /* A pause that was a little too long is made up for, a server that was slow is not. */
    if (!fetcher.paid_until) fetcher.paid_until = now;
    if (fetcher.paid_until + RATE_SLACK < now) fetcher.paid_until = now - RATE_SLACK;
    fetcher.paid_until += len * RN_SECOND / fetcher.rate;
    return fetcher.paid_until > now ? fetcher.paid_until - now : 0;
}

/* Takes some of the piece. */
static void take_step(struct job *job)
{
    size_t len = job->piece.len, most = (size_t)(fetcher.rate / RATE_STEPS) + 1;
    if (fetcher.rate && len > most) len = most;
    job->step = rn_bytes_of(job->piece.ptr, len);
    job->taken = len;
    job->got += len;
    fetcher.bytes += len;
    drop(&job->piece, len);
    drop(&job->step, output_skip(&job->output, job->step));
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static void tell(const struct job *job, rn_ns now)
{
    char line[160];
    struct rn_text text = {.ptr = line, .cap = sizeof line};
    const struct output *output = &job->output;
    uint64_t ms = (now - job->began) / RN_MILLISECOND;
    rn_text_format(&text, "%u bytes", output->size);
    rn_text_format(&text, " in %u.%u s, ", ms / 1000, ms % 1000 / 100);
    size_text(&text, job->got * 1000 / (ms + 1));
    rn_text_add(&text, "/s", 2);
    if (output->kind == TO_DESCRIPTOR) say("%s: %b", fetch_shown_url(job), text.ptr, text.len);
    else say("saved '%s', %b", output->name, text.ptr, text.len);
}

static void finish(struct job *job)
{
    struct output *output = &job->output;
    if (job->verdict == DONE && !job->nothing_new) tell(job, rn_clock_monotonic());
    if (job->verdict != DONE && !job->exit_code) job->exit_code = EXIT_OTHER;
    if (job->verdict != DONE && output->resume && output->size && !output->adopt)
        say("'%s' has the %u bytes that came; -c goes on with it", output->made_as, output->size);
    count(job);
}

static rn_ns pause_before(struct job *job)
{
    unsigned seconds = job->verdict == AGAIN ? job->attempt++ : 0;
    if (seconds > fetcher.settings.retry_wait) seconds = fetcher.settings.retry_wait;
    return seconds * RN_SECOND;
}

/* All of an answer's content, to where it goes. */
static enum rn_poll save(struct rn_future *future, struct rn_cx *cx)
{
    struct job *job = rn_container_of(future, struct job, saved);
    rn_ns pause;
    RN_BEGIN(&job->save_co);
    begin_step(job, cx, begin_output);
    RN_AWAIT(&job->save_co, &job->helped.op, cx);
    job->verdict = READING;
    if (went_well(job)) rn_http_call_read(&job->call, cx);
    while (job->verdict == READING) {
        RN_AWAIT(&job->save_co, &job->call.future, cx);
        if (job->call.result < 0 || !job->call.data.len) break;
        job->piece = job->call.data;
        while (job->piece.len && job->verdict == READING && !cx->cancelled) {
            take_step(job);
            while (job->verdict == READING && job->step.len) {
                begin_step(job, cx, write_output);
                RN_AWAIT(&job->save_co, &job->helped.op, cx);
                if (!went_well(job)) break;
                job->output.size += (uint64_t)job->helped.op.result;
                drop(&job->step, (size_t)job->helped.op.result);
            }
            pause = pause_after(job->taken);
            if (!pause) continue;
            rn_sleep(&job->sleep, cx, pause);
            RN_AWAIT(&job->save_co, &job->sleep, cx);
        }
        if (job->verdict == READING) rn_http_call_read(&job->call, cx);
    }
    RN_END(&job->save_co);
}

/* One URL, with as many attempts as it takes. */
static enum rn_poll fetch(struct rn_future *future, struct rn_cx *cx)
{
    struct job *job = rn_container_of(future, struct job, fetched);
    rn_ns pause;
    RN_BEGIN(&job->fetch_co);
    begin_step(job, cx, open_output);
    RN_AWAIT(&job->fetch_co, &job->helped.op, cx);
    if (went_well(job)) job->verdict = AGAIN_AT_ONCE;
    while (job->verdict >= AGAIN && !cx->cancelled) {
        request_make(job);
        rn_http_call_start(&job->call, cx, rn_bytes_text(job->url));
        RN_AWAIT(&job->fetch_co, &job->call.future, cx);
        job->verdict = response_head(job);
        job->save_co = (rn_co){0};
        if (job->verdict == BEGINNING) RN_AWAIT(&job->fetch_co, &job->saved, cx);
        job->verdict = response_end(job);
        rn_http_call_end(&job->call);
        pause = pause_before(job);
        if (job->verdict == AGAIN && pause) {
            rn_sleep(&job->sleep, cx, pause);
            RN_AWAIT(&job->fetch_co, &job->sleep, cx);
        }
    }
    if (job->verdict == DONE && !job->nothing_new) {
        begin_step(job, cx, commit_output);
        RN_AWAIT(&job->fetch_co, &job->helped.op, cx);
        (void)went_well(job);
    }
    finish(job);
    RN_END(&job->fetch_co);
}

enum rn_poll fetch_run(struct rn_task *task, struct rn_cx *cx)
{
    struct job *job = rn_container_of(task, struct job, task);
    RN_BEGIN(&job->co);
    job->fetched.poll = fetch;
    job->saved.poll = save;
    while (next(job, cx)) {
        job->fetch_co = (rn_co){0};
        RN_AWAIT(&job->co, &job->fetched, cx);
    }
    if (--fetcher.running == 0) {
        progress_stop();
        fetcher.closed = rn_http_client_close(&fetcher.client);
        RN_AWAIT(&job->co, fetcher.closed, cx);
        rn_http_client_fini(&fetcher.client);
        __atomic_store_n(&fetcher.over, 1, __ATOMIC_RELEASE);
        rn_sys_kill(rn_sys_getpid(), RN_K_SIGUSR1);
    }
    RN_END(&job->co);
}
