/*
 * app/httpd/sandbox.c: what the server gives up once it has all that it needs, so that a hole in
 * it is worth little: privileges (--user), files but for what it serves and logs, TCP ports and
 * connections of its own (landlock(7)), and each system call that serving doesn't take
 * (seccomp(2)).
 */
#include "app/httpd/httpd.h"
#include "base/bytes.h"
#include "sys/sys.h"

/* ---- Another user ---------------------------------------------------------------------------- */

/* What is in front of the separator; the rest stays in *from. */
static rn_bytes cut(rn_bytes *from, uint8_t separator)
{
    size_t len = rn_bytes_find(*from, separator), past = len < from->len ? len + 1 : len;
    rn_bytes head = rn_bytes_of(from->ptr, len);
    *from = rn_bytes_of(from->ptr + past, from->len - past);
    return head;
}

/* "NAME:PASSWORD:UID:GID:…", a line each, passwd(5). */
static bool find_user(rn_bytes lines, const char *name, uint64_t *user, uint64_t *group)
{
    while (lines.len) {
        rn_bytes line = cut(&lines, '\n');
        if (!rn_bytes_equal(cut(&line, ':'), rn_bytes_text(name))) continue;
        cut(&line, ':');
        return rn_parse_u64(cut(&line, ':'), user) && rn_parse_u64(cut(&line, ':'), group);
    }
    return false;
}

int become_user(const char *name)
{
    uint64_t user, group;
    struct rn_k_statx info;
    int fd = rn_sys_openat(RN_K_AT_FDCWD, "/etc/passwd", RN_K_O_RDONLY | RN_K_O_CLOEXEC, 0);
    if (fd < 0) return fd;
    int result = rn_sys_statx(fd, "", RN_K_AT_EMPTY_PATH, RN_K_STATX_SIZE, &info);
    long at = result;
    if (at == 0)
        at = rn_sys_mmap(NULL, info.stx_size, RN_K_PROT_READ, RN_K_MAP_PRIVATE, fd, 0);
    rn_sys_close(fd);
    if (at < 0) return (int)at;
    bool found = find_user(rn_bytes_of((void *)at, info.stx_size), name, &user, &group);
    rn_unmap((void *)at, info.stx_size);
    if (!found) return -RN_K_ENOENT;
    /* The user last: after it nothing else is allowed. */
    result = rn_sys_setgroups(0, NULL);
    if (result == 0) result = rn_sys_setresgid((uint32_t)group);
    if (result == 0) result = rn_sys_setresuid((uint32_t)user);
    return result;
}

/* ---- Landlock -------------------------------------------------------------------------------- */

static int allow(int rules, const char *path, size_t len, uint64_t access)
{
    char name[4096];
    struct rn_k_landlock_path_beneath rule = {.allowed_access = access};
    if (len >= sizeof name) return -RN_K_ENAMETOOLONG;
    memcpy(name, path, len);
    name[len] = 0;
    rule.parent_fd =
        rn_sys_openat(RN_K_AT_FDCWD, len ? name : ".", RN_K_O_PATH | RN_K_O_CLOEXEC, 0);
    if (rule.parent_fd < 0) return rule.parent_fd;
    int result = rn_sys_landlock_add_rule(rules, RN_K_LANDLOCK_RULE_PATH_BENEATH, &rule);
    rn_sys_close(rule.parent_fd);
    return result;
}

/* The directory that a file is in; NULL and "-" are in none. */
static int allow_beside(int rules, const char *path, uint64_t access)
{
    size_t len = path ? strlen(path) : 0;
    if (len < 2) return 0;
    while (len && path[len - 1] != '/') len--;
    return allow(rules, path, len, access);
}

static int allow_files(int rules, const struct settings *settings)
{
    const uint64_t logs = RN_K_LANDLOCK_WRITE_FILE | RN_K_LANDLOCK_MAKE_REG;
    int result = allow_beside(rules, settings->log, logs);
    if (result == 0) result = allow_beside(rules, settings->access_log, logs);
    if (result == 0 && settings->root)
        result = allow(rules, settings->root, strlen(settings->root),
                       RN_K_LANDLOCK_READ_FILE | RN_K_LANDLOCK_READ_DIR);
    for (const char *const *bind = settings->binds; *bind && result == 0; bind++)
        if (is_socket_file(*bind))
            result = allow_beside(rules, *bind + 5, RN_K_LANDLOCK_REMOVE_FILE);
    return result;
}

