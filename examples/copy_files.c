/* Copies the files of a directory into another: copy_files BACKEND FROM TO. A fiber for each file,
 * a few at a time; a copy has its name only when it is complete and on the disk. */
#include "example.h"

enum { AT_ONCE = 8, STACK = 65536, CHUNK = 131072 };

struct copy {
    struct rn_fiber fiber;
    struct rn_file_op file;
    char name[256], temporary[264], data[CHUNK];
};

static struct rn_fiber_pool stacks;
static struct rn_semaphore at_once;
static struct rn_scope copies;
static int from, to; /* the directories */

static int64_t copy_content(struct copy *copy, int source, int target)
{
    for (int64_t at = 0, len, written;; at += written) {
        rn_file_read(&copy->file, rn_fiber_cx(), source, copy->data, CHUNK, at, RN_NEVER);
        if ((len = example_file_result(&copy->file)) < 0) return len;
        if (len == 0) break;
        rn_file_write(&copy->file, rn_fiber_cx(), target, copy->data, (size_t)len, at, RN_NEVER);
        if ((written = example_file_result(&copy->file)) < 0) return written;
    }
    rn_file_sync(&copy->file, rn_fiber_cx(), target, false, RN_NEVER);
    return example_file_result(&copy->file);
}

static int64_t copy_to_temporary(struct copy *copy)
{
    int source = example_open(from, copy->name, O_RDONLY);
    if (source < 0) return source;
    int target = example_open(to, copy->temporary, O_WRONLY | O_CREAT | O_TRUNC);
    int64_t result = target < 0 ? target : copy_content(copy, source, target);
    rn_file_close(&copy->file, rn_fiber_cx(), source);
    example_file_result(&copy->file);
    if (target < 0) return target;
    rn_file_close(&copy->file, rn_fiber_cx(), target);
    return example_file_result(&copy->file) < 0 ? copy->file.op.result : result;
}

static int64_t copy_file(void *argument)
{
    struct copy *copy = argument;
    int64_t result = copy_to_temporary(copy);
    if (result == 0) {
        rn_file_rename(&copy->file, rn_fiber_cx(), to, copy->temporary, to, copy->name, true,
                       RN_NEVER);
        result = example_file_result(&copy->file);
    }
    printf("%s: %s\n", copy->name, result < 0 ? rn_error_text((int)result) : "copied");
    rn_semaphore_release(&at_once, 1);
    return result;
}

static void ended(struct rn_child *child) { free(child); } /* it stands first in struct copy */

static void start_copy(const char *name)
{
    struct copy *copy = example_new(1, sizeof *copy);
    struct rn_wait permit;
    rn_semaphore_acquire(&permit, &at_once, 1);
    rn_fiber_await(&permit.future);
    strcpy(copy->name, name); /* at most 255 bytes: NAME_MAX */
    snprintf(copy->temporary, sizeof copy->temporary, ".%s.part", name);
    copy->fiber.child.ended = ended;
    example_check(rn_fiber_init(&copy->fiber, &stacks, copy_file, copy), "fiber");
    example_check(rn_scope_spawn(&copies, rn_worker_current(), &copy->fiber.child), "task");
}

static int64_t copy_all(void *argument)
{
    char **paths = argument;
    struct rn_file_op file;
    struct rn_file_entry entry;
    char entries[4096];
    example_check(from = example_open(RN_FILE_HERE, paths[0], O_RDONLY | O_DIRECTORY), paths[0]);
    example_check(to = example_open(RN_FILE_HERE, paths[1], O_RDONLY | O_DIRECTORY), paths[1]);
    rn_scope_open(&copies, rn_worker_current());
    do {
        rn_file_list(&file, rn_fiber_cx(), from, entries, sizeof entries, RN_NEVER);
        size_t len = example_file_result(&file) > 0 ? (size_t)file.op.result : 0;
        for (size_t at = 0; rn_file_next(entries, len, &at, &entry);) {
            if (entry.type == 8) start_copy(entry.name);
        }
    } while (file.op.result > 0);
    rn_fiber_await(&copies.future);
    return copies.result;
}

int main(int argc, char **argv)
{
    struct rn_fiber fiber = {0};
    example_choose_backend(argc == 4 ? argv[1] : "");
    rn_semaphore_init(&at_once, AT_ONCE);
    example_check(rn_files_setup(NULL), "files");
    example_check(rn_fiber_pool_init(&stacks, AT_ONCE + 1, STACK), "stacks");
    example_check(rn_fiber_init(&fiber, &stacks, copy_all, argv + 2), "fiber");
    return example_complete(1, &fiber.child.task) < 0;
}
