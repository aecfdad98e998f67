/*
 * The choice of a backend, on kernels that lack one or forbid it: a system call filter in a child
 * process stands in for those, seccomp(2).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <runnel/backend.h>

struct rejection {
    const struct rn_backend_vt *backend;
    int error;
    const char *missing;
};

struct rejections {
    struct rejection all[8];
    unsigned count;
};

static void keep(void *context, const struct rn_backend_vt *backend, int error, const char *missing)
{
    struct rejections *rejections = context;
    rejections->all[rejections->count++] = (struct rejection){backend, error, missing};
}

/* From now on this process gets the error from each of the system calls. */
static int refuse(const int *calls, unsigned count, int error)
{
    struct sock_filter code[16];
    unsigned at = 0;
    code[at++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < count; i++) {
        code[at++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        code[at++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)at, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Runs the check in a child with such a kernel. It returns the line of what is wrong, or 0. */
static void on_a_kernel(const int *calls, unsigned count, int error, int (*check)(int error))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (refuse(calls, count, error) < 0) _exit(255);
        int line = check(error);
        if (line) print_error("%s:%d: not so with error %d\n", __FILE__, line, error);
        _exit(line != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 255) {
        print_message("no system call filters here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static const int uring_call[] = {SYS_io_uring_setup};
static const int all_calls[] = {SYS_io_uring_setup, SYS_epoll_create1, SYS_ppoll};

static bool is(const struct rejection *rejection, const struct rn_backend_vt *backend, int error)
{
    return rejection->backend == backend && rejection->error == error && rejection->missing &&
           rejection->missing[0];
}

static int without_uring(int error)
{
    struct rejections rejections = {.count = 0};
    struct rn_backend_choice choice = {keep, &rejections};
    if (rn_backend_select("auto", &choice) != &rn_backend_epoll) return __LINE__;
    if (rejections.count != 1) return __LINE__;
    if (!is(&rejections.all[0], &rn_backend_uring, -error)) return __LINE__;
    if (rn_backend_select("uring", &choice)) return __LINE__;
    if (rejections.count != 2) return __LINE__;
    if (!is(&rejections.all[1], &rn_backend_uring, -error)) return __LINE__;
    /* Those that are not asked for are not tried. */
    if (rn_backend_select("poll", &choice) != &rn_backend_poll) return __LINE__;
    return rejections.count == 2 ? 0 : __LINE__;
}

static int without_any(int error)
{
    struct rejections rejections = {.count = 0};
    struct rn_backend_choice choice = {keep, &rejections};
    if (rn_backend_select("auto", &choice)) return __LINE__;
    if (rejections.count != 3) return __LINE__;
    if (!is(&rejections.all[0], &rn_backend_uring, -error)) return __LINE__;
    if (!is(&rejections.all[1], &rn_backend_epoll, -error)) return __LINE__;
    if (!is(&rejections.all[2], &rn_backend_poll, -error)) return __LINE__;
    if (strstr(rejections.all[1].missing, "epoll") == NULL) return __LINE__;
    return strstr(rejections.all[2].missing, "poll") ? 0 : __LINE__;
}

static void a_kernel_without_io_uring(void **state)
{
    on_a_kernel(uring_call, 1, ENOSYS, without_uring);
}

static void io_uring_is_forbidden(void **state)
{
    on_a_kernel(uring_call, 1, EPERM, without_uring);
}

static void a_kernel_without_anything(void **state)
{
    on_a_kernel(all_calls, 3, ENOSYS, without_any);
    on_a_kernel(all_calls, 3, EPERM, without_any);
}

static void by_name(void **state)
{
    struct rejections rejections = {.count = 0};
    struct rn_backend_choice choice = {keep, &rejections};
    assert_ptr_equal(rn_backend_select("epoll", &choice), &rn_backend_epoll);
    assert_ptr_equal(rn_backend_select("poll", &choice), &rn_backend_poll);
    assert_int_equal(rejections.count, 0);
    assert_non_null(rn_backend_select("auto", NULL));
}

static void unknown_names(void **state)
{
    static const char *const names[] = {"",       "a",     "aut",   "autox", "epol",
                                        "epollx", "Epoll", "poll ", "pol",   "uringx"};
    struct rejections rejections = {.count = 0};
    struct rn_backend_choice choice = {keep, &rejections};
    for (unsigned i = 0; i < RN_COUNT(names); i++)
        assert_null(rn_backend_select(names[i], &choice));
    assert_int_equal(rejections.count, 0);
}

/* Nobody needs to listen. */
static int unheard(int error)
{
    struct rn_backend_choice choice = {NULL, NULL};
    if (rn_backend_select("auto", NULL) != &rn_backend_epoll) return __LINE__;
    if (rn_backend_select("auto", &choice) != &rn_backend_epoll) return __LINE__;
    return rn_backend_select("uring", NULL) ? __LINE__ : 0;
}

static void nobody_listens(void **state)
{
    on_a_kernel(uring_call, 1, ENOSYS, unheard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(a_kernel_without_io_uring),
        cmocka_unit_test(io_uring_is_forbidden),
        cmocka_unit_test(a_kernel_without_anything),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
