/*
 * net/resolver.c: a worker's resolver: the cache, the two files, and the lookups in progress, each
 * of which drives a machine of runnel/dns.h over sockets of its own.
 */
#include <runnel/dns.h>
#include <runnel/runtime.h>

#include "base/bytes.h"
#include "core/worker.h"
#include "net/resolver.h"

enum {
    KEY_MAX = 254, /* characters of a name that is asked for: 253 and a dot */
    WAYS = 4,      /* names of the cache that share a place */
    SETS = RN_RESOLVER_CACHE / WAYS,
    CONF_MAX = 16384,    /* bytes of resolv.conf that are read */
    HOSTS_MAX = 1 << 20, /* and of hosts */
    PORT = 53,
};
#define CHECK_INTERVAL (3 * RN_SECOND) /* between looks at the files */

struct key {
    uint32_t hash;
    uint32_t len;
    char text[KEY_MAX];
};

struct found {
    uint8_t bytes[16];
    uint8_t family; /* enum rn_family */
    uint8_t rank;   /* the lower the better */
};

struct result {
    int result; /* as of rn_resolve */
    uint32_t count;
    struct found found[RN_RESOLVE_MAX];
};

struct entry {
    struct key key;
    rn_ns expires;
    uint64_t used;
    struct result result;
};

/* The file as it was when it was read. */
struct stamp {
    uint64_t inode, size, changed;
};

struct settings {
    struct rn_dns_config config;
    struct rn_address servers[RN_DNS_SERVERS_MAX];
    uint32_t users; /* lookups */
};

/* One question of a lookup, and the socket on which it is being asked. */
struct link {
    struct rn_op op;
    struct lookup *lookup;
    int fd; /* -1: none, or being closed */
    struct rn_buf *buf;
    struct rn_dns_query query;
};

struct lookup {
    struct rn_dns_lookup machine;
    struct rn_resolver *resolver;
    struct settings *settings;
    struct rn_resolve *waiting;
    struct rn_timer timer;
    struct key key;
    struct result result; /* what has come so far */
    uint8_t there;
    bool active;
    bool abandoned;
    bool collected[2]; /* each question's answer is in the result */
    struct link links[2];
};

struct rn_resolver {
    struct rn_worker *worker;
    struct rn_resolver_options files;
    struct stamp stamps[2];
    rn_ns checked;
    uint32_t seed;
    uint32_t current; /* of the settings; the others may still have users */
    uint64_t clock;   /* of uses of the cache */
    size_t hosts_len;
    struct settings settings[2];
    struct lookup lookups[RN_RESOLVER_LOOKUPS];
    struct entry entries[SETS * WAYS];
    uint8_t conf[CONF_MAX];
    uint8_t hosts[HOSTS_MAX];
};

/* ---- The files ------------------------------------------------------------------------------- */

/* Of a file that isn't there, zeros. */
static struct stamp stamp_of(const char *path)
{
    struct rn_k_statx info = {0};
    (void)rn_sys_statx(RN_K_AT_FDCWD, path, 0, RN_K_STATX_BASIC_STATS, &info);
    return (struct stamp){info.stx_ino, info.stx_size,
                          (uint64_t)info.stx_mtime.tv_sec * RN_SECOND + info.stx_mtime.tv_nsec};
}

/* How many bytes there are; of a file that can't be read, none. */
static size_t read_file(const char *path, uint8_t *to, size_t max)
{
    size_t len = 0;
    int fd = rn_sys_openat(RN_K_AT_FDCWD, path, RN_K_O_RDONLY | RN_K_O_CLOEXEC, 0);
    if (fd < 0) return 0;
    for (long count = 1; count > 0 && len < max; len += (size_t)count) {
        count = rn_sys_read(fd, to + len, max - len);
        if (count < 0) break;
    }
    rn_sys_close(fd);
    return len;
}

static void read_settings(struct rn_resolver *resolver, struct settings *settings)
{
    size_t len = read_file(resolver->files.resolv_conf, resolver->conf, CONF_MAX);
    rn_dns_config_parse(&settings->config, rn_bytes_of(resolver->conf, len));
    for (unsigned i = 0; i < settings->config.server_count; i++)
        if (rn_address_parse(&settings->servers[i], settings->config.servers[i], PORT) < 0)
            settings->servers[i].len = 0;
    resolver->hosts_len = read_file(resolver->files.hosts, resolver->hosts, HOSTS_MAX);
}

