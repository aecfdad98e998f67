/*
 * net/ip.c: addresses from their parts and into them, and what text about them needs more than the
 * address itself: zones (RFC 4007, 11), and IPv4 at the end of IPv6 (RFC 4291, 2.2).
 */
#include <runnel/net.h>

#include "base/bytes.h"
#include "sys/sys.h"

enum { IP4_LEN = 4, IP6_LEN = 16 };

static struct rn_k_sockaddr_in *in_of(const struct rn_address *address)
{
    return (void *)(uintptr_t)address->bytes;
}

static struct rn_k_sockaddr_in6 *in6_of(const struct rn_address *address)
{
    return (void *)(uintptr_t)address->bytes;
}

/* ---- Parts ----------------------------------------------------------------------------------- */

void rn_address_ip4(struct rn_address *address, const uint8_t ip[4], uint16_t port)
{
    memset(address, 0, sizeof *address);
    address->len = sizeof(struct rn_k_sockaddr_in);
    in_of(address)->sin_family = RN_IP4;
    memcpy(&in_of(address)->sin_addr, ip, IP4_LEN);
    rn_address_set_port(address, port);
}

void rn_address_ip6(struct rn_address *address, const uint8_t ip[16], uint16_t port, uint32_t scope)
{
    memset(address, 0, sizeof *address);
    address->len = sizeof(struct rn_k_sockaddr_in6);
    in6_of(address)->sin6_family = RN_IP6;
    in6_of(address)->sin6_scope_id = scope;
    memcpy(in6_of(address)->sin6_addr.s6_addr, ip, IP6_LEN);
    rn_address_set_port(address, port);
}

rn_bytes rn_address_ip(const struct rn_address *address)
{
    switch (rn_address_family(address)) {
    case RN_IP4: return rn_bytes_of(&in_of(address)->sin_addr, IP4_LEN);
    case RN_IP6: return rn_bytes_of(in6_of(address)->sin6_addr.s6_addr, IP6_LEN);
    default: return rn_bytes_of(NULL, 0);
    }
}

void rn_address_set_port(struct rn_address *address, uint16_t port)
{
    if (rn_address_family(address) != RN_UNIX)
        in_of(address)->sin_port = __builtin_bswap16(port); /* IPv6 has it there too */
}

uint32_t rn_address_scope(const struct rn_address *address)
{
    return rn_address_family(address) == RN_IP6 ? in6_of(address)->sin6_scope_id : 0;
}

/* The kernel leaves what is unused as it finds it, and a flow label says nothing of who it is. */
bool rn_address_equal(const struct rn_address *a, const struct rn_address *b)
{
    if (rn_address_family(a) != rn_address_family(b)) return false;
    if (rn_address_family(a) == RN_UNIX)
        return rn_bytes_equal(rn_bytes_of(a->bytes, a->len), rn_bytes_of(b->bytes, b->len));
    return rn_address_port(a) == rn_address_port(b) &&
           rn_address_scope(a) == rn_address_scope(b) &&
           rn_bytes_equal(rn_address_ip(a), rn_address_ip(b));
}

bool rn_address_is_multicast(const struct rn_address *address)
{
    rn_bytes ip = rn_address_ip(address);
    return ip.len == IP4_LEN ? ip.ptr[0] >> 4 == 14 : ip.len == IP6_LEN && ip.ptr[0] == 0xff;
}

void rn_address_unmap(struct rn_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff}; /* RFC 4291, 2.5.5.2 */
    rn_bytes ip = rn_address_ip(address);
    uint8_t last[IP4_LEN];
    if (ip.len != IP6_LEN || memcmp(ip.ptr, mapped, sizeof mapped) != 0) return;
    memcpy(last, ip.ptr + sizeof mapped, sizeof last);
    rn_address_ip4(address, last, rn_address_port(address));
}

/* ---- Interfaces ------------------------------------------------------------------------------ */

