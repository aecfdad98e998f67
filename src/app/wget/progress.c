/*
 * app/wget/progress.c: what is said while a fetch goes on, and lines on standard error altogether.
 */
#include "app/wget/wget.h"
#include "base/text.h"
#include "sys/sys.h"

enum {
    STDERR = 2,
    LINE_ROOM = 2048,
    NAME_WIDTH = 20,
    BESIDE_BAR = NAME_WIDTH + 6 + 36, /* figures in front of it and behind it */
    WIDTH_MIN = BESIDE_BAR + 8, /* narrower, the bar is left out */
    WIDTH_MAX = 500,
};

#define BAR_INTERVAL (RN_SECOND / 5)
#define LINE_INTERVAL (5 * RN_SECOND)

/* ---- Lines ----------------------------------------------------------------------------------- */

static void put(const char *from, size_t len)
{
    while (len) {
        long written = rn_sys_write(STDERR, from, len);
        if (written == -RN_K_EINTR) continue;
        if (written <= 0) return; /* nobody reads it */
        from += written;
        len -= (size_t)written;
    }
}

/* What a server sends must not speak to the terminal: by controls, or by U+0080 to U+009F, which
 * are controls too where UTF-8 is read, and alone elsewhere (ECMA-48, section 5.3). Any other
 * character of UTF-8 may have such bytes behind its first. */
static void silence(struct rn_text *text)
{
    uint8_t last = 0;
    for (size_t i = 0; i < text->len; i++) {
        uint8_t c = (uint8_t)text->ptr[i];
        bool high = c >= 0x80 && c < 0xa0 && (last < 0x80 || last == 0xc2);
        if (high || c < ' ' || c == 0x7f) text->ptr[i] = '?';
        last = (uint8_t)text->ptr[i];
    }
}

RN_NO_FLOATS void say_line(const char *prefix, const char *format, ...)
{
    char line[LINE_ROOM];
    struct rn_text text = {.ptr = line, .cap = LINE_ROOM - 1};
    va_list arguments;
    va_start(arguments, format);
    rn_text_format(&text, "%s", prefix);
    rn_text_vformat(&text, format, arguments);
    va_end(arguments);
    silence(&text);
    line[text.len++] = '\n';
    progress_clear();
    put(line, text.len);
}

/* ---- Figures --------------------------------------------------------------------------------- */

void size_text(struct rn_text *text, uint64_t bytes)
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    uint64_t tenths = 0;
    while (bytes >= 1024) {
        tenths = bytes % 1024 * 10 / 1024;
        bytes /= 1024;
        unit++;
    }
    rn_text_format(text, "%u", bytes);
    if (unit) rn_text_format(text, ".%u", tenths);
    rn_text_format(text, " %s", units[unit]);
}

void time_text(struct rn_text *text, uint64_t seconds)
{
    static const uint64_t spans[] = {86400, 3600, 60, 1};
    unsigned at = 0;
    while (seconds < spans[at] && at < 3) at++;
    rn_text_format(text, "%u%b", seconds / spans[at], &"dhms"[at], (size_t)1);
    if (at < 3)
        rn_text_format(text, " %u%b", seconds % spans[at] / spans[at + 1], &"dhms"[at + 1],
                       (size_t)1);
}

/* ---- The bar --------------------------------------------------------------------------------- */

/* Of all fetches that are under way. */
struct state {
    const struct job *job; /* one of them */
    uint64_t size;
    uint64_t total; /* UINT64_MAX: one of them isn't known */
    unsigned count;
};

static struct state look(void)
{
    struct state state = {0};
    for (unsigned i = 0; i < fetcher.settings.jobs; i++) {
        const struct job *job = &fetcher.jobs[i];
        if (job->verdict != READING || !job->call.client) continue;
        state.job = job;
        state.size += job->output.size;
        if (job->total == UINT64_MAX) state.total = UINT64_MAX;
        if (state.total != UINT64_MAX) state.total += job->total;
        state.count++;
    }
    return state;
}

