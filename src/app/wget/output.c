/*
 * app/wget/output.c: see output.h.
 */
#include "app/wget/output.h"
#include "base/text.h"
#include "sys/sys.h"

enum { NUMBERS_MAX = 9999, STDOUT = 1 };

static const char attribute[] = "user.wget.validator";

/* ---- Names ----------------------------------------------------------------------------------- */

void output_name(char to[NAME_ROOM], rn_bytes segment, rn_bytes query)
{
    enum { ROOM = 230 }; /* ".part" and ".9999" fit behind it */
    struct rn_text text = {.ptr = to, .cap = ROOM};
    rn_text_add(&text, segment.ptr, segment.len);
    if (!text.len) rn_text_add(&text, "index.html", 10);
    if (query.ptr) rn_text_format(&text, "?%b", query.ptr, query.len);
    to[text.len] = 0;
    for (char *c = to; *c; c++)
        if ((uint8_t)*c < ' ' || *c == 0x7f || *c == '/') *c = '_';
    if (*to == '.' || *to == '-') *to = '_';
}

/* NAME.suffix */
static int name_with(char to[NAME_ROOM], const char *name, const char *suffix)
{
    struct rn_text text = {.ptr = to, .cap = NAME_ROOM};
    rn_text_format(&text, "%s%s", name, suffix);
    if (text.len == NAME_ROOM) return -RN_K_ENAMETOOLONG;
    to[text.len] = 0;
    return 0;
}

/* ---- What is there --------------------------------------------------------------------------- */

static bool is_regular(const struct rn_k_statx *info)
{
    return (info->stx_mode & RN_K_S_IFMT) == RN_K_S_IFREG;
}

static bool is_link(const struct output *output)
{
    struct rn_k_statx info;
    return rn_sys_statx(output->dir, output->name, RN_K_AT_SYMLINK_NOFOLLOW,
                        RN_K_STATX_BASIC_STATS, &info) == 0 &&
           (info.stx_mode & RN_K_S_IFMT) == RN_K_S_IFLNK;
}

/* "DIR/NAME": opens DIR, so that all that follows happens in it, wherever it is moved. */
static int split(struct output *output, const char *path)
{
    char dir[4096];
    size_t len = strlen(path), at = len;
    while (at && path[at - 1] != '/') at--;
    output->dir = RN_K_AT_FDCWD;
    if (len == at) return -RN_K_EISDIR;
    if (len - at >= NAME_ROOM || at >= sizeof dir) return -RN_K_ENAMETOOLONG;
    memcpy(output->name, path + at, len - at + 1);
    memcpy(dir, path, at);
    dir[at] = 0;
    const int flags = RN_K_O_PATH | RN_K_O_DIRECTORY | RN_K_O_CLOEXEC;
    int fd = rn_sys_openat(RN_K_AT_FDCWD, at ? dir : ".", flags, 0);
    if (fd >= 0) output->dir = fd;
    return fd < 0 ? fd : 0;
}

/* For this program alone; where the file system knows no locks, for all. */
static int lock(int fd)
{
    return rn_sys_flock(fd, RN_K_LOCK_EX | RN_K_LOCK_NB) == -RN_K_EAGAIN ? -RN_K_EBUSY : 0;
}

/* Takes NAME.part, if there is one. */
static int open_part(struct output *output)
{
    struct rn_k_statx info;
    int fd = rn_sys_openat(output->dir, output->made_as,
                           RN_K_O_RDWR | RN_K_O_APPEND | RN_K_O_NOFOLLOW | RN_K_O_CLOEXEC, 0);
    if (fd == -RN_K_ENOENT) return 0;
    if (fd < 0) return fd;
    output->fd = fd;
    int result = lock(fd);
    if (result == 0)
        result = rn_sys_statx(fd, "", RN_K_AT_EMPTY_PATH, RN_K_STATX_BASIC_STATS, &info);
    if (result == 0 && !is_regular(&info)) result = -RN_K_EEXIST;
    if (result < 0) return result;
    output->size = info.stx_size;
    output->part_mtime = info.stx_mtime.tv_sec;
    output->adopt = false;
    long len = rn_sys_fgetxattr(fd, attribute, output->validator, VALIDATOR_ROOM - 1);
    output->validator[len < 0 ? 0 : len] = 0;
    return 0;
}

