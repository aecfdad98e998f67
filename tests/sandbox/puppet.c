/*
 * tests/sandbox/puppet.c: httpd as it is once somebody's code runs in a handler: GET /do/NAME makes
 * that system call and answers with its result, before anything else looks at the request.
 */
#include "app/httpd/httpd.h"

void demo_routes(struct settings *settings, struct rn_static *files);
#define make_routes demo_routes
#include "app/httpd/demo.c"
#undef make_routes
void make_routes(struct settings *settings, struct rn_static *files);

#include "base/bytes.h"
#include "sys/sys.h"

static long open_secret(void)
{
    return rn_sys_openat(RN_K_AT_FDCWD, "/etc/passwd", RN_K_O_RDONLY, 0);
}

static long open_secret_resolved(void)
{
    struct rn_k_open_how how = {.flags = RN_K_O_RDONLY};
    return rn_sys_openat2(RN_K_AT_FDCWD, "/etc/passwd", &how);
}

static long write_file(void)
{
    return rn_sys_openat(RN_K_AT_FDCWD, "/tmp/runnel-puppet", RN_K_O_WRONLY | RN_K_O_CREAT, 0600);
}

static long execute(void)
{
    static char *const words[] = {"/bin/true", NULL};
    return rn_syscall3(RN_NR_EXECVE, (long)words[0], (long)words, 0);
}

static long make_socket(void) { return rn_sys_socket(RN_K_AF_INET, RN_K_SOCK_STREAM, 0); }

static long make_executable(void)
{
    return rn_sys_mmap(NULL, 4096, RN_K_PROT_READ | RN_K_PROT_EXEC,
                       RN_K_MAP_PRIVATE | RN_K_MAP_ANONYMOUS, -1, 0) > 0;
}

static long signal_parent(void) { return rn_sys_kill(1, 0); }

/* What a handler does that believes a length which a client named. */
static long overrun_stack(void)
{
    char frame[64];
    char *next = frame;
    for (int i = 0; i < 96; i++) {
        __asm__ volatile("" : "+r"(next)::"memory");
        *next++ = 'x';
    }
    return 0;
}

static const struct {
    const char *name;
    long (*call)(void);
} calls_to_make[] = {
    {"open", open_secret},
    {"open-resolved", open_secret_resolved},
    {"write", write_file},
    {"exec", execute},
    {"socket", make_socket},
    {"map-executable", make_executable},
    {"kill", signal_parent},
    {"overrun", overrun_stack},
};

static void puppet(struct rn_request *request)
{
    rn_bytes path = rn_request_path(request);
    for (unsigned i = 0; i < RN_COUNT(calls_to_make); i++) {
        rn_bytes name = rn_bytes_text(calls_to_make[i].name);
        char digits[32];
        struct rn_text text = {.ptr = digits, .cap = sizeof digits};
        if (path.len != name.len + 4 ||
            !rn_bytes_equal(rn_bytes_of(path.ptr + 4, name.len), name))
            continue;
        rn_text_format(&text, "%d", (int)calls_to_make[i].call());
        (void)rn_respond(request, 200, "text/plain", digits, text.len);
        return;
    }
    rn_respond_slice(request, 404, "text/plain", RN_BYTES("no such call\n"), NULL);
}

void make_routes(struct settings *settings, struct rn_static *files)
{
    demo_routes(settings, files);
    routes[ECHO] = (struct rn_http_route){"GET", "/do/*", puppet, NULL, NULL, 0};
}
