/* A drop box: an upload is written as it comes, and a download goes from the file to the socket
 * without being copied.
 *
 *     http_files ADDRESS BACKEND DIRECTORY
 *     curl -T song.ogg localhost:7000/song.ogg
 *     curl -O localhost:7000/song.ogg
 */
#include "example.h"
#include <fcntl.h>
#include <sys/stat.h>

enum { NAME_BYTES_MAX = 100 };
static const uint64_t file_max = 1 << 30;

static int directory_of(const struct rn_request *request) /* the routes' context */
{
    return *(const int *)rn_request_context(request);
}

/* As it is sent, so that it has no slash; and no dot in front, as unfinished uploads have. */
static bool take_name(struct rn_request *request, char *name)
{
    rn_bytes given = rn_request_parameter(request, "name");
    snprintf(name, NAME_BYTES_MAX + 1, "%.*s", (int)given.len, (const char *)given.ptr);
    if (given.len <= NAME_BYTES_MAX && name[0] != '.') return true;
    rn_respond(request, 400, NULL, NULL, 0);
    return false;
}

struct upload { /* PUT /name: in rn_request_state */
    int fd;
    uint64_t size;
    char name[NAME_BYTES_MAX + 1], temporary[32];
};

static void discard(struct rn_request *request)
{
    struct upload *upload = rn_request_state(request);
    close(upload->fd);
    unlinkat(directory_of(request), upload->temporary, 0);
}

static size_t take_piece(struct rn_request *request, rn_bytes piece)
{
    struct upload *upload = rn_request_state(request);
    int directory = directory_of(request);
    unsigned status = 0;
    upload->size += piece.len;
    if (!piece.len)
        status = renameat(directory, upload->temporary, directory, upload->name) ? 500 : 201;
    else if (upload->size > file_max)
        status = 413;
    else if (write(upload->fd, piece.ptr, piece.len) != (ssize_t)piece.len)
        status = 507;
    if (!status) return piece.len;
    discard(request);
    rn_respond(request, status, NULL, NULL, 0);
    return piece.len;
}

static void put(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = take_piece, .aborted = discard};
    static uint32_t uploads; /* of all workers */
    struct upload *upload = rn_request_state(request);
    if (!take_name(request, upload->name)) return;
    snprintf(upload->temporary, sizeof upload->temporary, ".%u.part",
             __atomic_fetch_add(&uploads, 1, __ATOMIC_RELAXED));
    upload->fd = openat(directory_of(request), upload->temporary,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (upload->fd < 0) rn_respond(request, 500, NULL, NULL, 0);
    else rn_request_on(request, &callbacks);
}

struct download { /* GET /name: in memory of its own, as it stays until the file is sent */
    struct rn_out_owner owner;
    int fd;
};

static void release(struct rn_out_owner *owner)
{
    struct download *download = rn_container_of(owner, struct download, owner);
    close(download->fd);
    free(download);
}

static void get(struct rn_request *request)
{
    char name[NAME_BYTES_MAX + 1];
    struct stat info;
    if (!take_name(request, name)) return;
    int fd = openat(directory_of(request), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct download *download = malloc(sizeof *download);
    *download = (struct download){{release}, fd};
    if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        release(&download->owner);
        rn_respond(request, 404, NULL, NULL, 0);
        return;
    }
    rn_response_start(request, 200);
    rn_response_head(request, "application/octet-stream", (uint64_t)info.st_size);
    rn_response_file(request, fd, 0, (uint64_t)info.st_size, &download->owner);
    rn_response_end(request);
}

int main(int argc, char **argv)
{
    const char *path = argc > 3 ? argv[3] : ".";
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct rn_http_route routes[] = {
        {"PUT", "/:name", put, NULL, &directory, RN_ROUTE_STREAM},
        {"GET", "/:name", get, NULL, &directory, 0}};
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_check(directory < 0 ? -errno : 0, path);
    return example_serve_routes(routes, RN_COUNT(routes), 0);
}
