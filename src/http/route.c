/*
 * http/route.c: which handler a request goes to.
 */
#include "http/server.h"

/* A ':' or a '*' begins a parameter. */
static bool is_literal(char c)
{
    return (c | ('*' ^ ':')) != ':';
}

/* Matches a path against a pattern; parameters are noted as spans of the head. */
static bool match(struct rn_request *request, const char *pattern)
{
    const uint8_t *head = request->head, *at = head + request->http1.path.at;
    const uint8_t *end = at + request->http1.path.len;
    unsigned count = 0;
    for (;;) {
        while (at < end && *at == (uint8_t)*pattern && is_literal(*pattern)) at++, pattern++;
        if (!*pattern) return at == end;
        const uint8_t *from = at;
        if (*pattern == '*') {
            request->parameters[RN_HTTP_PARAMETERS_MAX] =
                (struct rn_http1_span){(uint16_t)(at - head), (uint16_t)(end - at)};
            return true;
        }
        while (at < end && *at != '/') at++;
        if (*pattern != ':' || count == RN_HTTP_PARAMETERS_MAX || at == from) return false;
        request->parameters[count++] =
            (struct rn_http1_span){(uint16_t)(from - head), (uint16_t)(at - from)};
        do pattern++;
        while (*pattern && *pattern != '/');
    }
}

static bool method_in(const char *methods, rn_bytes method)
{
    while (*methods) {
        size_t len = 0;
        while (len < method.len && methods[len] == method.ptr[len]) len++;
        if (len == method.len && methods[len] <= ' ') return true;
        while (*methods && *methods++ != ' ') {}
    }
    return false;
}

static bool method_fits(const struct rn_http_route *route, const struct rn_request *request)
{
    if (!route->methods) return true;
    if (method_in(route->methods, rn_request_method(request))) return true;
    return request->http1.method == RN_HTTP1_HEAD && method_in(route->methods, RN_BYTES("GET"));
}

static void add_allowed(struct rn_text *allow, const char *methods)
{
    if (allow->len) rn_text_add(allow, ", ", 2);
    for (; *methods; methods++) {
        if (*methods == ' ') rn_text_add(allow, ",", 1);
        rn_text_add(allow, methods, 1);
    }
}

static void refuse(struct rn_request *request, const struct rn_text *allow)
{
    uint8_t method = request->http1.method;
    unsigned status = allow->len ? 405 : 404;
    if (request->head[request->http1.path.at] == '*') status = 204; /* OPTIONS for the server */
    if (method == RN_HTTP1_OTHER || method == RN_HTTP1_CONNECT || method == RN_HTTP1_TRACE)
        status = 501;
    rn_response_start(request, status);
    if (allow->len) rn_response_header(request, "Allow", rn_bytes_of(allow->ptr, allow->len));
    rn_response_error(request, status);
}

const struct rn_http_route *rn_route_find(struct rn_request *request)
{
    const struct rn_http_options *options = &request->conn->worker->server->options;
    char methods[128];
    struct rn_text allow = {.ptr = methods, .cap = sizeof methods};
    for (size_t i = 0; i < options->route_count; i++) {
        const struct rn_http_route *route = &options->routes[i];
        if (!match(request, route->path)) continue;
        if (method_fits(route, request)) return route;
        add_allowed(&allow, route->methods);
        if (method_in(route->methods, RN_BYTES("GET"))) add_allowed(&allow, "HEAD");
    }
    refuse(request, &allow);
    return NULL;
}

/* The parameter's place is its place in the pattern. */
rn_bytes rn_request_parameter(const struct rn_request *request, const char *name)
{
    size_t len = strlen(name);
    unsigned index = 0;
    for (const char *at = request->route->path; *at; at++) {
        if (*at == '*' && *name == '*') index = RN_HTTP_PARAMETERS_MAX;
        else if (*at != ':') continue;
        const char *from = at + (*at == ':');
        size_t count = 0;
        while (from[count] && from[count] != '/') count++;
        if (count == len && memcmp(from, name, len) == 0)
            return rn_http1_slice(request->head, request->parameters[index]);
        index++;
    }
    return rn_bytes_of(NULL, 0);
}