/* Reads the files again when they have changed: what was remembered may be wrong then. */
static void refresh(struct rn_resolver *resolver, rn_ns now)
{
    struct settings *other = &resolver->settings[!resolver->current];
    bool first = !resolver->checked;
    if ((!first && now < resolver->checked + CHECK_INTERVAL) || other->users) return;
    struct stamp stamps[2] = {stamp_of(resolver->files.resolv_conf),
                              stamp_of(resolver->files.hosts)};
    resolver->checked = now;
    if (!first && memcmp(stamps, resolver->stamps, sizeof stamps) == 0) return;
    memcpy(resolver->stamps, stamps, sizeof stamps);
    read_settings(resolver, other);
    resolver->current = !resolver->current;
    for (unsigned i = 0; i < SETS * WAYS; i++) resolver->entries[i].expires = 0;
}

int rn_resolver_start(struct rn_worker *worker, const struct rn_resolver_options *options)
{
    if (worker->resolver) return RN_E_MISUSE;
    struct rn_resolver *resolver = rn_map(sizeof *resolver);
    if (!resolver) return -RN_K_ENOMEM;
    worker->resolver = resolver;
    resolver->worker = worker;
    resolver->files = *options;
    if (!resolver->files.resolv_conf) resolver->files.resolv_conf = "/etc/resolv.conf";
    if (!resolver->files.hosts) resolver->files.hosts = "/etc/hosts";
    resolver->seed = (uint32_t)rn_random64();
    return 0;
}

void rn_resolver_stop(struct rn_worker *worker)
{
    struct rn_resolver *resolver = worker->resolver;
    if (!resolver) return;
    rn_assert(!resolver->settings[0].users && !resolver->settings[1].users);
    rn_unmap(resolver, sizeof *resolver);
    worker->resolver = NULL;
}

/* ---- Results --------------------------------------------------------------------------------- */

static void address_of(struct rn_address *address, const struct found *found, uint16_t port)
{
    struct rn_k_sockaddr_in *in = (void *)address->bytes;
    struct rn_k_sockaddr_in6 *in6 = (void *)address->bytes;
    memset(in6, 0, sizeof *in6);
    in->sin_family = found->family;
    in->sin_port = __builtin_bswap16(port); /* IPv6 has it there too */
    if (found->family == RN_IP4) {
        memcpy(&in->sin_addr, found->bytes, 4);
        address->len = sizeof *in;
    } else {
        memcpy(&in6->sin6_addr, found->bytes, 16);
        address->len = sizeof *in6;
    }
}

/* Without a route there is nothing to be connected to: RFC 6724, 6, rule 1. Connecting a datagram
 * socket sends nothing. */
static bool is_reachable(const struct found *found)
{
    struct rn_address address;
    int fd = rn_sys_socket(found->family, RN_K_SOCK_DGRAM | RN_K_SOCK_CLOEXEC, 0);
    if (fd < 0) return fd != -RN_K_EAFNOSUPPORT;
    address_of(&address, found, PORT);
    int result = rn_sys_connect(fd, address.bytes, address.len);
    rn_sys_close(fd);
    return result == 0;
}

/* RFC 6724, rule 6: 100 less the precedences of its table (2.1). */
static unsigned rank_of(const struct found *found)
{
    unsigned first = found->bytes[0] << 8 | found->bytes[1];
    if (found->family == RN_IP4) return 65;
    if (first == 0x2002) return 70;                                            /* 6to4 */
    if (first == 0x2001 && !found->bytes[2] && !found->bytes[3]) return 95;    /* Teredo */
    return (first & 0xFE00) == 0xFC00 ? 97 : 60;                               /* local; others */
}

/* The servers' order stays where nothing else decides: rule 10. */
static void sort(struct found *found, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct found moved = found[i];
        size_t at = i;
        for (; at && found[at - 1].rank > moved.rank; at--) found[at] = found[at - 1];
        found[at] = moved;
    }
}

