/* What a name or an address is: addresses BACKEND NAME[/PREFIX] [RESOLV_CONF [HOSTS]] prints each
 * address of the name, the best first, and what is to be said of it: its kind, its interface, where
 * its name is in the DNS; with a prefix, the network that it is in. The files are read in the place
 * of /etc/resolv.conf and /etc/hosts. Try: addresses auto localhost, addresses auto 10.1.2.3/12 */
#include "example.h"

enum { IP_MAX = 16 };

struct lookup {
    struct rn_task task;
    rn_co co;
    struct rn_resolve resolve;
    struct rn_resolver_options files;
    const char *name;
    int prefix; /* -1: none was given */
};

static const struct kind {
    const char *name, *network;
    int prefix;
} kinds[] = {
    {"loopback", "127.0.0.0", 8},  {"loopback", "::1", 128},         {"any", "0.0.0.0", 32},
    {"private", "10.0.0.0", 8},    {"private", "fc00::", 7},         {"any", "::", 128},
    {"private", "172.16.0.0", 12}, {"link-local", "fe80::", 10},     {"private", "192.168.0.0", 16},
    {"example", "192.0.2.0", 24},  {"link-local", "169.254.0.0", 16}, {"example", "2001:db8::", 32},
};

/* The address alone, with the bits after the prefix all zero, or all one. */
static struct rn_address with_rest(const struct rn_address *address, int prefix, uint8_t rest)
{
    struct rn_address made;
    uint8_t bytes[IP_MAX];
    rn_bytes ip = rn_address_ip(address);
    for (int i = 0; i < (int)ip.len; i++) {
        int kept = prefix - 8 * i;
        uint8_t mask = kept >= 8 ? 0 : kept <= 0 ? 0xff : (uint8_t)(0xff >> kept);
        bytes[i] = (uint8_t)((ip.ptr[i] & ~mask) | (rest & mask));
    }
    if (ip.len == 4) rn_address_ip4(&made, bytes, 0);
    else rn_address_ip6(&made, bytes, 0, 0);
    return made;
}

static const char *kind_of(const struct rn_address *address)
{
    if (rn_address_is_multicast(address)) return "multicast";
    for (size_t i = 0; i < RN_COUNT(kinds); i++) {
        struct rn_address network, there = with_rest(address, kinds[i].prefix, 0);
        example_check(rn_address_parse_global(&network, kinds[i].network, 0), kinds[i].network);
        if (rn_address_equal(&network, &there)) return kinds[i].name;
    }
    return "global";
}

static void print(const char *before, struct rn_address address, const char *after)
{
    char text[RN_ADDRESS_TEXT_MAX];
    rn_address_set_port(&address, 0);
    size_t len = rn_address_format(&address, text) - strlen(":0");
    bool brackets = text[0] == '[';
    printf("%s%.*s%s", before, (int)len - 2 * brackets, text + brackets, after);
}

static void tell(struct rn_address address, int prefix)
{
    char interface[RN_INTERFACE_NAME_MAX];
    struct rn_address came = address;
    rn_bytes ip = rn_address_ip(&address);
    if (ip.len == 0) return (void)puts("a Unix socket");
    print("", address, "\n");
    rn_address_unmap(&address);
    if (!rn_address_equal(&address, &came)) print("  IPv4 inside of IPv6: ", address, "\n");
    printf("  %s\n", kind_of(&address));
    if (rn_address_port(&address)) printf("  port %u\n", rn_address_port(&address));
    if (rn_address_scope(&address) && rn_interface_name(rn_address_scope(&address), interface) == 0)
        printf("  on interface %s\n", interface);
    ip = rn_address_ip(&address);
    printf("  its name is at "); /* RFC 1035, 3.5; RFC 3596, 2.5 */
    for (size_t i = ip.len; i-- > 0;) {
        if (ip.len == 4) printf("%u.", ip.ptr[i]);
        else printf("%x.%x.", ip.ptr[i] & 15, ip.ptr[i] >> 4);
    }
    printf(ip.len == 4 ? "in-addr.arpa\n" : "ip6.arpa\n");
    if (prefix < 0) return;
    if (prefix > (int)ip.len * 8) return (void)printf("  no network: of %zu bits\n", ip.len * 8);
    print("  network ", with_rest(&address, prefix, 0), " to ");
    print("", with_rest(&address, prefix, 0xff), "\n");
}

static enum rn_poll look_up(struct rn_task *task, struct rn_cx *cx)
{
    struct lookup *lookup = rn_container_of(task, struct lookup, task);
    RN_BEGIN(&lookup->co);
    example_check(rn_resolver_start(cx->worker, &lookup->files), "resolver");
    rn_resolve(&lookup->resolve, cx, lookup->name, 0, RN_NEVER);
    RN_AWAIT(&lookup->co, &lookup->resolve.future, cx);
    task->result = lookup->resolve.result;
    for (int i = 0; i < lookup->resolve.result; i++)
        tell(lookup->resolve.addresses[i], lookup->prefix);
    rn_resolver_stop(cx->worker);
    RN_END(&lookup->co);
}

int main(int argc, char **argv)
{
    char *slash = argc < 3 || strncmp(argv[2], "unix:", 5) == 0 ? NULL : strchr(argv[2], '/');
    size_t digits = slash ? strspn(slash + 1, "0123456789") : 1;
    if (argc < 3 || argc > 5 || digits - 1 > 2 || (slash && slash[1 + digits])) {
        fprintf(stderr, "usage: %s BACKEND NAME[/PREFIX] [RESOLV_CONF [HOSTS]]\n", argv[0]);
        return 2;
    }
    struct lookup lookup = {.task.poll = look_up, .name = argv[2], .prefix = -1};
    lookup.files = (struct rn_resolver_options){argv[3], argc > 4 ? argv[4] : NULL};
    if (slash) lookup.prefix = atoi(slash + 1);
    if (slash) *slash = 0;
    example_choose_backend(argv[1]);
    example_check((int)example_complete(1, &lookup.task), argv[2]);
    return 0;
}