int restrict_files(const struct settings *settings)
{
    /* access rights that each version of the kernel's interface knows */
    static const uint8_t rights[] = {0, 13, 14, 15, 15, 16};
    struct rn_k_landlock_ruleset all = {0};
    int version = rn_sys_landlock_create_ruleset(NULL, 0, RN_K_LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) return version;
    all.handled_access_fs = (1u << rights[version < 5 ? version : 5]) - 1;
    if (version >= 4) all.handled_access_net = RN_K_LANDLOCK_BIND_TCP | RN_K_LANDLOCK_CONNECT_TCP;
    if (version >= 6) all.scoped = RN_K_LANDLOCK_SCOPE_ABSTRACT_UNIX | RN_K_LANDLOCK_SCOPE_SIGNAL;
    int rules = rn_sys_landlock_create_ruleset(&all, sizeof all, 0);
    if (rules < 0) return rules;
    int result = allow_files(rules, settings);
    if (result == 0) result = rn_sys_landlock_restrict_self(rules, 0);
    rn_sys_close(rules);
    return result;
}

/* ---- System calls ---------------------------------------------------------------------------- */

/* What takes it. */
enum { ANY, FILES, LOGS, SOCKET_FILES, EPOLL, URING };

#define CALL(group, name) ((group) << 12 | RN_NR_##name)

static const uint16_t calls[] = {
    CALL(ANY, RECVFROM),
    CALL(ANY, SENDTO),
    CALL(ANY, SENDMSG),
    CALL(ANY, ACCEPT4),
    CALL(ANY, CLOSE),
    CALL(ANY, SHUTDOWN),
    CALL(ANY, SETSOCKOPT),
    CALL(ANY, GETPEERNAME),
    CALL(ANY, PPOLL),
    CALL(ANY, READ),
    CALL(ANY, WRITE),
    CALL(ANY, FUTEX),
    CALL(ANY, CLOCK_GETTIME),
    CALL(ANY, RT_SIGTIMEDWAIT),
    CALL(ANY, RESTART_SYSCALL),
    CALL(ANY, MUNMAP),
    CALL(ANY, EXIT),
    CALL(ANY, EXIT_GROUP),
    CALL(FILES, OPENAT2),
    CALL(FILES, STATX),
    CALL(FILES, LSEEK),
    CALL(FILES, PREAD64),
    CALL(FILES, SENDFILE),
    CALL(FILES, GETDENTS64),
    CALL(FILES, GETRANDOM),
    CALL(LOGS, OPENAT),
    CALL(LOGS, DUP3),
    CALL(SOCKET_FILES, UNLINKAT),
    CALL(EPOLL, EPOLL_CTL),
    CALL(EPOLL, EPOLL_PWAIT),
    CALL(EPOLL, EPOLL_PWAIT2),
    CALL(URING, IO_URING_ENTER),
};

static unsigned groups_of(const struct settings *settings)
{
    unsigned groups = 1 << ANY;
    char backend = settings->server.backend->name[0];
    if (settings->root) groups |= 1 << FILES;
    if (settings->log || settings->access_log) groups |= 1 << LOGS;
    for (const char *const *bind = settings->binds; *bind; bind++)
        if (is_socket_file(*bind)) groups |= 1 << SOCKET_FILES;
    if (backend == 'e') groups |= 1 << EPOLL;
    if (backend == 'u') groups |= 1 << URING;
    return groups;
}

int restrict_calls(const struct settings *settings)
{
    const struct rn_k_sock_filter answer_allow = {RN_K_BPF_RET, 0, 0, RN_K_SECCOMP_RET_ALLOW};
    const struct rn_k_sock_filter answer_kill = {RN_K_BPF_RET, 0, 0, RN_K_SECCOMP_RET_KILL_PROCESS};
    struct rn_k_sock_filter filter[2 * RN_COUNT(calls) + 5] = {
        {RN_K_BPF_LOAD, 0, 0, offsetof(struct rn_k_seccomp_data, arch)},
        {RN_K_BPF_JUMP_EQUAL, 1, 0, RN_K_AUDIT_ARCH},
        answer_kill,
        {RN_K_BPF_LOAD, 0, 0, offsetof(struct rn_k_seccomp_data, nr)},
    };
    struct rn_k_sock_filter *end = filter + 4;
    unsigned groups = groups_of(settings);
    for (unsigned i = 0; i < RN_COUNT(calls); i++) {
        if (!(groups >> (calls[i] >> 12) & 1)) continue;
        *end++ = (struct rn_k_sock_filter){RN_K_BPF_JUMP_EQUAL, 0, 1, calls[i] & 0xfff};
        *end++ = answer_allow;
    }
    *end++ = answer_kill;
    struct rn_k_sock_program program = {(uint16_t)(end - filter), filter};
    return rn_sys_seccomp(RN_K_SECCOMP_SET_MODE_FILTER,
                          RN_K_SECCOMP_FILTER_TSYNC | RN_K_SECCOMP_FILTER_SPEC_ALLOW, &program);
}
