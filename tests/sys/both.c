/*
 * One program for both builds: goes through the system layer and prints what it saw.
 * tests/sys/run.sh builds it without a libc and on one, and for other architectures: all of them
 * must print the same.
 *
 *   both [WORDS...]   the transcript; exits 1 when something was not as it must be
 *   both overflow     runs a thread over the end of its stack: must die by SIGSEGV
 *   both vdso         says whether the clock is read outside the program's own code
 */
#include "base/bytes.h"
#include "sys/start.h"
#include "sys/sys.h"

RN_PROGRAM_MAIN

static int failures;

static void print(const char *text)
{
    rn_assert(rn_sys_write(1, text, strlen(text)) == (long)strlen(text));
}

static void print_number(uint64_t value)
{
    char digits[21];
    digits[rn_format_u64(digits, value)] = 0;
    print(digits);
}

static void check(const char *what, bool good)
{
    print(what);
    print(good ? ": ok\n" : ": WRONG\n");
    failures += !good;
}

/* A result of a call, by its error's name when it is one. */
static void result(const char *what, long value)
{
    print(what);
    print(": ");
    if (value < 0) {
        print(rn_error_name((int)value));
        print(", ");
        print(rn_error_text((int)value));
    } else {
        print_number((uint64_t)value);
    }
    print("\n");
}

static void arguments(int argc, char **argv, char **envp)
{
    result("argc", argc);
    for (int i = 1; i < argc; i++) {
        print("argument: ");
        print(argv[i]);
        print("\n");
    }
    check("argv ends", argv[argc] == NULL);
    for (; *envp; envp++) {
        print("environment: ");
        print(*envp);
        print("\n");
    }
}

static void memory_functions(void)
{
    static uint8_t a[3000], b[3000];
    uint64_t sum = 0;
    for (size_t len = 0; len < 1400; len += 1 + len / 9) {
        memset(a, (int)len, sizeof a);
        memset(a + 100, 0x5a, len);
        for (size_t i = 0; i < len; i++) a[100 + i] = (uint8_t)(a[100 + i] ^ (uint8_t)i);
        memcpy(b, a, sizeof b);
        memmove(b + 107, b + 100, len);
        memmove(b + 50, b + 60, len);
        int order = memcmp(a, b, sizeof a);
        for (size_t i = 0; i < sizeof b; i++) sum = sum * 31 + b[i];
        sum += order < 0 ? 1 : order > 0 ? 2 : 3;
    }
    result("memory functions", (long)(sum >> 1));
    result("strlen", (long)strlen("the text has 26 characters"));
    size_t size = 5 * 4096;
    uint8_t *mapped = rn_map(size);
    check("map", mapped && !((uintptr_t)mapped & (4096 - 1)));
    check("map is zero", mapped[0] == 0 && mapped[size - 1] == 0);
    memset(mapped, 1, size);
    rn_unmap(mapped, size);
    /* A pipe's end refuses memory that is gone. */
    int fds[2];
    result("pipe2", rn_sys_pipe2(fds, RN_K_O_CLOEXEC | RN_K_O_NONBLOCK));
    result("write from unmapped memory", rn_sys_write(fds[1], mapped, 8));
    rn_sys_close(fds[0]);
    rn_sys_close(fds[1]);
    check("map of too much", rn_map((size_t)1 << 62) == NULL);
}

/* Threads. */

#define THREADS 8
#define STACK_SIZE ((size_t)64 * 1024)

static RN_THREAD_LOCAL uint64_t initialised = 0x1122334455667788;
static RN_THREAD_LOCAL uint8_t zeroed[200];
static RN_THREAD_LOCAL char text[] = "each its own";
static RN_THREAD_LOCAL uint32_t aligned __attribute__((aligned(128))) = 77;

struct worker {
    struct rn_thread thread;
    unsigned index;
    bool good;
    void *storage;
    int tid;
};

static uint32_t arrived;

/* All are here at once, so that each has storage of its own and not that of one that has ended. */
static void meet(void)
{
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == THREADS) {
        (void)rn_sys_futex_wake(&arrived, THREADS);
        return;
    }
    uint32_t now;
    while ((now = __atomic_load_n(&arrived, __ATOMIC_SEQ_CST)) != THREADS)
        (void)rn_sys_futex_wait(&arrived, now, NULL);
}

/* The compiler knows the alignment that it asked for; here it must not conclude from that. */
static bool is_aligned(void *at)
{
    __asm__("" : "+r"(at));
    return ((uintptr_t)at & 127) == 0;
}

