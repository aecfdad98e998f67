/*
 * Addresses as text against inet_pton(3) and inet_ntop(3), and written and read again.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <runnel/net.h>

enum { PORT = 8000 };

static bool only(const char *text, const char *of)
{
    return text[strspn(text, of)] == 0;
}

static void check_text(const char *text)
{
    struct rn_address address, again;
    uint8_t plain[16];
    char format[RN_ADDRESS_TEXT_MAX];
    int result = rn_address_parse(&address, text, PORT);
    bool zone = strchr(text, '%') && strncmp(text, "unix:", 5) != 0;
    require(result == 0 || result == RN_E_MISUSE || (zone && result < 0));
    if (rn_address_parse_global(&again, text, PORT) == 0)
        require(result == 0 && rn_address_equal(&again, &address));
    if (only(text, "0123456789."))
        require((result == 0) == (inet_pton(AF_INET, text, plain) == 1));
    if (only(text, "0123456789abcdefABCDEF:") || (strstr(text, "::") && only(text, "0123456789.:")))
        require((result == 0) == (inet_pton(AF_INET6, text, plain) == 1));
    if (result < 0) return;
    require(address.len <= sizeof address.bytes);
    enum rn_family family = rn_address_family(&address);
    require(family == RN_IP4 || family == RN_IP6 || family == RN_UNIX);
    size_t len = rn_address_format(&address, format);
    require(len < sizeof format && strlen(format) == len);
    require(rn_address_parse(&again, format, 1) == 0);
    require(again.len == address.len && !memcmp(again.bytes, address.bytes, again.len));
}

/* Any bytes are an IPv6 address. Where they may hold an IPv4 one the libc writes it dotted, also
 * where RFC 5952, 5 doesn't. */
static void check_bytes(rn_bytes in)
{
    struct rn_address address = {.len = sizeof(struct sockaddr_in6)}, again;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)address.bytes;
    char format[RN_ADDRESS_TEXT_MAX], plain[INET6_ADDRSTRLEN], whole[RN_ADDRESS_TEXT_MAX];
    in6->sin6_family = AF_INET6;
    memcpy(&in6->sin6_addr, in.ptr, 16);
    memcpy(&in6->sin6_port, in.ptr + 16, 2);
    rn_address_format(&address, format);
    require(rn_address_parse(&again, format, 1) == 0);
    require(again.len == address.len && !memcmp(again.bytes, address.bytes, again.len));
    if (IN6_IS_ADDR_V4COMPAT(&in6->sin6_addr)) return;
    inet_ntop(AF_INET6, &in6->sin6_addr, plain, sizeof plain);
    snprintf(whole, sizeof whole, "[%s]:%u", plain, ntohs(in6->sin6_port));
    require(!strcmp(format, whole));
    require(rn_address_port(&address) == ntohs(in6->sin6_port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = guarded_space(0, size + 1);
    if (size > 300) return -1;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    check_text(text);
    if (size >= 18) check_bytes(rn_bytes_of(data, size));
    return 0;
}
