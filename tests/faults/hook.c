/*
 * Makes one system call of a program fail: linked into a build with -DRN_SYSCALL_HOOK
 * (src/sys/call.h), where all calls come by here. (Not those of a libc, nor the clone of a thread.)
 * It needs no libc, and does what it needs before the program has shut itself in a sandbox.
 *
 *     FAULT_COUNTS=FILE       how often each call was made, as 32-bit numbers, by number
 *     FAULT=NUMBER:NTH:ERRNO  the nth call of that number fails, and only that one; the last place
 *                             of the counts says that it did
 */
#include "sys/call.h"
#include "sys/sys.h"

enum { CALLS = 512, HAPPENED = CALLS - 1, FILES = 4096, ENVIRONMENT = 1 << 16 };

static uint32_t own_counts[CALLS];
static uint32_t *counts = own_counts; /* in shared memory: they outlive the program */
static long fault_call = -1, fault_at, fault_error;
static bool is_eventfd[FILES];

static long raw(long nr, long a, long b, long c, long d, long e)
{
    return rn_raw_syscall6(nr, a, b, c, d, e, 0);
}

/* The value of a variable, or NULL. */
static const char *find(const char *environment, long len, const char *name)
{
    for (const char *at = environment; at < environment + len; at++) {
        size_t i = 0;
        while (name[i] && at[i] == name[i]) i++;
        if (!name[i] && at[i] == '=') return at + i + 1;
        while (*at) at++;
    }
    return NULL;
}

static long number(const char **text)
{
    long value = 0;
    while (**text >= '0' && **text <= '9') value = value * 10 + *(*text)++ - '0';
    if (**text) ++*text;
    return value;
}

static void map_counts(const char *path)
{
    enum { SHARED = 1 };
    long fd = raw(RN_NR_OPENAT, RN_K_AT_FDCWD, (long)path, RN_K_O_RDWR | RN_K_O_CLOEXEC, 0, 0);
    if (fd < 0) return;
    long at = raw(RN_NR_MMAP, 0, sizeof own_counts, RN_K_PROT_READ | RN_K_PROT_WRITE, SHARED, fd);
    if (at > 0 || at < -4095) counts = (uint32_t *)at;
    raw(RN_NR_CLOSE, fd, 0, 0, 0, 0);
}

static void read_settings(void)
{
    static char environment[ENVIRONMENT];
    long len = 0, count, fd = raw(RN_NR_OPENAT, RN_K_AT_FDCWD, (long)"/proc/self/environ",
                                  RN_K_O_RDONLY | RN_K_O_CLOEXEC, 0, 0);
    while ((count = raw(RN_NR_READ, fd, (long)environment + len, ENVIRONMENT - 1 - len, 0, 0)) > 0)
        len += count;
    raw(RN_NR_CLOSE, fd, 0, 0, 0, 0);
    const char *path = find(environment, len, "FAULT_COUNTS");
    const char *fault = find(environment, len, "FAULT");
    if (path) map_counts(path);
    if (!fault) return;
    fault_call = number(&fault);
    fault_at = number(&fault);
    fault_error = number(&fault);
}

/* What can't fail as it is used: waking a futex, and writing to an eventfd, whose counter is never
 * full. */
static bool can_fail(long nr, long a, long b)
{
    enum { FUTEX_OPERATION = 127, FUTEX_WAKE = 1 };
    if (nr == RN_NR_FUTEX) return (b & FUTEX_OPERATION) != FUTEX_WAKE;
    return nr < HAPPENED && !(nr == RN_NR_WRITE && a >= 0 && a < FILES && is_eventfd[a]);
}

static long make(long nr, long a, long b, long c, long d, long e, long f)
{
    long result = rn_raw_syscall6(nr, a, b, c, d, e, f);
    if (nr == RN_NR_EVENTFD2 && result >= 0 && result < FILES) is_eventfd[result] = true;
    return result;
}

long rn_syscall_hook(long nr, long a, long b, long c, long d, long e, long f)
{
    static bool ready; /* the first call is made before there are threads */
    if (!ready) read_settings();
    ready = true;
    if (!can_fail(nr, a, b)) return make(nr, a, b, c, d, e, f);
    uint32_t count = __atomic_add_fetch(&counts[nr], 1, __ATOMIC_RELAXED);
    if (nr != fault_call || count != fault_at) return make(nr, a, b, c, d, e, f);
    __atomic_store_n(&counts[HAPPENED], 1, __ATOMIC_RELEASE);
    /* close(2) fails late: the descriptor is gone all the same. */
    if (nr == RN_NR_CLOSE) make(nr, a, b, c, d, e, f);
    return -fault_error;
}