static bool storage_is_fresh(void)
{
    bool good = initialised == 0x1122334455667788 && aligned == 77;
    for (size_t i = 0; i < sizeof zeroed; i++) good &= zeroed[i] == 0;
    return good && memcmp(text, "each its own", sizeof text) == 0;
}

static void work(void *argument)
{
    struct worker *worker = argument;
    volatile uint8_t stack[STACK_SIZE - 8192];
    stack[0] = 1;
    bool good = storage_is_fresh() && is_aligned(&aligned) && stack[0] == 1;
    void *frame = __builtin_frame_address(0);
    __asm__("" : "+r"(frame));
    good &= ((uintptr_t)frame & 15) == 0;
    worker->storage = &initialised;
    worker->tid = rn_sys_gettid();
    initialised = worker->index;
    memset(zeroed, (int)worker->index, sizeof zeroed);
    text[0] = (char)('0' + worker->index);
    aligned += worker->index;
    meet();
    good &= initialised == worker->index && zeroed[199] == worker->index;
    good &= text[0] == (char)('0' + worker->index) && aligned == 77 + worker->index;
    worker->good = good;
}

static void threads(void)
{
    static struct worker workers[THREADS];
    check("main thread's storage", storage_is_fresh() && is_aligned(&aligned));
    initialised = 5;
    for (unsigned round = 0; round < 3; round++) {
        arrived = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){.index = i + 1};
            if (rn_thread_start(&workers[i].thread, work, &workers[i], STACK_SIZE)) failures++;
        }
        for (unsigned i = 0; i < THREADS; i++) rn_thread_join(&workers[i].thread);
        bool good = true, distinct = true;
        for (unsigned i = 0; i < THREADS; i++) {
            good &= workers[i].good && workers[i].tid != rn_sys_gettid();
            for (unsigned j = 0; j < i; j++)
                distinct &= workers[i].storage != workers[j].storage &&
                            workers[i].tid != workers[j].tid;
        }
        check("threads", good);
        check("threads have storage of their own", distinct);
    }
    check("main thread's storage is its own", initialised == 5 && zeroed[0] == 0);
    check("thread with too much stack is refused",
          rn_thread_start(&workers[0].thread, work, &workers[0], (size_t)1 << 62) < 0);
    check("thread with far too much stack is refused",
          rn_thread_start(&workers[0].thread, work, &workers[0], SIZE_MAX - 4096) < 0);
    result("cpus", rn_cpu_count());
}

static void clocks(void)
{
    rn_ns last = rn_clock_monotonic();
    bool good = last > 0;
    for (int i = 0; i < 100000; i++) {
        rn_ns now = rn_clock_monotonic();
        good &= now >= last;
        last = now;
    }
    check("monotonic clock", good);
    struct rn_k_timespec pause = rn_timespec_of(5 * RN_MILLISECOND), now;
    result("nanosleep", rn_sys_nanosleep(&pause, NULL));
    check("monotonic clock after a sleep", rn_clock_monotonic() - last >= 5 * RN_MILLISECOND);
    rn_ns coarse = rn_clock_monotonic_coarse();
    last = rn_clock_monotonic();
    check("coarse clock", coarse <= last && last - coarse < RN_SECOND);
    rn_assert(rn_sys_clock_gettime(RN_K_CLOCK_REALTIME, &now) == 0);
    uint64_t seconds = rn_clock_realtime_seconds();
    check("realtime clock", seconds + 2 > (uint64_t)now.tv_sec && seconds < now.tv_sec + 60ul);
    now = rn_timespec_of(3 * RN_SECOND + 7);
    check("timespec", now.tv_sec == 3 && now.tv_nsec == 7);
}

static void randomness(void)
{
    uint64_t seen[64];
    bool good = true;
    for (size_t i = 0; i < RN_COUNT(seen); i++) {
        seen[i] = rn_random64();
        for (size_t j = 0; j < i; j++) good &= seen[i] != seen[j];
    }
    check("random", good);
}

static void send_signal(void *argument)
{
    (void)argument;
    rn_assert(rn_sys_kill(rn_sys_getpid(), RN_K_SIGTERM) == 0);
}

