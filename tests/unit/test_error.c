/*
 * Names and texts of errors, against the C library's own list.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <runnel/base.h>

static const int expected[] = {
    EPERM,         ENOENT,       EINTR,        EIO,        EBADF,           EAGAIN,
    ENOMEM,        EACCES,       EFAULT,       EEXIST,     ENOTDIR,         EISDIR,
    EINVAL,        ENFILE,       EMFILE,       EFBIG,      ENOSPC,          EPIPE,
    ENOSYS,        ENOTSOCK,     EMSGSIZE,     EOPNOTSUPP, EAFNOSUPPORT,    EADDRINUSE,
    EADDRNOTAVAIL, ENETUNREACH,  ECONNABORTED, ECONNRESET, ENOBUFS,         ENOTCONN,
    ETIMEDOUT,     ECONNREFUSED, EHOSTUNREACH, ECANCELED,  ELOOP,           ENAMETOOLONG,
    EROFS,         EXDEV,        EBUSY,        ENODEV,     EPROTONOSUPPORT, ENOPROTOOPT,
};

static int is_expected(int error)
{
    for (size_t i = 0; i < RN_COUNT(expected); i++)
        if (expected[i] == error) return 1;
    return 0;
}

/* Each number up to the last errno: the libc's name where we have one, "E?" everywhere else. */
static void every_errno_has_its_name_or_none(void **state)
{
    (void)state;
    for (int error = 1; error < 9000; error++) {
        const char *name = rn_error_name(error);
        assert_ptr_equal(name, rn_error_name(-error));
        assert_ptr_equal(rn_error_text(error), rn_error_text(-error));
        if (is_expected(error)) {
            assert_string_equal(name, strerrorname_np(error));
            assert_true(strlen(rn_error_text(error)) > 3);
            assert_string_not_equal(rn_error_text(error), "unknown error");
        } else {
            assert_string_equal(name, "E?");
            assert_string_equal(rn_error_text(error), "unknown error");
        }
    }
}

static void own_errors_have_their_name_and_text(void **state)
{
    (void)state;
#define CHECK(name, number, text)                                                                  \
    assert_int_equal(name, number);                                                                \
    assert_string_equal(rn_error_name(name), #name);                                               \
    assert_string_equal(rn_error_name(-(name)), #name);                                            \
    assert_string_equal(rn_error_text(name), text);
    RN_ERRORS(CHECK)
#undef CHECK
}

static void no_two_texts_are_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < RN_COUNT(expected); i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(rn_error_text(expected[i]), rn_error_text(expected[j]));
}

static void the_edges(void **state)
{
#define ONE(name, number, text) +1
    enum { BEHIND = 10001 RN_ERRORS(ONE) };
#undef ONE
    (void)state;
    assert_string_equal(rn_error_name(0), "OK");
    assert_string_equal(rn_error_text(0), "no error");
    /* Between the two ranges, around our own, and the byte-sized keys that they have inside. */
    static const int unknown[] = {
        125 + 1, 199,     200,     201,         205,     206,     255,    256,   10000,   BEHIND,
        10056,   10057,   10058,   -10000,      -BEHIND, 0xffff,  INT_MAX, INT_MIN, INT_MIN + 1,
        1 << 16, 1 << 24};
    for (size_t i = 0; i < RN_COUNT(unknown); i++) {
        assert_string_equal(rn_error_name(unknown[i]), "E?");
        assert_string_equal(rn_error_text(unknown[i]), "unknown error");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_errno_has_its_name_or_none),
        cmocka_unit_test(own_errors_have_their_name_and_text),
        cmocka_unit_test(no_two_texts_are_equal),
        cmocka_unit_test(the_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