static void add(struct result *result, enum rn_family family, const void *bytes)
{
    if (result->count == RN_RESOLVE_MAX) return;
    struct found *found = &result->found[result->count++];
    *found = (struct found){.family = (uint8_t)family};
    memcpy(found->bytes, bytes, family == RN_IP4 ? 4 : 16);
    found->rank = (uint8_t)(rank_of(found) + (is_reachable(found) ? 0 : 100));
}

/* What the one who waits doesn't have yet. */
static void copy(struct rn_resolve *resolve, const struct result *result)
{
    for (; resolve->count < result->count; resolve->count++)
        address_of(&resolve->addresses[resolve->count], &result->found[resolve->count],
                   resolve->port);
}

/* ---- The cache ------------------------------------------------------------------------------- */

/* False for what is too long for a name; and what has a colon is meant to be an address. */
static bool make_key(struct key *key, uint32_t seed, const char *name)
{
    uint32_t hash = seed, len = 0; /* FNV-1a */
    for (; name[len]; len++) {
        if (len == KEY_MAX || name[len] == ':') return false;
        key->text[len] = (char)rn_lower((uint8_t)name[len]);
        hash = (hash ^ (uint8_t)key->text[len]) * 16777619u;
    }
    key->hash = hash ^ hash >> 16;
    key->len = len;
    return true;
}

