/*
 * runnel/base.h: the vocabulary of every other header. Time, byte slices, errors.
 *
 * Nothing here makes a system call, allocates or keeps state, so that protocol machines may include
 * it.
 */
#ifndef RUNNEL_BASE_H
#define RUNNEL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_VERSION "0.1.0"

#define RN_MUST_USE __attribute__((warn_unused_result))
#define RN_COLD __attribute__((cold, noinline))
#define RN_INLINE static inline __attribute__((always_inline))
#define RN_PRINTF(format, first) __attribute__((format(printf, format, first)))
#define rn_likely(x) __builtin_expect(!!(x), 1)
#define rn_unlikely(x) __builtin_expect(!!(x), 0)
#define rn_container_of(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define RN_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Stops the program at an impossible state: a bug of ours or of the caller, never of a peer. */
#define rn_assert(condition) (rn_likely(condition) ? (void)0 : __builtin_trap())

/* The size of a result: a count, or a negative error. As POSIX ssize_t, without its header. */
typedef ptrdiff_t rn_ssize;

/* Nanoseconds on the monotonic clock. Always an argument: only a backend reads the clock. */
typedef uint64_t rn_ns;
#define RN_NEVER UINT64_MAX
#define RN_MICROSECOND ((rn_ns)1000)
#define RN_MILLISECOND ((rn_ns)1000000)
#define RN_SECOND ((rn_ns)1000000000)

/* A borrowed slice of bytes. Whoever hands it out says how long it stays valid. */
typedef struct rn_bytes {
    const uint8_t *ptr;
    size_t len;
} rn_bytes;

#define RN_BYTES(literal) ((rn_bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* The slice of len bytes at ptr. */
static inline rn_bytes rn_bytes_of(const void *ptr, size_t len)
{
    rn_bytes bytes = {(const uint8_t *)ptr, len};
    return bytes;
}

/*
 * Errors. A function returns a count or 0 on success and a negative number otherwise: -errno as the
 * kernel has it (errno(3)), or one of these, which start far below any errno and never change their
 * number. The three families are kept apart: the peer broke its protocol, the caller broke a
 * contract, a limit was reached.
 */
#define RN_ERRORS(X)                                                                               \
    X(RN_E_PROTOCOL, -10001, "the peer broke the protocol")                                        \
    X(RN_E_MISUSE, -10002, "the caller broke the contract of this call")                           \
    X(RN_E_LIMIT, -10003, "a limit was reached")                                                   \
    X(RN_E_UNSUPPORTED, -10004, "the peer asked for something that is not supported")              \
    X(RN_E_CLOSED, -10005, "the peer closed in the middle")                                        \
    X(RN_E_STALE, -10006, "the handle belongs to something that is gone")                          \
    X(RN_E_NO_NAME, -10007, "no such name")                                                        \
    X(RN_E_NO_DATA, -10008, "the name has no address")                                             \
    X(RN_E_NAME_SERVER, -10009, "the name servers failed")

enum rn_error {
#define RN_ERROR_ENUM(name, number, text) name = number,
    RN_ERRORS(RN_ERROR_ENUM)
#undef RN_ERROR_ENUM
};

/* The name ("EADDRINUSE", "RN_E_LIMIT") and one line of text for any error above or common errno;
 * never NULL. Takes the number with either sign. The strings are constant. */
const char *rn_error_name(int error);
const char *rn_error_text(int error);

#ifdef __cplusplus
}
#endif
#endif