int output_open(struct output *output, const char *path, bool replace, bool resume)
{
    struct rn_k_statx info;
    *output = (struct output){.dir = RN_K_AT_FDCWD, .fd = -1};
    output->kind = replace ? TO_NAME : TO_NEW_NAME;
    if (path[0] == '-' && !path[1]) {
        output->kind = TO_DESCRIPTOR;
        output->fd = STDOUT;
        return 0;
    }
    int result = split(output, path);
    if (result < 0) return result;
    result = rn_sys_statx(output->dir, output->name, 0, RN_K_STATX_BASIC_STATS, &info);
    bool taken = result == 0 && !is_regular(&info);
    output->there = result == 0 && !taken;
    if (result == -RN_K_ENOENT) result = 0;
    if (result < 0) return result;
    if (taken && replace) {
        output->kind = TO_DESCRIPTOR;
        output->fd = rn_sys_openat(output->dir, output->name,
                                   RN_K_O_WRONLY | RN_K_O_NOCTTY | RN_K_O_CLOEXEC, 0);
        return output->fd < 0 ? output->fd : 0;
    }
    if (output->there) {
        output->mtime = output->part_mtime = info.stx_mtime.tv_sec;
        output->old_size = info.stx_size;
    }
    if (!resume) return 0;
    if (taken) return -RN_K_EEXIST;
    if (is_link(output)) return -RN_K_ELOOP; /* it can't be renamed to go on with it */
    output->kind = TO_NAME;
    output->resume = true;
    output->size = output->old_size;
    output->adopt = output->size;
    result = name_with(output->made_as, output->name, ".part");
    return result < 0 ? result : open_part(output);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int create(struct output *output)
{
    const int flags = RN_K_O_RDWR | RN_K_O_APPEND | RN_K_O_CREAT | RN_K_O_EXCL | RN_K_O_CLOEXEC;
    if (!output->resume) {
        struct rn_text text = {.ptr = output->made_as, .cap = NAME_ROOM - 1};
        rn_text_format(&text, ".wget-%u", rn_random64());
        output->made_as[text.len] = 0;
    }
    output->fd = rn_sys_openat(output->dir, output->made_as, flags, 0666);
    if (output->fd >= 0) return lock(output->fd);
    int result = output->fd;
    if (!output->resume) output->made_as[0] = 0;
    return result;
}

/* The server goes on with NAME, which another program has left: from now on it is NAME.part. */
static int adopt(struct output *output)
{
    uint64_t size = output->size;
    int result = rn_sys_renameat2(output->dir, output->name, output->dir, output->made_as, 0);
    if (result == 0) result = open_part(output);
    return result == 0 && output->size != size ? -RN_K_EBUSY : result;
}

int output_begin(struct output *output, uint64_t first, rn_bytes validator)
{
    int result = 0;
    if (output->kind == TO_DESCRIPTOR) {
        output->skip = output->size - first;
        return 0;
    }
    if (first && output->adopt) result = adopt(output);
    else if (output->fd < 0) result = create(output);
    else if (!first) result = rn_sys_ftruncate(output->fd, 0);
    output->adopt = false;
    if (!first) output->size = 0;
    if (result < 0 || first) return result;
    struct rn_text text = {.ptr = output->validator, .cap = VALIDATOR_ROOM};
    if (validator.len) rn_text_add(&text, validator.ptr, validator.len);
    if (text.len == VALIDATOR_ROOM) text.len = 0;
    output->validator[text.len] = 0;
    if (output->resume) rn_sys_fsetxattr(output->fd, attribute, output->validator, text.len);
    return 0;
}

size_t output_skip(struct output *output, rn_bytes piece)
{
    size_t skipped = output->skip < piece.len ? (size_t)output->skip : piece.len;
    output->skip -= skipped;
    return skipped;
}

long output_write(const struct output *output, rn_bytes piece)
{
    long written;
    while ((written = rn_sys_write(output->fd, piece.ptr, piece.len)) < 0) {
        if (written == -RN_K_EAGAIN) { /* standard output, which somebody made non-blocking */
            struct rn_k_pollfd poll = {.fd = output->fd, .events = RN_K_POLLOUT};
            rn_sys_ppoll(&poll, 1, NULL, NULL);
        } else if (written != -RN_K_EINTR) {
            break;
        }
    }
    return written;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* What has no renameat2 with flags: some network file systems. */
static int move_if_free(const struct output *output, const char *name)
{
    struct rn_k_statx info;
    int result = rn_sys_renameat2(output->dir, output->made_as, output->dir, name,
                                  RN_K_RENAME_NOREPLACE);
    if (result != -RN_K_EINVAL && result != -RN_K_ENOSYS) return result;
    result = rn_sys_statx(output->dir, name, RN_K_AT_SYMLINK_NOFOLLOW, 0, &info);
    if (result == 0) return -RN_K_EEXIST;
    return rn_sys_renameat2(output->dir, output->made_as, output->dir, name, 0);
}

static int move(struct output *output)
{
    char numbered[NAME_ROOM], suffix[24];
    if (output->kind == TO_NAME)
        return rn_sys_renameat2(output->dir, output->made_as, output->dir, output->name, 0);
    int result = move_if_free(output, output->name);
    for (uint64_t number = 1; number <= NUMBERS_MAX && result == -RN_K_EEXIST; number++) {
        struct rn_text text = {.ptr = suffix, .cap = sizeof suffix - 1};
        rn_text_format(&text, ".%u", number);
        suffix[text.len] = 0;
        result = name_with(numbered, output->name, suffix);
        if (result == 0) result = move_if_free(output, numbered);
        if (result == 0) memcpy(output->name, numbered, NAME_ROOM);
    }
    return result;
}

int output_commit(struct output *output, int64_t mtime)
{
    const struct rn_k_timespec times[2] = {{mtime, 0}, {mtime, 0}};
    if (output->kind == TO_DESCRIPTOR) return 0;
    if (mtime >= 0) rn_sys_futimens(output->fd, times);
    if (output->resume) rn_sys_fremovexattr(output->fd, attribute);
    /* A file system behind a network may only now say that it is full. */
    int result = output->fd < 0 ? 0 : rn_sys_close(output->fd);
    output->fd = -1;
    if (result == 0) result = move(output);
    if (result == 0) output->made_as[0] = 0;
    return result;
}

void output_end(struct output *output)
{
    if (output->fd >= 0 && output->fd != STDOUT) rn_sys_close(output->fd);
    if (output->made_as[0] && !output->resume) rn_sys_unlinkat(output->dir, output->made_as, 0);
    if (output->dir >= 0) rn_sys_close(output->dir);
    output->fd = output->dir = -1;
    output->made_as[0] = 0;
}
