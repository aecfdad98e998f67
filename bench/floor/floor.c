/*
 * bench/floor/floor.c: flags, the listening socket and the end of a floor program.
 */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

_Noreturn void refuse(const char *what, const char *value)
{
    fprintf(stderr, "%s: %s %s\n", program_invocation_short_name, what, value);
    exit(2);
}

static size_t number(const char *flag, const char *text, size_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value > most) refuse(flag, text);
    return (size_t)value;
}

static enum file_send send_of(const char *name)
{
    if (strcmp(name, "copy") && strcmp(name, "sendfile")) refuse("--send:", name);
    return strcmp(name, "copy") ? FILE_SENDFILE : FILE_COPY;
}

struct options options_read(int argc, char **argv, enum known known)
{
    static const struct option http[] = {
        {"body", required_argument, NULL, 'b'},
        {"file", required_argument, NULL, 'f'},
        {"send", required_argument, NULL, 's'},
        {"close", no_argument, NULL, 'c'},
        {0},
    };
    static const struct option mode[] = {{"mode", required_argument, NULL, 'm'}, {0}}, none[1];
    const struct option *flags = known == KNOWS_HTTP ? http : known == KNOWS_MODE ? mode : none;
    struct options options = {.body = 13, .mode = "recvmmsg"};
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'b': options.body = number("--body:", optarg, 1u << 30); break;
        case 'f': options.file = optarg; break;
        case 's': options.send = send_of(optarg); break;
        case 'c': options.close = true; break;
        case 'm': options.mode = optarg; break;
        default: exit(2);
        }
    }
    if (optind != argc - 1) refuse("usage:", "PORT [FLAG]...");
    options.port = (int)number("port:", argv[optind], 65535);
    return options;
}

size_t descriptors_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) die("setrlimit");
    return limit.rlim_cur < 1u << 20 ? (size_t)limit.rlim_cur : 1u << 20;
}

int listen_tcp(int port, bool blocking, bool defer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (defer) setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(fd, 4096)) die("listen");
    return fd;
}

void (*before_end)(void);

static void end(int signal_number)
{
    (void)signal_number;
    if (before_end) before_end();
    _exit(0);
}

void say_listening(const char *name, const struct options *options)
{
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGPIPE, SIG_IGN);
    printf("%s listening on 127.0.0.1:%d\n", name, options->port);
    fflush(stdout);
}

void *map_zeroed(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    return memory;
}
