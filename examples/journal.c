/* Values that survive a crash: journal [ADDRESS] [BACKEND] [FILE] [BYTES], with the lines
 * `SET key value` and `GET key`. A value is saved when it is on the disk, at the end of a file that
 * is read at the start, when what a crash left of a line is cut off. It may have so many bytes. */
#include "lines.h"

enum { KEYS = 1000, WORD = LINES_LINE };

static struct entry {
    char key[WORD], value[WORD];
} entries[KEYS + 1]; /* the last one stays free */
static unsigned count, size_max;
static struct rn_mutex lock; /* of all this, and of the file */
static int file;
static uint64_t size; /* of the file */
static const char *path = "journal";
static struct rn_file_op op;

/* Where the key is, or the first free place. */
static struct entry *find(const char *key)
{
    unsigned i = 0;
    while (i < count && strcmp(entries[i].key, key) != 0) i++;
    return &entries[i];
}

static void put(const char *key, const char *value)
{
    struct entry *entry = find(key);
    if (entry == &entries[KEYS]) return;
    if (entry == &entries[count]) count++;
    strcpy(entry->key, key);
    strcpy(entry->value, value);
}

/* 0: all of it is on the disk. */
static int64_t write_at_end(const char *text, size_t len)
{
    for (size_t done = 0; done < len; done += (size_t)op.op.result) {
        rn_file_write(&op, rn_fiber_cx(), file, text + done, len - done, (int64_t)(size + done),
                      RN_NEVER);
        if (example_file_result(&op) < 0) return op.op.result;
    }
    rn_file_sync(&op, rn_fiber_cx(), file, true, RN_NEVER);
    return example_file_result(&op);
}

/* Cuts off what isn't a whole line: the next one must not go on with it. */
static int64_t cut_off(void)
{
    rn_file_truncate(&op, rn_fiber_cx(), file, size, RN_NEVER);
    return example_file_result(&op);
}

static const char *set(const char *key, const char *value)
{
    char text[2 * WORD];
    size_t len = (size_t)snprintf(text, sizeof text, "%s %s\n", key, value);
    if (size + len > size_max || find(key) == &entries[KEYS]) return "there is no room left";
    int64_t result = write_at_end(text, len);
    if (result < 0) return cut_off(), rn_error_text((int)result);
    put(key, value);
    size += len;
    return "saved";
}

static void answer(const char *line, char *to)
{
    char key[WORD], value[WORD], word[WORD];
    struct rn_wait wait;
    rn_mutex_lock(&wait, &lock);
    rn_fiber_await(&wait.future);
    int words = sscanf(line, "%s %s %s", word, key, value);
    strcpy(to, "SET key value, or GET key");
    if (words == 3 && strcmp(word, "SET") == 0) strcpy(to, set(key, value));
    if (words == 2 && strcmp(word, "GET") == 0) strcpy(to, find(key)->value);
    rn_mutex_unlock(&lock);
}

/* Before anyone else gets the lock. */
static int64_t read_all(void *argument)
{
    struct rn_file_status status;
    char key[WORD], value[WORD];
    file = example_open(RN_FILE_HERE, path, O_RDWR | O_CREAT);
    example_check(file, path);
    rn_file_stat(&op, rn_fiber_cx(), file, "", false, &status, RN_NEVER);
    example_check((int)example_file_result(&op), path);
    if (status.size > size_max) example_check(-EFBIG, path);
    char *text = example_new(1, status.size + 1), *line = text, *end;
    for (uint64_t at = 0; at < status.size; at += (uint64_t)op.op.result) {
        rn_file_read(&op, rn_fiber_cx(), file, text + at, status.size - at, (int64_t)at, RN_NEVER);
        example_check(example_file_result(&op) > 0 ? 0 : -EIO, path);
    }
    for (text[status.size] = 0; (end = strchr(line, '\n')); line = end + 1)
        if (sscanf(line, "%63s %63s", key, value) == 2) put(key, value);
    size = (uint64_t)(line - text);
    free(text);
    example_check((int)cut_off(), path);
    rn_mutex_unlock(&lock);
    return 0;
}

static int begin(struct rn_worker *worker)
{
    static struct rn_fiber reader;
    return rn_fiber_spawn(&reader, &lines_stacks, worker, read_all, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 3) path = argv[3];
    size_max = example_number(argc, argv, 4, 1000000);
    rn_mutex_init(&lock);
    rn_assert(rn_mutex_try_lock(&lock)); /* read_all gives it back */
    example_check(rn_files_setup(NULL), "files");
    example_begin = begin;
    return lines_serve(argc, argv, answer);
}
