/*
 * runnel/resolver.h: names to addresses, and connecting by name.
 *
 *     struct get { struct rn_task task; rn_co co; struct rn_connect connect; ... };
 *
 *     RN_BEGIN(&get->co);
 *     rn_connect(&get->connect, cx, "www.example.com", 80, rn_after(cx, 30 * RN_SECOND));
 *     RN_AWAIT(&get->co, &get->connect.future, cx);
 *     if (get->connect.result < 0) fail(rn_error_text(get->connect.result));
 *     stream = get->connect.stream;   // the task's from here: rn_stream_close it
 *
 * A worker has one resolver, made when it is first used: its cache, and what /etc/resolv.conf and
 * /etc/hosts say. The files are looked at again every few seconds, and when they changed, the cache
 * is emptied. All functions are for the worker's own thread.
 *
 * A struct rn_resolve or rn_connect is the caller's. It needs no initialisation, and stays in place
 * from the call to the end of the await; the name is copied. It must be awaited to its end, and by
 * the task that began it: a task that is cancelled gets -ECANCELED, after everything that was in
 * flight has come to its end.
 */
#ifndef RUNNEL_RESOLVER_H
#define RUNNEL_RESOLVER_H

#include <runnel/net.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RN_RESOLVE_MAX = 16,      /* addresses of a name; of each family, at most 8 */
    RN_RESOLVER_CACHE = 256,  /* names that are remembered */
    RN_RESOLVER_LOOKUPS = 64, /* names being asked for at a time */
    RN_CONNECT_ATTEMPTS = 8,  /* connections being made at a time, for one name */
};

/* ---- Names to addresses ---------------------------------------------------------------------- */

/*
 * result: how many addresses there are (at least 1), the best first (RFC 6724: those that there is
 * a route to, then by its table of precedences); or
 *
 *   RN_E_NO_NAME        there is no such name
 *   RN_E_NO_DATA        the name is there, but has no address
 *   RN_E_NAME_SERVER    the servers fail or refuse
 *   -ETIMEDOUT          no server answered, or the deadline has passed
 *   RN_E_MISUSE         that is no name: an empty or too long label, a blank, a colon, letters
 *                       beyond ASCII
 *   RN_E_LIMIT          RN_RESOLVER_LOOKUPS names are being asked for
 *   -ECANCELED, -ENOMEM
 */
struct rn_resolve {
    struct rn_future future; /* to be awaited */
    int result;
    uint32_t count;
    struct rn_address addresses[RN_RESOLVE_MAX];
    /* private from here */
    struct rn_resolve *next;
    struct rn_resolve **link;
    void *lookup;
    rn_waker waker;
    struct rn_timer timer;
    uint16_t port;
    uint8_t there;
    bool early;
    bool waiting;
};

/* name: a host name; or whatever rn_address_parse takes, which is then the one address (a port in
 * it goes before `port`). deadline: absolute, RN_NEVER for as long as the servers' timeouts take:
 * 20 seconds with two servers and no options. */
void rn_resolve(struct rn_resolve *resolve, struct rn_cx *cx, const char *name, uint16_t port,
                rn_ns deadline);

/* ---- Connecting by name ---------------------------------------------------------------------- */

/*
 * Happy Eyeballs, version 2 (RFC 8305). Asks for both families and starts with what it has: IPv6,
 * or IPv4 when that came 50 ms before any IPv6. Then the families take turns; an attempt begins
 * 250 ms after the one before, or at once when that failed. The first connection wins; the other
 * attempts are ended and closed.
 *
 * result: the descriptor of `stream` (connected, NODELAY for TCP); or the error: those of
 * rn_resolve; when there were addresses, of the first attempt that got farther than "unreachable",
 * as -ECONNREFUSED; -ETIMEDOUT when the deadline has passed, -EMFILE and the like.
 */
struct rn_connect {
    struct rn_future future; /* to be awaited */
    int result;
    rn_stream stream;
    /* private from here */
    rn_waker waker;
    struct rn_timer timer;
    rn_ns deadline;
    rn_ns next;     /* no attempt begins before that; 0: as soon as there is an address */
    uint32_t tried; /* a bit for each address */
    int last;       /* the family of the last attempt */
    int error;      /* of the attempts so far */
    bool ending;    /* result is known, attempts are still to be ended */
    bool over;
    struct {
        int fd;
        struct rn_op op;
    } attempts[RN_CONNECT_ATTEMPTS];
    struct rn_resolve resolve;
};

/* name: as for rn_resolve, so numeric addresses and "unix:PATH" too. */
void rn_connect(struct rn_connect *connect, struct rn_cx *cx, const char *name, uint16_t port,
                rn_ns deadline);

/* ---- The worker's resolver ------------------------------------------------------------------- */

struct rn_resolver_options {
    const char *resolv_conf; /* files in the place of /etc/resolv.conf and /etc/hosts, or NULL */
    const char *hosts;       /* the texts stay the caller's, and in place */
};

/* Makes the worker's resolver with other files than usual; a nameserver there may be written with
 * a port ("127.0.0.1:5353", "[::1]:5353"). -ENOMEM; RN_E_MISUSE: it has one already. */
RN_MUST_USE int rn_resolver_start(struct rn_worker *worker,
                                  const struct rn_resolver_options *options);

/* Gives its memory back, if it has any: at the latest in the runtime's on_stop, when nothing is
 * being awaited any more. */
void rn_resolver_stop(struct rn_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
