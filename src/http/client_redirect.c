/*
 * http/client_redirect.c: where a redirect leads, and with what (RFC 9110, section 15.4).
 */
#include "http/client.h"

/* 301 and 302 make a GET of a POST, as everybody does; 303 of anything but a HEAD. */
static bool becomes_get(const struct rn_http_call *call)
{
    rn_bytes method = rn_http_call_method(call);
    unsigned status = call->exchange.response.status;
    if (status == 303) return !rn_bytes_equal(method, RN_BYTES("HEAD"));
    return status < 303 && rn_bytes_equal(method, RN_BYTES("POST"));
}

int rn_http_call_redirect(struct rn_http_call *call)
{
    unsigned status = call->exchange.response.status;
    uint32_t max = call->redirects_max ? call->redirects_max : RN_HTTP_REDIRECTS;
    char text[RN_HTTP_URL_MAX];
    struct rn_url from, to;
    if (status < 301 || status > 308 || (status > 303 && status < 307)) return 0;
    rn_bytes location = rn_http_call_field(call, "Location");
    if (call->no_redirects || location.len == 0) return 0;
    if (call->redirects == max) return RN_E_LIMIT;
    if (rn_url_parse(&from, rn_bytes_of(call->url, call->url_len)) < 0) return RN_E_PROTOCOL;
    rn_ssize len = rn_url_resolve(text, sizeof text, &from, location);
    if (len < 0) return (int)len;
    /* A user in it would only serve to hide the host (RFC 9110, section 4.2.4). */
    if (rn_url_parse(&to, rn_bytes_of(text, (size_t)len)) < 0 || to.userinfo.ptr)
        return RN_E_PROTOCOL;
    if (call->redirect && !call->redirect(call, text)) return 0;
    if (!rn_url_same_origin(&from, &to)) call->flags |= RN_HTTP_FOREIGN;
    if (becomes_get(call)) call->flags |= RN_HTTP_BODILESS;
    call->flags &= (uint16_t)~RN_HTTP_RETRIED;
    memcpy(call->url, text, (size_t)len + 1);
    call->url_len = (uint32_t)len;
    call->redirects++;
    return 1;
}
