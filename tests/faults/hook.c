/*
 * Makes one system call of a program fail: linked into a hosted build with -DRN_SYSCALL_HOOK
 * (src/sys/call.h), where all calls come by here. (The libc's own don't: its threads and clock.)
 *
 *     FAULT_COUNTS=FILE       how often each call was made, as 32-bit numbers, by number
 *     FAULT=NUMBER:NTH:ERRNO  the nth call of that number fails, and only that one; the last place
 *                             of the counts says that it did
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/sys.h"

enum { CALLS = 512, HAPPENED = CALLS - 1, FILES = 4096 };

static uint32_t own_counts[CALLS];
static uint32_t *counts = own_counts;
static long fault_call = -1, fault_error;
static unsigned long fault_at;
static bool is_eventfd[FILES];

/* The counts are in shared memory: a program that is in a sandbox, or is killed, leaves them. */
__attribute__((constructor)) static void read_settings(void)
{
    const char *path = getenv("FAULT_COUNTS"), *fault = getenv("FAULT");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (fd >= 0 && ftruncate(fd, sizeof own_counts) == 0) {
        void *map = mmap(NULL, sizeof own_counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) counts = map;
    }
    if (fd >= 0) close(fd);
    if (fault && sscanf(fault, "%ld:%lu:%ld", &fault_call, &fault_at, &fault_error) != 3) abort();
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
    if (!can_fail(nr, a, b)) return make(nr, a, b, c, d, e, f);
    uint32_t count = __atomic_add_fetch(&counts[nr], 1, __ATOMIC_RELAXED);
    if (nr != fault_call || count != fault_at) return make(nr, a, b, c, d, e, f);
    __atomic_store_n(&counts[HAPPENED], 1, __ATOMIC_RELEASE);
    /* close(2) fails late: the descriptor is gone all the same. */
    if (nr == RN_NR_CLOSE) make(nr, a, b, c, d, e, f);
    return -fault_error;
}
