/* 256 values, by lines: SET c value, GET c, WATCH (until one is set, or the next line comes), and
 * LOAD, which takes a second, during which nobody else gets at the values. */
#include "example.h"

enum { TEXT = 32, LINE = 128 };

static struct {
    struct rn_mutex lock;
    struct rn_notify changed;
    char values[256][TEXT];
} shared;

struct connection {
    struct rn_task task;
    rn_co co;
    rn_stream stream;
    struct rn_reader reader;
    struct rn_writer writer;
    struct rn_wait wait;
    struct rn_sleep sleep;
    struct rn_awaitable branches[2];
    struct rn_select select;
    struct rn_op op;
    bool read; /* the next line is there already */
    uint8_t key;
    char in[LINE], out[LINE], line[LINE], value[TEXT], word[8];
};

static void parse(struct connection *c)
{
    rn_bytes line = c->reader.data;
    snprintf(c->line, LINE, "%.*s", (int)line.len, (const char *)line.ptr);
    c->value[0] = 0;
    sscanf(c->line, "%7s %c %30s", c->word, (char *)&c->key, c->value);
}

static enum rn_poll serve(struct rn_task *task, struct rn_cx *cx)
{
    struct connection *c = rn_container_of(task, struct connection, task);
    RN_BEGIN(&c->co);
    rn_reader_init(&c->reader, c->stream, c->in, LINE);
    rn_writer_init(&c->writer, c->stream, c->out, LINE);
    for (;;) {
        if (!c->read) rn_reader_line(&c->reader);
        if (!c->read) RN_AWAIT(&c->co, &c->reader.future, cx);
        if (c->reader.result <= 0) break;
        c->read = false;
        parse(c);
        if (strcmp(c->word, "WATCH") == 0) {
            rn_notify_wait(&c->wait, &shared.changed);
            rn_reader_line(&c->reader);
            c->branches[0] = rn_awaitable_of(&c->wait.future);
            c->branches[1] = rn_awaitable_of(&c->reader.future);
            rn_select(&c->select, c->branches, 2);
            RN_AWAIT(&c->co, &c->select.future, cx);
            c->read = c->select.result != 0 || c->reader.result >= 0;
        } else {
            rn_mutex_lock(&c->wait, &shared.lock);
            RN_AWAIT(&c->co, &c->wait.future, cx);
            if (strcmp(c->word, "LOAD") == 0) {
                rn_sleep(&c->sleep, cx, RN_SECOND);
                RN_AWAIT(&c->co, &c->sleep, cx);
            }
            if (strcmp(c->word, "SET") == 0) {
                strcpy(shared.values[c->key], c->value);
                rn_notify_all(&shared.changed);
            }
            strcpy(c->value, shared.values[c->key]);
            rn_mutex_unlock(&shared.lock);
        }
        strcat(c->value, "\n");
        rn_writer_write(&c->writer, c->value, strlen(c->value));
        RN_AWAIT(&c->co, &c->writer.future, cx);
        rn_writer_flush(&c->writer);
        RN_AWAIT(&c->co, &c->writer.future, cx);
    }
    rn_stream_close(c->stream, &c->op, cx);
    RN_AWAIT(&c->co, &c->op, cx);
    RN_END(&c->co);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct connection, task));
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct connection *c = example_new(1, sizeof *c);
    c->stream = (rn_stream){listener->worker, fd};
    example_spawn(listener, &c->task, fd, serve, done);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    rn_mutex_init(&shared.lock);
    return example_serve(accepted, NULL);
}