static void pad(struct rn_text *text, size_t to)
{
    while (text->len < to) rn_text_add(text, " ", 1);
}

static void draw(struct rn_text *text, const struct state *state, size_t cells)
{
    uint64_t full = state->total && state->total != UINT64_MAX
                        ? state->size / 1024 * cells / (state->total / 1024 + 1)
                        : 0;
    rn_text_add(text, "[", 1);
    for (size_t i = 0; i < cells; i++)
        rn_text_add(text, i < full ? "=" : i == full ? ">" : " ", 1);
    rn_text_add(text, "] ", 2);
}

static uint64_t percent(const struct state *state)
{
    uint64_t size = state->size;
    return size >> 57 ? size / (state->total / 100) : size * 100 / state->total;
}

static void describe(struct rn_text *text, const struct state *state, size_t width)
{
    bool known = state->total && state->total != UINT64_MAX;
    if (state->count > 1)
        rn_text_format(text, "%u of %u", (uint64_t)fetcher.done, (uint64_t)fetcher.url_count);
    else rn_text_format(text, "%s", state->job->output.name);
    if (text->len > NAME_WIDTH) text->len = NAME_WIDTH;
    pad(text, NAME_WIDTH);
    if (known) rn_text_format(text, " %u%% ", percent(state));
    pad(text, NAME_WIDTH + 6);
    if (width >= WIDTH_MIN) draw(text, state, width - BESIDE_BAR);
    size_text(text, state->size);
    rn_text_add(text, "  ", 2);
    size_text(text, fetcher.speed);
    rn_text_add(text, "/s", 2);
    if (!known || !fetcher.speed || state->size > state->total) return;
    rn_text_add(text, "  ", 2);
    time_text(text, (state->total - state->size) / fetcher.speed);
    rn_text_add(text, " left", 5);
}

void progress_clear(void)
{
    if (fetcher.bar) put("\r\033[K", 4);
    fetcher.bar = false;
}

static void tick(struct rn_timer *timer, rn_ns now)
{
    struct state state = look();
    uint32_t width = __atomic_load_n(&fetcher.terminal, __ATOMIC_RELAXED);
    uint64_t ms = (now - fetcher.bar_at) / RN_MILLISECOND + 1;
    uint64_t speed = (fetcher.bytes - fetcher.bar_bytes) * 1000 / ms;
    fetcher.speed = fetcher.speed ? (fetcher.speed * 7 + speed) / 8 : speed;
    fetcher.bar_at = now;
    fetcher.bar_bytes = fetcher.bytes;
    rn_timer_start(rn_worker_current(), timer, now + (width ? BAR_INTERVAL : LINE_INTERVAL));
    if (!state.count) return;
    char line[WIDTH_MAX + 64];
    if (width > WIDTH_MAX) width = WIDTH_MAX;
    struct rn_text text = {.ptr = line, .cap = width ? width - 1 : LINE_ROOM / 8};
    describe(&text, &state, width ? width - 1 : 0);
    if (!width) {
        say_line("", "%b", text.ptr, text.len);
        return;
    }
    silence(&text);
    put("\r", 1);
    put(text.ptr, text.len);
    put("\033[K", 3);
    fetcher.bar = true;
}

void progress_start(void)
{
    if (fetcher.settings.quiet) return;
    bool terminal = __atomic_load_n(&fetcher.terminal, __ATOMIC_RELAXED);
    fetcher.tick.expire = tick;
    fetcher.bar_at = rn_worker_now(rn_worker_current());
    rn_timer_start(rn_worker_current(), &fetcher.tick,
                   fetcher.bar_at + (terminal ? BAR_INTERVAL : LINE_INTERVAL));
}

void progress_stop(void)
{
    rn_timer_stop(rn_worker_current(), &fetcher.tick);
    progress_clear();
}
