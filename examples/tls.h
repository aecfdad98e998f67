/* TLS by OpenSSL on a blocking socket, as the examples need it: the host's certificate is checked
 * against the system's authorities, or those of the file that SSL_CERT_FILE names. */
#ifndef EXAMPLE_TLS_H
#define EXAMPLE_TLS_H

#include "blocking.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

static inline void fail_tls(const char *what)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);
    fail(what, reason ? reason : "the connection broke");
}

static inline SSL *tls_dial(rn_bytes host, uint16_t port)
{
    static SSL_CTX *context;
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)host.len, (const char *)host.ptr);
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        if (!context || !SSL_CTX_set_default_verify_paths(context)) fail_tls("TLS");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    SSL *tls = SSL_new(context);
    if (!tls || !SSL_set_tlsext_host_name(tls, name) || !SSL_set1_host(tls, name) ||
        SSL_set_alpn_protos(tls, (const unsigned char *)"\10http/1.1", 9) != 0 ||
        !SSL_set_fd(tls, dial(host, port))) {
        fail_tls(name);
    }
    if (SSL_connect(tls) != 1) fail_tls(name);
    return tls;
}

/* How many bytes; 0: the peer said that it ends. An end that it didn't say may be somebody's who
 * cuts the connection, and is negative. */
static inline rn_ssize tls_read(SSL *tls, void *to, size_t cap)
{
    int len = SSL_read(tls, to, (int)cap);
    if (len > 0) return len;
    return SSL_get_error(tls, len) == SSL_ERROR_ZERO_RETURN ? 0 : -ECONNRESET;
}

static inline bool tls_write(SSL *tls, const void *data, size_t len)
{
    return SSL_write(tls, data, (int)len) > 0;
}

static inline void tls_hang_up(SSL *tls)
{
    SSL_shutdown(tls);
    close(SSL_get_fd(tls));
    SSL_free(tls);
}

#endif