static bool same(const struct key *a, const struct key *b)
{
    return a->hash == b->hash && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static struct entry *set_of(struct rn_resolver *resolver, const struct key *key)
{
    return &resolver->entries[key->hash % SETS * WAYS];
}

static struct entry *find(struct rn_resolver *resolver, const struct key *key, rn_ns now)
{
    struct entry *entry = set_of(resolver, key);
    for (unsigned i = 0; i < WAYS; i++, entry++)
        if (now < entry->expires && same(&entry->key, key)) {
            entry->used = ++resolver->clock;
            return entry;
        }
    return NULL;
}

/* In the place of what has expired, or was used longest ago. */
static void remember(struct rn_resolver *resolver, const struct key *key,
                     const struct result *result, rn_ns now, rn_ns expires)
{
    struct entry *entry = set_of(resolver, key), *victim = entry;
    for (unsigned i = 0; i < WAYS; i++, entry++) {
        if (entry->expires <= now) entry->used = 0;
        if (entry->used < victim->used) victim = entry;
    }
    *victim = (struct entry){*key, expires, ++resolver->clock, *result};
}

/* ---- Lookups --------------------------------------------------------------------------------- */

static void detach(struct rn_resolve *resolve)
{
    *resolve->link = resolve->next;
    if (resolve->next) resolve->next->link = resolve->link;
    resolve->waiting = false;
    rn_timer_stop(resolve->waker.worker, &resolve->timer);
    rn_wake(resolve->waker);
}

/* What has come since the last time, into the result; in order with all of it, unless somebody has
 * taken what was there before. */
static void collect(struct lookup *lookup)
{
    struct result *result = &lookup->result;
    for (unsigned i = 0; i < lookup->machine.questions; i++) {
        const struct rn_dns_answer *answer = &lookup->machine.answers[i];
        bool ip6 = answer->type == RN_DNS_AAAA;
        uint32_t before = result->count, kept = 0;
        if (lookup->collected[i] || answer->result <= 0) continue;
        lookup->collected[i] = true;
        for (int k = 0; k < answer->result && k < RN_DNS_ADDRESSES_MAX; k++)
            add(result, ip6 ? RN_IP6 : RN_IP4, answer->addresses[k]);
        for (const struct rn_resolve *one = lookup->waiting; one; one = one->next)
            if (one->count) kept = before;
        sort(result->found + kept, result->count - kept);
        lookup->there |= ip6 ? RN_RESOLVE_IP6 : RN_RESOLVE_IP4;
        for (struct rn_resolve *one = lookup->waiting; one; one = one->next) {
            one->there = lookup->there;
            rn_wake(one->waker);
        }
    }
}

static void finish(struct lookup *lookup)
{
    struct rn_resolver *resolver = lookup->resolver;
    struct result *result = &lookup->result, sorted;
    rn_ns now = rn_worker_now(resolver->worker);
    uint32_t ttl;
    rn_timer_stop(resolver->worker, &lookup->timer);
    result->result = rn_dns_lookup_result(&lookup->machine, &ttl);
    if (result->count) result->result = (int)result->count;
    sorted = *result;
    sort(sorted.found, sorted.count);
    /* The files may have changed meanwhile. */
    if (!lookup->abandoned && lookup->settings == &resolver->settings[resolver->current])
        remember(resolver, &lookup->key, &sorted, now, now + ttl * RN_SECOND);
    for (struct rn_resolve *one; (one = lookup->waiting);) {
        if (!one->result) {
            one->result = result->result;
            copy(one, one->count ? result : &sorted);
        }
        detach(one);
    }
    lookup->settings->users--;
    lookup->active = false;
}

static void fail(struct link *link)
{
    rn_dns_lookup_fail(&link->lookup->machine, (unsigned)(link - link->lookup->links));
}

static void input(struct link *link, const void *from, size_t len)
{
    rn_dns_lookup_input(&link->lookup->machine, rn_bytes_of(from, len),
                        (unsigned)(link - link->lookup->links), link->query.server,
                        link->query.tcp);
}

static bool is_waiting(const struct link *link)
{
    return rn_dns_lookup_waiting(&link->lookup->machine,
                                 (unsigned)(link - link->lookup->links));
}

static void start_op(struct link *link, enum rn_op_code code, void *memory, size_t len)
{
    link->op.fd = link->fd;
    link->op.code = (uint8_t)code;
    link->op.flags = RN_OP_ALL;
    link->op.arg.memory.ptr = memory;
    link->op.arg.memory.len = len;
    rn_op_start(link->lookup->resolver->worker, &link->op, RN_NEVER);
}

/* A new socket has a port that the kernel picks at random: RFC 5452, 9.2. By UDP it is connected,
 * so that datagrams from elsewhere don't come in, and that the server's absence does. */
static bool open_link(struct link *link)
{
    const struct rn_address *server = &link->lookup->settings->servers[link->query.server];
    bool tcp = link->query.tcp;
    int type = (tcp ? RN_K_SOCK_STREAM : RN_K_SOCK_DGRAM) | RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC;
    int fd = server->len ? rn_sys_socket(rn_address_family(server), type, 0) : -1;
    if (fd < 0) return false;
    link->fd = fd;
    if (tcp) {
        link->op.arg.address.ptr = server->bytes;
        link->op.arg.address.len = server->len;
        link->op.fd = fd;
        link->op.code = RN_OP_CONNECT;
        link->op.flags = 0;
        rn_op_start(link->lookup->resolver->worker, &link->op, RN_NEVER);
        return true;
    }
    if (rn_sys_connect(fd, server->bytes, server->len) < 0) return false;
    start_op(link, RN_OP_SEND, link->query.bytes + 2, link->query.len);
    return true;
}

static void drive(struct lookup *lookup);

/* By TCP: the length of the answer has come, or the answer. */
static void received(struct link *link, int64_t count)
{
    uint8_t *bytes = link->query.bytes; /* sent; the length comes into its place */
    size_t len = (size_t)(bytes[0] << 8 | bytes[1]);
    if (link->buf) {
        if (count == (int64_t)len) input(link, link->buf->data, len);
        else fail(link);
        return;
    }
    if (count == 2) link->buf = rn_pool_take(&link->lookup->resolver->worker->pool);
    if (!link->buf || !len || len > link->buf->cap) fail(link);
    else start_op(link, RN_OP_RECV_INTO, link->buf->data, len);
}

/* The next step of a question that waits for its answer. */
static void advance(struct link *link)
{
    const struct rn_op *op = &link->op;
    if (op->result < 0) {
        fail(link);
    } else if (op->code == RN_OP_CONNECT) {
        start_op(link, RN_OP_SEND, link->query.bytes, link->query.len + 2u);
    } else if (op->code == RN_OP_RECV_INTO) {
        received(link, op->result);
    } else if (op->code == RN_OP_SEND && link->query.tcp) {
        start_op(link, RN_OP_RECV_INTO, link->query.bytes, 2);
    } else {
        if (op->buf) input(link, op->buf->data + op->buf->at, op->buf->len);
        if (is_waiting(link)) start_op(link, RN_OP_RECVFROM, NULL, 0);
    }
}

static void give_back(struct lookup *lookup, struct rn_buf *buf)
{
    if (buf) rn_pool_put(&lookup->resolver->worker->pool, buf);
}

static void op_complete(struct rn_op *op)
{
    struct link *link = rn_container_of(op, struct link, op);
    struct rn_buf *datagram = op->buf, *message = link->buf;
    if (op->code != RN_OP_CLOSE && is_waiting(link)) advance(link);
    give_back(link->lookup, datagram);
    if (message) {
        give_back(link->lookup, message);
        link->buf = NULL;
    }
    drive(link->lookup);
}

/* Brings a link to what the machine wants of it now; whether it is at rest. */
static bool settle(struct link *link)
{
    struct lookup *lookup = link->lookup;
    struct rn_worker *worker = lookup->resolver->worker;
    for (;;) {
        if (rn_op_inflight(&link->op)) {
            if (!is_waiting(link) && link->op.code != RN_OP_CLOSE) rn_op_cancel(worker, &link->op);
            return false;
        }
        if (link->fd >= 0) {
            start_op(link, RN_OP_CLOSE, NULL, 0);
            link->fd = -1;
            return false;
        }
        if (!rn_dns_lookup_pop(&lookup->machine, worker->now, rn_random64(),
                               (unsigned)(link - lookup->links), &link->query))
            return true;
        if (!open_link(link)) fail(link);
    }
}

/* After anything that happened. */
static void drive(struct lookup *lookup)
{
    bool first = settle(&lookup->links[0]), second = settle(&lookup->links[1]);
    collect(lookup);
    if (lookup->machine.done && first && second) finish(lookup);
    else rn_timer_start(lookup->resolver->worker, &lookup->timer,
                        rn_dns_lookup_deadline(&lookup->machine));
}

static void tick(struct rn_timer *timer, rn_ns now)
{
    struct lookup *lookup = rn_container_of(timer, struct lookup, timer);
    rn_dns_lookup_tick(&lookup->machine, now);
    drive(lookup);
}

/* ---- Resolutions ----------------------------------------------------------------------------- */

/* Ends a resolution before its time. The last one that waits takes the lookup along, and waits for
 * its end, so that nothing is in flight when all resolutions are over. */
static void leave(struct rn_resolve *resolve, int error)
{
    struct lookup *lookup = resolve->lookup;
    resolve->result = error;
    if (resolve->next || lookup->waiting != resolve) {
        detach(resolve);
        return;
    }
    lookup->abandoned = true;
    lookup->machine.done = true;
    drive(lookup);
}

static void out_of_time(struct rn_timer *timer, rn_ns now)
{
    leave(rn_container_of(timer, struct rn_resolve, timer), -RN_K_ETIMEDOUT);
}

static enum rn_poll resolve_poll(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_resolve *resolve = rn_container_of(future, struct rn_resolve, future);
    struct lookup *lookup = resolve->lookup;
    resolve->waker = cx->waker;
    if (resolve->waiting && resolve->early) copy(resolve, &lookup->result);
    if (resolve->waiting && cx->cancelled && !resolve->result) leave(resolve, -RN_K_ECANCELED);
    return resolve->waiting ? RN_PENDING : RN_READY;
}

/* What /etc/hosts has for that name: how many addresses. */
static uint32_t read_hosts(struct rn_resolver *resolver, const char *name, struct result *result)
{
    rn_bytes file = rn_bytes_of(resolver->hosts, resolver->hosts_len), text;
    while (rn_dns_hosts_next(&file, rn_bytes_text(name), &text)) {
        char copied[RN_DNS_SERVER_TEXT_MAX];
        struct rn_address address;
        if (text.len >= sizeof copied) continue;
        memcpy(copied, text.ptr, text.len);
        copied[text.len] = 0;
        if (rn_address_parse(&address, copied, 0) < 0 || rn_address_family(&address) == RN_UNIX)
            continue;
        enum rn_family family = rn_address_family(&address);
        add(result, family,
            address.bytes + (family == RN_IP4 ? offsetof(struct rn_k_sockaddr_in, sin_addr)
                                              : offsetof(struct rn_k_sockaddr_in6, sin6_addr)));
    }
    sort(result->found, result->count);
    result->result = (int)result->count;
    return result->count;
}

/* The lookup for that name that is in progress already, or a free one, or NULL. */
static struct lookup *lookup_for(struct rn_resolver *resolver, const struct key *key)
{
    struct lookup *free = NULL;
    for (unsigned i = RN_RESOLVER_LOOKUPS; i--;) {
        struct lookup *lookup = &resolver->lookups[i];
        if (!lookup->active) free = lookup;
        else if (!lookup->abandoned && same(&lookup->key, key)) return lookup;
    }
    return free;
}

static int start_lookup(struct lookup *lookup, struct rn_resolver *resolver, const struct key *key)
{
    static const uint16_t types[2] = {RN_DNS_AAAA, RN_DNS_A};
    struct settings *settings = &resolver->settings[resolver->current];
    int result = rn_dns_lookup_start(&lookup->machine, &settings->config,
                                     rn_bytes_of(key->text, key->len), types);
    if (result < 0) return result;
    lookup->resolver = resolver;
    lookup->settings = settings;
    lookup->timer.expire = tick;
    lookup->key = *key;
    lookup->result.count = lookup->there = 0;
    lookup->active = true;
    lookup->abandoned = lookup->collected[0] = lookup->collected[1] = false;
    for (unsigned i = 0; i < 2; i++) {
        lookup->links[i].lookup = lookup;
        lookup->links[i].fd = -1;
        lookup->links[i].op.complete = op_complete;
    }
    settings->users++;
    return 0;
}

static void look_up(struct rn_resolve *resolve, struct rn_resolver *resolver,
                    const struct key *key, rn_ns deadline)
{
    struct lookup *lookup = lookup_for(resolver, key);
    if (!lookup) {
        resolve->result = RN_E_LIMIT;
        return;
    }
    bool joined = lookup->active;
    if (!joined && (resolve->result = start_lookup(lookup, resolver, key)) < 0) return;
    resolve->waiting = true;
    resolve->lookup = lookup;
    resolve->there = lookup->there;
    resolve->next = lookup->waiting;
    resolve->link = &lookup->waiting;
    if (resolve->next) resolve->next->link = &resolve->next;
    lookup->waiting = resolve;
    resolve->timer = (struct rn_timer){.expire = out_of_time};
    rn_timer_start(resolver->worker, &resolve->timer, deadline);
    if (!joined) drive(lookup);
}

void rn_resolve(struct rn_resolve *resolve, struct rn_cx *cx, const char *name, uint16_t port,
                rn_ns deadline)
{
    static const struct rn_resolver_options usual;
    struct result result = {0};
    struct key key;
    resolve->future.poll = resolve_poll;
    resolve->waker = cx->waker;
    resolve->port = port;
    resolve->result = 0;
    resolve->count = 0;
    resolve->there = 0;
    resolve->early = resolve->waiting = false;
    if (!cx->worker->resolver && (resolve->result = rn_resolver_start(cx->worker, &usual)) < 0)
        return;
    struct rn_resolver *resolver = cx->worker->resolver;
    refresh(resolver, cx->now);
    struct entry *entry = NULL;
    bool is_key = make_key(&key, resolver->seed, name);
    if (is_key && (entry = find(resolver, &key, cx->now))) {
        resolve->result = entry->result.result;
        copy(resolve, &entry->result);
    } else if (rn_address_parse(resolve->addresses, name, port) == 0) {
        resolve->result = resolve->count = 1;
    } else if (!is_key) {
        resolve->result = RN_E_MISUSE;
    } else if (read_hosts(resolver, name, &result)) {
        remember(resolver, &key, &result, cx->now, RN_NEVER);
        resolve->result = result.result;
        copy(resolve, &result);
    } else {
        look_up(resolve, resolver, &key, deadline);
    }
}
