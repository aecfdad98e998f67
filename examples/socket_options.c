/* What a socket at an address has for options: socket_options ADDRESS [OPTION=VALUE]... sets those
 * given, then prints all that this kind of socket has, as the kernel sees them: it doubles buffer
 * sizes, and rounds times. Try: socket_options 127.0.0.1:0 send-buffer=65536 congestion=reno */
#include "example.h"

static const struct option {
    const char *name;
    enum rn_socket_option option;
} options[] = {
    {"family", RN_SOCKET_FAMILY},
    {"type", RN_SOCKET_TYPE},
    {"listening", RN_SOCKET_LISTENING},
    {"reuse-address", RN_SOCKET_REUSEADDR},
    {"reuse-port", RN_SOCKET_REUSEPORT},
    {"receive-buffer", RN_SOCKET_RECEIVE_BUFFER},
    {"send-buffer", RN_SOCKET_SEND_BUFFER},
    {"linger", RN_SOCKET_LINGER},
    {"priority", RN_SOCKET_PRIORITY},
    {"device", RN_SOCKET_DEVICE},
    {"keepalive", RN_SOCKET_KEEPALIVE},
    {"keepalive-idle", RN_SOCKET_KEEPALIVE_IDLE},
    {"keepalive-interval", RN_SOCKET_KEEPALIVE_INTERVAL},
    {"keepalive-count", RN_SOCKET_KEEPALIVE_COUNT},
    {"nodelay", RN_SOCKET_NODELAY},
    {"user-timeout", RN_SOCKET_USER_TIMEOUT},
    {"syn-count", RN_SOCKET_SYN_COUNT},
    {"maximum-segment", RN_SOCKET_MAXIMUM_SEGMENT},
    {"defer-accept", RN_SOCKET_DEFER_ACCEPT},
    {"fastopen", RN_SOCKET_FASTOPEN},
    {"congestion", RN_SOCKET_CONGESTION},
    {"ttl", RN_SOCKET_TTL},
    {"tos", RN_SOCKET_TOS},
    {"v6only", RN_SOCKET_V6ONLY},
    {"hops", RN_SOCKET_HOPS},
    {"traffic-class", RN_SOCKET_TRAFFIC_CLASS},
};

static bool is_text(enum rn_socket_option option)
{
    return option == RN_SOCKET_DEVICE || option == RN_SOCKET_CONGESTION;
}

static void set(int fd, const char *what)
{
    size_t len = strcspn(what, "=");
    int result = -ENOPROTOOPT;
    for (size_t i = 0; i < RN_COUNT(options) && what[len]; i++) {
        const char *name = options[i].name, *value = what + len + 1;
        enum rn_socket_option option = options[i].option;
        if (strlen(name) != len || memcmp(name, what, len) != 0) continue;
        if (is_text(option)) result = rn_socket_set_text(fd, option, value);
        else result = rn_socket_set(fd, option, atoi(value));
    }
    example_check(result, what);
}

/* One that sockets of this kind don't have isn't printed. */
static void print(int fd, const char *name, enum rn_socket_option option)
{
    char text[32];
    int number, result;
    if (is_text(option)) result = rn_socket_get_text(fd, option, text, sizeof text);
    else result = rn_socket_get(fd, option, &number);
    if (result == -ENOPROTOOPT || result == -EOPNOTSUPP) return;
    example_check(result, name);
    if (is_text(option)) printf("%s=%s\n", name, text);
    else printf("%s=%d\n", name, number);
}

int main(int argc, char **argv)
{
    struct rn_address address;
    if (argc < 2 || rn_address_parse(&address, argv[1], 0) < 0) {
        fprintf(stderr, "usage: %s ADDRESS [OPTION=VALUE]...\n", argv[0]);
        return 2;
    }
    int fd = rn_listen(&address, &(struct rn_listen_options){0});
    example_check(fd, argv[1]);
    for (int i = 2; i < argc; i++) set(fd, argv[i]);
    for (size_t i = 0; i < RN_COUNT(options); i++)
        print(fd, options[i].name, options[i].option);
    close(fd);
    if (strncmp(argv[1], "unix:", 5) == 0 && argv[1][5] != '@') unlink(argv[1] + strlen("unix:"));
    return 0;
}
