/*
 * A program outside the tree: tasks on all workers that use the libc as they like (memory, stdio,
 * locales, time, a lock), and talk over a socket pair. It is built with what pkg-config says, and
 * prints a line for each worker.
 */
#include <pthread.h>
#include <runnel/runnel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { WORKERS = 4, ROUNDS = 50 };

struct talk {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    struct rn_sleep sleep;
    rn_stream stream;
    bool asks;
    unsigned worker;
    int round;
    char *text;
    char got[64];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int running = 2 * WORKERS;
static int answers[WORKERS];

static char *make_text(int round)
{
    time_t now = 86400 * round;
    struct tm date;
    char *text = malloc(sizeof((struct talk *)0)->got);
    gmtime_r(&now, &date);
    memset(text, 0, sizeof((struct talk *)0)->got);
    strftime(text, 40, "%Y-%m-%d", &date);
    snprintf(text + strlen(text), 20, " %.3f", strtod("0.125", NULL) * round);
    return text;
}

static enum rn_poll ask(struct talk *talk, struct rn_cx *cx)
{
    RN_BEGIN(&talk->co);
    for (talk->round = 0; talk->round < ROUNDS; talk->round++) {
        talk->text = make_text(talk->round);
        rn_stream_write_all(talk->stream, &talk->op, cx, talk->text, sizeof talk->got, RN_NEVER);
        RN_AWAIT(&talk->co, &talk->op, cx);
        rn_stream_read_exact(talk->stream, &talk->op, cx, talk->got, sizeof talk->got, RN_NEVER);
        RN_AWAIT(&talk->co, &talk->op, cx);
        pthread_mutex_lock(&lock);
        answers[talk->worker] += strcmp(talk->text, talk->got) == 0;
        pthread_mutex_unlock(&lock);
        free(talk->text);
    }
    rn_stream_close(talk->stream, &talk->op, cx);
    RN_AWAIT(&talk->co, &talk->op, cx);
    RN_END(&talk->co);
}

static enum rn_poll echo(struct talk *talk, struct rn_cx *cx)
{
    RN_BEGIN(&talk->co);
    for (;;) {
        rn_stream_read_exact(talk->stream, &talk->op, cx, talk->got, sizeof talk->got, RN_NEVER);
        RN_AWAIT(&talk->co, &talk->op, cx);
        if (talk->op.result <= 0) break;
        rn_sleep(&talk->sleep, cx, RN_MICROSECOND);
        RN_AWAIT(&talk->co, &talk->sleep, cx);
        rn_stream_write_all(talk->stream, &talk->op, cx, talk->got, sizeof talk->got, RN_NEVER);
        RN_AWAIT(&talk->co, &talk->op, cx);
    }
    rn_stream_close(talk->stream, &talk->op, cx);
    RN_AWAIT(&talk->co, &talk->op, cx);
    RN_END(&talk->co);
}

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct talk *talk = rn_container_of(task, struct talk, task);
    return talk->asks ? ask(talk, cx) : echo(talk, cx);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct talk, task));
    pthread_mutex_lock(&lock);
    if (--running == 0) pthread_cond_signal(&ended);
    pthread_mutex_unlock(&lock);
}

static void start(struct rn_worker *worker, unsigned index, int fd, bool asks)
{
    struct talk *talk = calloc(1, sizeof *talk);
    talk->task.poll = run;
    talk->task.done = done;
    talk->stream = (rn_stream){worker, fd};
    talk->asks = asks;
    talk->worker = index;
    rn_spawn_remote(worker, &talk->task);
}

int main(int argc, char **argv)
{
    struct rn_runtime *runtime;
    struct rn_runtime_options options = {.workers = WORKERS};
    signal(SIGPIPE, SIG_IGN);
    options.backend = rn_backend_select(argc > 1 ? argv[1] : "auto", NULL);
    if (!options.backend || rn_runtime_start(&runtime, &options) < 0) return 1;
    for (unsigned i = 0; i < WORKERS; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) return 1;
        start(rn_runtime_worker(runtime, i), i, pair[0], true);
        start(rn_runtime_worker(runtime, (i + 1) % WORKERS), i, pair[1], false);
    }
    pthread_mutex_lock(&lock);
    while (running > 0) pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    for (unsigned i = 0; i < WORKERS; i++) printf("%u: %d answers\n", i, answers[i]);
    return 0;
}
