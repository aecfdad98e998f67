/*
 * base/error.c: the name and one line of text for each error that a network program meets.
 *
 * Three constants made from one list: the numbers, and the names and the texts one after the other
 * with a zero byte after each. Looking one up walks the strings: only log lines do that.
 */
#include <runnel/base.h>

/* As the kernel numbers them on every architecture that uses asm-generic/errno.h; errno(3). */
#define ERRNOS(X)                                                                                  \
    X(EPERM, 1, "operation not permitted")                                                         \
    X(ENOENT, 2, "no such file or directory")                                                      \
    X(EINTR, 4, "interrupted")                                                                     \
    X(EIO, 5, "input/output error")                                                                \
    X(EBADF, 9, "bad file descriptor")                                                             \
    X(EAGAIN, 11, "would block, try again")                                                        \
    X(ENOMEM, 12, "out of memory")                                                                 \
    X(EACCES, 13, "permission denied")                                                             \
    X(EFAULT, 14, "bad address")                                                                   \
    X(EBUSY, 16, "in use")                                                                         \
    X(EEXIST, 17, "exists already")                                                                \
    X(EXDEV, 18, "leads out of the tree or the file system")                                       \
    X(ENODEV, 19, "no such device")                                                                \
    X(ENOTDIR, 20, "not a directory")                                                              \
    X(EISDIR, 21, "is a directory")                                                                \
    X(EINVAL, 22, "invalid argument")                                                              \
    X(ENFILE, 23, "too many open files in the system")                                             \
    X(EMFILE, 24, "too many open files")                                                           \
    X(EFBIG, 27, "file too large")                                                                 \
    X(ENOSPC, 28, "no space left")                                                                 \
    X(EROFS, 30, "read-only file system")                                                          \
    X(EPIPE, 32, "the peer has closed")                                                            \
    X(ENAMETOOLONG, 36, "name too long")                                                           \
    X(ENOSYS, 38, "the kernel has no such call")                                                   \
    X(ELOOP, 40, "too many symbolic links")                                                        \
    X(ENOTSOCK, 88, "not a socket")                                                                \
    X(EMSGSIZE, 90, "message too long")                                                            \
    X(ENOPROTOOPT, 92, "no such option")                                                           \
    X(EPROTONOSUPPORT, 93, "protocol not supported")                                               \
    X(EOPNOTSUPP, 95, "operation not supported")                                                   \
    X(EAFNOSUPPORT, 97, "address family not supported")                                            \
    X(EADDRINUSE, 98, "address already in use")                                                    \
    X(EADDRNOTAVAIL, 99, "address not available here")                                             \
    X(ENETUNREACH, 101, "network unreachable")                                                     \
    X(ECONNABORTED, 103, "connection aborted")                                                     \
    X(ECONNRESET, 104, "connection reset by the peer")                                             \
    X(ENOBUFS, 105, "no buffers left")                                                             \
    X(ENOTCONN, 107, "not connected")                                                              \
    X(ETIMEDOUT, 110, "timed out")                                                                 \
    X(ECONNREFUSED, 111, "connection refused")                                                     \
    X(EHOSTUNREACH, 113, "host unreachable")                                                       \
    X(ECANCELED, 125, "canceled")

/* Our own numbers follow errno's from 200 on, so that each fits a byte. */
#define FIRST_OWN (-RN_E_PROTOCOL)
#define FIRST_OWN_KEY 200

#define KEY(name, number, text) number,
#define OWN_KEY(name, number, text) FIRST_OWN_KEY - (number) - FIRST_OWN,
#define NAME(name, number, text) #name "\0"
#define TEXT(name, number, text) text "\0"

static const uint8_t keys[] = {0, ERRNOS(KEY) RN_ERRORS(OWN_KEY)};
static const char names[] = "OK\0" ERRNOS(NAME) RN_ERRORS(NAME) "E?";
static const char texts[] = "no error\0" ERRNOS(TEXT) RN_ERRORS(TEXT) "unknown error";

/* The string in the place of the error's key; what is not in the table has the last one. */
static const char *find(const char *string, int error)
{
    int key = error < 0 && error != INT32_MIN ? -error : error;
    key = key >= FIRST_OWN ? key - FIRST_OWN + FIRST_OWN_KEY : key < FIRST_OWN_KEY ? key : -1;
    for (size_t i = 0; i < sizeof keys && keys[i] != key; i++)
        while (*string++) {}
    return string;
}

const char *rn_error_name(int error)
{
    return find(names, error);
}

const char *rn_error_text(int error)
{
    return find(texts, error);
}