static void signals(void)
{
    uint64_t both = RN_SIGNAL_BIT(RN_K_SIGUSR1) | RN_SIGNAL_BIT(RN_K_SIGTERM);
    rn_signals_block(RN_SIGNAL_BIT(RN_K_SIGUSR1));
    rn_signals_block(RN_SIGNAL_BIT(RN_K_SIGTERM));
    result("no signal", rn_signals_wait(both, 0));
    rn_ns before = rn_clock_monotonic();
    result("no signal in 3 ms", rn_signals_wait(both, 3 * RN_MILLISECOND));
    check("waited for them", rn_clock_monotonic() - before >= 3 * RN_MILLISECOND);
    result("kill", rn_sys_kill(rn_sys_getpid(), RN_K_SIGUSR1));
    result("signal", rn_signals_wait(both, RN_NEVER));
    struct rn_thread thread;
    if (rn_thread_start(&thread, send_signal, NULL, STACK_SIZE)) failures++;
    result("signal from a thread that blocks it as well", rn_signals_wait(both, RN_NEVER));
    rn_thread_join(&thread);
    rn_signal_ignore(RN_K_SIGPIPE);
    int fds[2];
    rn_assert(rn_sys_pipe2(fds, 0) == 0);
    rn_sys_close(fds[0]);
    result("write to a closed pipe", rn_sys_write(fds[1], "x", 1));
    rn_sys_close(fds[1]);
}

static void descriptors(void)
{
    int fds[2];
    char got[8] = "";
    rn_assert(rn_sys_pipe2(fds, RN_K_O_NONBLOCK) == 0);
    result("empty pipe", rn_sys_read(fds[0], got, sizeof got));
    result("pipe write", rn_sys_write(fds[1], "hello", 6));
    result("pipe read", rn_sys_read(fds[0], got, sizeof got));
    check("pipe bytes", memcmp(got, "hello", 6) == 0);
    struct rn_k_pollfd poll = {.fd = fds[1], .events = RN_K_POLLOUT};
    result("ppoll", rn_sys_ppoll(&poll, 1, NULL, NULL));
    check("ppoll events", poll.revents == RN_K_POLLOUT);

    int event = rn_sys_eventfd2(3, RN_K_EFD_NONBLOCK), epoll = rn_sys_epoll_create1(0);
    struct rn_k_epoll_event watch = {RN_K_EPOLLIN, 0x123456789abcdef0}, ready[3];
    result("epoll_ctl", rn_sys_epoll_ctl(epoll, RN_K_EPOLL_CTL_ADD, event, &watch));
    result("epoll_pwait", rn_sys_epoll_pwait(epoll, ready, 3, 1000, NULL));
    check("epoll data", ready[0].data == 0x123456789abcdef0 && ready[0].events == RN_K_EPOLLIN);
    uint64_t count = 0;
    result("eventfd read", rn_sys_read(event, &count, 8));
    result("eventfd count", (long)count);
    result("eventfd read again", rn_sys_read(event, &count, 8));
    result("epoll_pwait again", rn_sys_epoll_pwait(epoll, ready, 3, 0, NULL));
    result("close", rn_sys_close(event) | rn_sys_close(epoll) | rn_sys_close(fds[1]));
    result("end of pipe", rn_sys_read(fds[0], got, sizeof got));
    result("close twice", rn_sys_close(fds[0]) | rn_sys_close(fds[0]));

    int server = rn_sys_socket(RN_K_AF_INET, RN_K_SOCK_STREAM | RN_K_SOCK_CLOEXEC, 0);
    struct rn_k_sockaddr_in address = {.sin_family = RN_K_AF_INET, .sin_addr = {0x0100007f}};
    uint32_t len = sizeof address;
    result("bind", rn_sys_bind(server, &address, len));
    result("listen", rn_sys_listen(server, 16));
    result("getsockname", rn_sys_getsockname(server, &address, &len));
    check("port", address.sin_port != 0 && len == sizeof address);
    int client = rn_sys_socket(RN_K_AF_INET, RN_K_SOCK_STREAM, RN_K_IPPROTO_TCP), one = 1;
    result("connect", rn_sys_connect(client, &address, len));
    result("nodelay", rn_sys_setsockopt(client, RN_K_IPPROTO_TCP, RN_K_TCP_NODELAY, &one, 4));
    int peer = rn_sys_accept4(server, NULL, NULL, RN_K_SOCK_NONBLOCK);
    result("recv of nothing", rn_sys_recv(peer, got, sizeof got, 0));
    result("send", rn_sys_send(client, "abc", 3, RN_K_MSG_NOSIGNAL));
    result("recv", rn_sys_recv(peer, got, 3, RN_K_MSG_DONTWAIT | RN_K_MSG_WAITALL));
    result("shutdown", rn_sys_shutdown(client, RN_K_SHUT_RDWR));
    result("send after it", rn_sys_send(client, "abc", 3, RN_K_MSG_NOSIGNAL));
    result("close", rn_sys_close(server) | rn_sys_close(client) | rn_sys_close(peer));
}

