/*
 * app/httpd/upgrade.c: a new program in the old one's place, on its listening sockets, so that no
 * connection is lost in between.
 *
 * The sandbox lets the server start nothing, so before it is in place a process of its own is split
 * off, the keeper. It holds the listening sockets and waits at a pipe: a byte is an order to start
 * the program anew, the end of the pipe is its own end. The new program is told of the sockets as
 * sd_listen_fds(3) has it, and its standard input is a pipe: with a byte it says that it serves.
 * Then the keeper sends the old one SIGQUIT.
 */
#include "app/httpd/httpd.h"
#include "base/text.h"
#include "sys/sys.h"

enum { STDIN, SOCKETS_FROM = 3, DESCRIPTORS_MAX = 4096 };

static int order_fd;
static char path[4096]; /* of the program */

/* ---- What this program was given ------------------------------------------------------------- */

/* The value of NAME in "NAME=value"; NULL if it is another's. */
static const char *value_in(const char *entry, const char *name)
{
    while (*name && *entry == *name) entry++, name++;
    return *name ? NULL : entry;
}

static uint64_t number_in(char **environment, const char *name)
{
    uint64_t number;
    for (; *environment; environment++) {
        const char *value = value_in(*environment, name);
        if (value && rn_parse_u64(rn_bytes_text(value), &number)) return number;
    }
    return 0;
}

unsigned inherited_sockets(char **environment)
{
    if (number_in(environment, "LISTEN_PID=") != (uint64_t)rn_sys_getpid()) return 0;
    return (unsigned)number_in(environment, "LISTEN_FDS=");
}

int adopt_sockets(struct rn_http_server *server, unsigned count, unsigned workers)
{
    int result = 0;
    /* Each worker gets one at least. */
    for (unsigned i = 0; (i < count || i < workers) && result >= 0; i++) {
        int fd = (int)(SOCKETS_FROM + i % count);
        if (i < count) result = rn_sys_fcntl(fd, RN_K_F_SETFD, RN_K_FD_CLOEXEC);
        else result = fd = rn_sys_fcntl(fd, RN_K_F_DUPFD_CLOEXEC, 0);
        if (result >= 0) result = rn_sys_fcntl(fd, RN_K_F_SETFL, RN_K_O_NONBLOCK);
        if (result >= 0) result = rn_http_server_adopt(server, fd);
    }
    return result;
}

void end_predecessor(char **environment)
{
    if (number_in(environment, "RUNNEL_UPGRADE=")) rn_sys_write(STDIN, "", 1);
}

/* ---- The keeper ------------------------------------------------------------------------------ */

/* Moves the listening sockets to where the new program looks for them; returns how many. They are
 * met in order, so none is moved onto another that is still to come. */
static unsigned move_sockets(void)
{
    int to = SOCKETS_FROM;
    for (int fd = SOCKETS_FROM; fd < DESCRIPTORS_MAX; fd++) {
        int listens = 0;
        uint32_t size = sizeof listens;
        rn_sys_getsockopt(fd, RN_K_SOL_SOCKET, RN_K_SO_ACCEPTCONN, &listens, &size);
        if (!listens) continue;
        if (fd == to) rn_sys_fcntl(fd, RN_K_F_SETFD, 0);
        else rn_sys_dup3(fd, to, 0);
        to++;
    }
    return (unsigned)(to - SOCKETS_FROM);
}

/* Becomes the new program; returns only when it can't. */
static int become(char **argv, char **environment)
{
    char text[100] = "";
    struct rn_text line = {.ptr = text, .cap = sizeof text};
    size_t count = 0, sockets = move_sockets();
    while (environment[count]) count++;
    const char **changed = rn_map((count + 4) * sizeof *changed), **next = changed;
    if (!changed) return -RN_K_ENOMEM;
    rn_text_format(&line, "LISTEN_FDS=%u%b", (uint64_t)sockets, "", (size_t)1);
    *next++ = text;
    *next++ = text + line.len;
    rn_text_format(&line, "LISTEN_PID=%u", (uint64_t)rn_sys_getpid());
    *next++ = "RUNNEL_UPGRADE=1";
    for (; *environment; environment++)
        if (!value_in(*environment, "LISTEN_") && !value_in(*environment, "RUNNEL_UPGRADE="))
            *next++ = *environment;
    return rn_sys_execve(path, argv, changed);
}

/* Starts it; true once it serves. */
static bool start_anew(char **argv, char **environment)
{
    int ends[2];
    char byte;
    if (rn_sys_pipe2(ends, RN_K_O_CLOEXEC) < 0) return false;
    if (rn_sys_fork() == 0) {
        rn_sys_dup3(ends[1], STDIN, 0);
        complain("cannot start %s anew: error %d", path, -become(argv, environment));
        rn_sys_exit_group(1);
    }
    rn_sys_close(ends[1]);
    bool serves = rn_sys_read(ends[0], &byte, 1) == 1;
    rn_sys_close(ends[0]);
    return serves;
}

__attribute__((noreturn)) static void keep(int orders, char **argv, char **environment, int server)
{
    char order;
    rn_signal_ignore(RN_K_SIGCHLD); /* nobody waits for the new one */
    while (rn_sys_read(orders, &order, 1) == 1)
        if (start_anew(argv, environment)) rn_sys_kill(server, RN_K_SIGQUIT);
    rn_sys_exit_group(0);
}

int start_keeper(char **argv, char **environment)
{
    int ends[2], server = rn_sys_getpid();
    int result = rn_sys_pipe2(ends, RN_K_O_CLOEXEC);
    if (result < 0) return result;
    /* now, while the file that it names is the one that runs */
    rn_sys_readlinkat(RN_K_AT_FDCWD, "/proc/self/exe", path, sizeof path - 1);
    result = rn_sys_fork();
    if (result == 0) {
        rn_sys_close(ends[1]);
        keep(ends[0], argv, environment, server);
    }
    rn_sys_close(ends[0]);
    order_fd = ends[1];
    return result;
}

void order_upgrade(void) { rn_sys_write(order_fd, "", 1); }

void dismiss_keeper(void) { rn_sys_close(order_fd); }