/* netdevice(7): any socket will do. */
static int ask_interface(unsigned long what, struct rn_k_ifreq *request)
{
    int fd = rn_sys_socket(RN_UNIX, RN_K_SOCK_DGRAM | RN_K_SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    int result = rn_sys_ioctl(fd, what, (long)request);
    rn_sys_close(fd);
    return result;
}

int rn_interface_index(const char *name)
{
    struct rn_k_ifreq request = {0};
    size_t len = strlen(name);
    if (len >= sizeof request.name) return -RN_K_ENODEV;
    memcpy(request.name, name, len);
    int result = ask_interface(RN_K_SIOCGIFINDEX, &request);
    return result < 0 ? result : request.index;
}

int rn_interface_name(uint32_t index, char *to)
{
    struct rn_k_ifreq request = {.index = (int32_t)index};
    int result = index ? ask_interface(RN_K_SIOCGIFNAME, &request) : -RN_K_ENODEV;
    if (result < 0) return result;
    memcpy(to, request.name, RN_INTERFACE_NAME_MAX);
    return 0;
}

/* ---- Text to address ------------------------------------------------------------------------- */

enum {
    PLAIN_MAX = 64, /* an IPv6 address with brackets and a port: 47 and a terminator */
    ZONE_MAX = RN_INTERFACE_NAME_MAX - 1,
};

/* What is to be left of "[fe80::1%eth0]:80" and "::ffff:192.0.2.1": "[fe80::1]:80" and
 * "::ffff:c000:201". */
struct plain {
    char text[PLAIN_MAX];
    size_t len;
    char zone[ZONE_MAX + 1];
    size_t zone_len;
};

static bool is_hex(char c)
{
    uint8_t lower = rn_lower((uint8_t)c);
    return rn_is_digit(lower) || (lower >= 'a' && lower <= 'f');
}

/* A dotted part becomes two groups. Where the text goes on, or NULL. */
static const char *put_dotted(struct plain *plain, const char *text)
{
    char dotted[sizeof "255.255.255.255"];
    struct rn_address ip4;
    size_t len = 0;
    while (rn_is_digit((uint8_t)text[len]) || text[len] == '.') len++;
    bool last = !text[len] || text[len] == ']' || text[len] == '%';
    if (!last || len >= sizeof dotted || plain->len + 9 >= PLAIN_MAX) return NULL;
    memcpy(dotted, text, len);
    dotted[len] = 0;
    if (rn_address_parse_global(&ip4, dotted, 0) < 0) return NULL;
    const uint8_t *ip = rn_address_ip(&ip4).ptr;
    for (unsigned i = 0; i < IP4_LEN; i++) {
        if (i == 2) plain->text[plain->len++] = ':';
        plain->text[plain->len++] = "0123456789abcdef"[ip[i] >> 4];
        plain->text[plain->len++] = "0123456789abcdef"[ip[i] & 15];
    }
    return text + len;
}

/* From '%' to the end of the address. */
static const char *take_zone(struct plain *plain, const char *text, bool bracket)
{
    size_t len = 0;
    while (text[len] && !(bracket && text[len] == ']')) len++;
    if (len == 0 || len > ZONE_MAX || plain->zone_len) return NULL;
    memcpy(plain->zone, text, len);
    plain->zone_len = len;
    return text + len;
}

static bool make_plain(struct plain *plain, const char *text)
{
    bool bracket = *text == '[', inside = true;
    *plain = (struct plain){.len = 0};
    while (text && *text) {
        if (plain->len + 1 >= PLAIN_MAX) return false;
        if (*text == ']') inside = false;
        if (inside && *text == '%') {
            text = take_zone(plain, text + 1, bracket);
            continue;
        }
        /* A group: whether it is the first of a dotted part shows behind it. */
        size_t group = 0;
        while (is_hex(text[group])) group++;
        if (inside && group && text[group] == '.') {
            text = put_dotted(plain, text);
            continue;
        }
        plain->text[plain->len++] = *text++;
    }
    return text != NULL;
}

static int set_scope(struct rn_address *address, const struct plain *plain)
{
    uint64_t scope = 0;
    size_t i = 0;
    rn_bytes ip = rn_address_ip(address);
    for (; i < plain->zone_len && rn_is_digit((uint8_t)plain->zone[i]); i++)
        scope = scope * 10 + (uint64_t)(plain->zone[i] - '0');
    /* Link-local, and groups of the interface and the link: the others have no zone. */
    bool scoped = ip.len == IP6_LEN && ((ip.ptr[0] == 0xfe && ip.ptr[1] >> 6 == 2) ||
                                        (ip.ptr[0] == 0xff && (ip.ptr[1] & 15) <= 2));
    if (!scoped) return RN_E_MISUSE;
    if (i < plain->zone_len) {
        int index = rn_interface_index(plain->zone);
        if (index < 0) return index;
        scope = (uint64_t)index;
    }
    if (scope == 0 || scope > INT32_MAX) return -RN_K_ENODEV;
    in6_of(address)->sin6_scope_id = (uint32_t)scope;
    return 0;
}

int rn_address_parse(struct rn_address *address, const char *text, uint16_t port)
{
    struct plain plain;
    int result = rn_address_parse_global(address, text, port);
    /* What has no colon is no IPv6 address, and "1.2.3.4" was fine. */
    if (result == 0 || rn_bytes_find(rn_bytes_text(text), ':') == strlen(text)) return result;
    if (!make_plain(&plain, text)) return RN_E_MISUSE;
    result = rn_address_parse_global(address, plain.text, port);
    if (result == 0 && rn_address_family(address) != RN_IP6) result = RN_E_MISUSE;
    return result == 0 && plain.zone_len ? set_scope(address, &plain) : result;
}

/* ---- Address to text ------------------------------------------------------------------------- */

/* What is written as IPv4 is behind this, RFC 5952, 5: "[::ffff:192.0.2.1]:80". */
static size_t format_mapped(const struct rn_address *ip4, char *to)
{
    static const char head[] = "[::ffff:";
    size_t at = sizeof head - 1;
    memcpy(to, head, at);
    size_t len = at + rn_address_format_global(ip4, to + at);
    at = at + rn_bytes_find(rn_bytes_text(to + at), ':');
    memmove(to + at + 1, to + at, len + 1 - at);
    to[at] = ']';
    return len + 1;
}

size_t rn_address_format(const struct rn_address *address, char *to)
{
    char zone[RN_INTERFACE_NAME_MAX + 1] = "%";
    struct rn_address ip4 = *address;
    rn_address_unmap(&ip4);
    if (rn_address_family(&ip4) != rn_address_family(address)) return format_mapped(&ip4, to);
    size_t len = rn_address_format_global(address, to), at = len;
    uint32_t scope = rn_address_scope(address);
    if (!scope) return len;
    if (rn_interface_name(scope, zone + 1) < 0) zone[1 + rn_format_u64(zone + 1, scope)] = 0;
    size_t zone_len = strlen(zone);
    while (to[at] != ']') at--;
    memmove(to + at + zone_len, to + at, len + 1 - at);
    memcpy(to + at, zone, zone_len);
    return len + zone_len;
}