static void files(void)
{
    struct rn_k_statx info;
    result("statx", rn_sys_statx(RN_K_AT_FDCWD, "/", 0, RN_K_STATX_BASIC_STATS, &info));
    check("a directory", (info.stx_mode & RN_K_S_IFMT) == RN_K_S_IFDIR);
    result("statx of nothing", rn_sys_statx(RN_K_AT_FDCWD, "/no/such", 0, 0, &info));
    int flags = RN_K_O_RDONLY | RN_K_O_DIRECTORY | RN_K_O_CLOEXEC;
    int root = rn_sys_openat(RN_K_AT_FDCWD, "/", flags, 0);
    check("openat", root >= 0);
    result("openat of a file as a directory", rn_sys_openat(root, "proc/version", flags, 0));
    result("openat of a link, not followed",
           rn_sys_openat(root, "proc/self", RN_K_O_RDONLY | RN_K_O_NOFOLLOW, 0));
    int proc = rn_sys_openat(root, "proc", flags, 0);
    struct rn_k_open_how how = {.flags = RN_K_O_RDONLY | RN_K_O_CLOEXEC,
                                .resolve = RN_K_RESOLVE_BENEATH | RN_K_RESOLVE_NO_SYMLINKS};
    int version = rn_sys_openat2(proc, "version", &how);
    result("openat2 of what is there", version < 0 ? version : 0);
    result("openat2 of a link", rn_sys_openat2(proc, "self", &how));
    result("openat2 of what leads out", rn_sys_openat2(proc, "../etc", &how));
    char line[6] = "";
    if (version >= 0) result("openat2 and pread", rn_sys_pread(version, line, 5, 0));
    rn_sys_close(version);
    rn_sys_close(proc);
    rn_sys_close(root);
}

static void errors(void)
{
    for (int error = 0; error <= 134; error++)
        if (memcmp(rn_error_name(error), "E?", 3)) result("error", -error);
    for (int error = RN_E_PROTOCOL; error >= RN_E_NAME_SERVER - 1; error--) result("error", error);
}

static void overflow(void *argument)
{
    volatile uint8_t frame[4096];
    frame[0] = 1;
    if (argument) overflow((void *)((uintptr_t)argument + frame[0]));
    frame[1] = 2; /* so that the call above is not the last thing, and no loop */
}

/* Writes over what the stack protector has put in front of the return address, and returns. */
__attribute__((noinline)) static void overrun(void *argument)
{
    uint8_t frame[64];
    uint8_t *next = frame;
    for (int i = 0; i < 96; i++) {
        __asm__ volatile("" : "+r"(next)::"memory"); /* nobody knows how long it is */
        *next++ = 1;
    }
}

/* Calls an instruction that is not one to land on. */
__attribute__((noinline)) static void land_anywhere(void)
{
#if defined(__aarch64__)
    __asm__ volatile("adr x9, 1f\n blr x9\n b 2f\n 1: mov x9, x30\n ret x9\n 2:" ::: "x9", "x30");
#endif
}

int rn_main(int argc, char **argv, char **envp)
{
    if (argc == 2 && memcmp(argv[1], "land", 5) == 0) {
        land_anywhere();
        return 0;
    }
    if (argc == 2 && memcmp(argv[1], "overrun", 8) == 0) {
        overrun(NULL);
        return 0;
    }
    if (argc == 2 && memcmp(argv[1], "overrun-thread", 15) == 0) {
        struct rn_thread thread;
        if (rn_thread_start(&thread, overrun, NULL, STACK_SIZE)) return 1;
        rn_thread_join(&thread);
        return 0;
    }
    if (argc == 2 && memcmp(argv[1], "overflow", 9) == 0) {
        struct rn_thread thread;
        if (rn_thread_start(&thread, overflow, argv, STACK_SIZE)) return 1;
        rn_thread_join(&thread);
        return 1;
    }
    if (argc == 2 && memcmp(argv[1], "vdso", 5) == 0) {
        extern const char __ehdr_start[], end[];
        uintptr_t clock = (uintptr_t)rn_clock_source;
        print(clock < (uintptr_t)__ehdr_start || clock > (uintptr_t)end ? "outside\n" : "inside\n");
        return 0;
    }
    arguments(argc, argv, envp);
    memory_functions();
    threads();
    clocks();
    randomness();
    signals();
    descriptors();
    files();
    errors();
    result("failures", failures);
    return failures ? 1 : 0;
}
