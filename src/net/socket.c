/*
 * net/socket.c: socket options, the addresses of a descriptor, and listening.
 */
#include <runnel/net.h>

#include "base/bytes.h"
#include "sys/sys.h"

/* ---- Options --------------------------------------------------------------------------------- */

int rn_socket_set(int fd, enum rn_socket_option option, int value)
{
    /* SO_LINGER takes the pair; an option of one number is read from its second. */
    const struct rn_k_linger linger = {value >= 0, value};
    bool pair = option == RN_SOCKET_LINGER;
    return rn_sys_setsockopt(fd, (int)option >> 8, option & 255,
                             pair ? (const void *)&linger : &linger.l_linger,
                             pair ? sizeof linger : sizeof linger.l_linger);
}

int rn_socket_get(int fd, enum rn_socket_option option, int *value)
{
    struct rn_k_linger linger; /* the kernel fills in the first number, or both for SO_LINGER */
    uint32_t len = sizeof linger;
    int result = rn_sys_getsockopt(fd, (int)option >> 8, option & 255, &linger, &len);
    if (result < 0) return result;
    *value = linger.l_onoff;
    if (option == RN_SOCKET_LINGER) *value = linger.l_onoff ? linger.l_linger : -1;
    return 0;
}

int rn_socket_set_text(int fd, enum rn_socket_option option, const char *value)
{
    return rn_sys_setsockopt(fd, (int)option >> 8, option & 255, value, (uint32_t)strlen(value));
}

int rn_socket_get_text(int fd, enum rn_socket_option option, char *to, uint32_t size)
{
    uint32_t len = size;
    if (!size) return RN_E_MISUSE;
    int result = rn_sys_getsockopt(fd, (int)option >> 8, option & 255, to, &len);
    if (result == 0) to[len < size ? len : size - 1] = 0;
    return result;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

int rn_socket_bind(int fd, const struct rn_address *address)
{
    return rn_sys_bind(fd, address->bytes, address->len);
}

int rn_local_address(int fd, struct rn_address *address)
{
    address->len = sizeof address->bytes;
    return rn_sys_getsockname(fd, address->bytes, &address->len);
}

int rn_peer_address(int fd, struct rn_address *address)
{
    address->len = sizeof address->bytes;
    return rn_sys_getpeername(fd, address->bytes, &address->len);
}

/* ---- Listening ------------------------------------------------------------------------------- */

static int new_socket(enum rn_family family)
{
    return rn_sys_socket(family, RN_K_SOCK_STREAM | RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC, 0);
}

/* A socket's file that was left behind: nobody listens. Any other kind of file refuses a connection
 * the same way, and must not be taken for one. */
static bool is_stale(const struct rn_address *address, const char *path)
{
    struct rn_k_statx info;
    if (rn_sys_statx(RN_K_AT_FDCWD, path, RN_K_AT_SYMLINK_NOFOLLOW, RN_K_STATX_TYPE, &info) < 0 ||
        (info.stx_mode & RN_K_S_IFMT) != RN_K_S_IFSOCK)
        return false;
    int fd = new_socket(RN_UNIX);
    if (fd < 0) return false;
    int result = rn_sys_connect(fd, address->bytes, address->len);
    rn_sys_close(fd);
    return result == -RN_K_ECONNREFUSED;
}

static int set_options(int fd, bool ip6, const struct rn_listen_options *options)
{
    int result = rn_socket_set(fd, RN_SOCKET_REUSEADDR, 1);
    /* Connections inherit it from the socket they were accepted on. */
    if (result == 0) result = rn_socket_set(fd, RN_SOCKET_NODELAY, 1);
    if (result == 0) result = rn_socket_set(fd, RN_SOCKET_REUSEPORT, options->reuse_port);
    if (result == 0 && ip6) result = rn_socket_set(fd, RN_SOCKET_V6ONLY, options->v6only);
    return result;
}

static int bind_and_listen(int fd, const struct rn_address *address,
                           const struct rn_listen_options *options)
{
    const char *path = (const char *)address->bytes + offsetof(struct rn_k_sockaddr_un, sun_path);
    enum rn_family family = rn_address_family(address);
    /* An abstract name goes with its last socket and has no permissions. */
    bool file = family == RN_UNIX && *path;
    int result = family == RN_UNIX ? 0 : set_options(fd, family == RN_IP6, options);
    if (result < 0) return result;
    do result = rn_sys_bind(fd, address->bytes, address->len);
    while (result == -RN_K_EADDRINUSE && file && is_stale(address, path) &&
           rn_sys_unlinkat(RN_K_AT_FDCWD, path, 0) == 0);
    /* In time: nobody can connect before it listens. */
    if (result == 0 && file && options->unix_mode)
        result = rn_sys_fchmodat(RN_K_AT_FDCWD, path, options->unix_mode);
    if (result == 0 && options->backlog >= 0)
        result = rn_sys_listen(fd, options->backlog ? options->backlog : 4096);
    return result;
}

int rn_listen(const struct rn_address *address, const struct rn_listen_options *options)
{
    int fd = new_socket(rn_address_family(address));
    if (fd < 0) return fd;
    int result = bind_and_listen(fd, address, options);
    if (result == 0) return fd;
    rn_sys_close(fd);
    return result;
}
