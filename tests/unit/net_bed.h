/*
 * A worker on a real backend, turned on the test's own thread, so that tasks and callbacks may use
 * the test's assertions. Nothing waits without end: alarm() ends a test whose event doesn't come.
 */
#ifndef TESTS_NET_BED_H
#define TESTS_NET_BED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <runnel/net.h>

#include "backends.h"
#include "core/helper.h"
#include "core/worker.h"

enum { NET_PATIENCE_S = 50 };

static struct rn_runtime *net_runtime;
static struct rn_worker *net_worker;

static const struct rn_backend_vt *const net_backends[] = {&rn_backend_epoll, &rn_backend_poll,
                                                           &THIRD_BACKEND};

/* With a node in its queue the worker doesn't wait: because it isn't to, or because what is awaited
 * happened in the first half of the turn. */
static bool net_quick;
static const bool *net_flag;
static struct rn_node net_node;

static void net_run_node(struct rn_worker *worker, struct rn_node *node)
{
    (void)worker;
    node->run = NULL;
}

static void net_on_idle(struct rn_worker *worker, void *context)
{
    (void)context;
    if (!(net_quick || (net_flag && *net_flag)) || net_node.run) return;
    net_node.run = net_run_node;
    rn_worker_post(worker, &net_node);
}

static inline void net_open(const struct rn_backend_vt *backend)
{
    size_t size = sizeof *net_runtime + sizeof *net_worker;
    net_runtime = aligned_alloc(64, (size + 63) & ~(size_t)63);
    memset(net_runtime, 0, size);
    net_runtime->options = (struct rn_runtime_options){
        .workers = 1, .backend = backend, .on_idle = net_on_idle,
        .tasks = 64, .buffers = 64, .buffer_size = 4096};
    net_node.run = NULL;
    assert_int_equal(rn_shared_stack_init(&net_runtime->shared, 4), 0);
    net_worker = &net_runtime->workers[0];
    net_worker->runtime = net_runtime;
    assert_int_equal(rn_worker_start(net_worker), 0);
    alarm(NET_PATIENCE_S);
}

static inline void net_turn(void)
{
    assert_int_equal(rn_worker_turn(net_worker), 0);
}

static inline void net_until(const bool *flag)
{
    net_flag = flag;
    while (!*flag) net_turn();
    net_flag = NULL;
}

/* A turn that doesn't wait, for when the test itself has something to do in between. */
static inline void net_turn_quickly(void)
{
    net_quick = true;
    net_turn();
    net_quick = false;
}

static inline void net_close(void)
{
    assert_int_equal(net_worker->ops, 0);
    assert_int_equal(net_worker->wheel.running, 0);
    assert_int_equal(net_worker->slots.used, 0);
    if (rn_helpers) rn_helpers->stop(net_runtime);
    rn_worker_stop(net_worker); /* traps when a buffer is missing */
    rn_worker_free(net_worker);
    rn_shared_stack_fini(&net_runtime->shared);
    free(net_runtime);
    alarm(0);
}

/* Of an abstract Unix socket, for each letter one, which no other process takes. */
static inline char *net_unix_name(char letter)
{
    static char names[26][32];
    char *name = names[letter - 'a'];
    snprintf(name, sizeof names[0], "unix:@runnel-test-%d-%c", (int)getpid(), letter);
    return name;
}

/* The test, on each backend that works here. */
static inline void net_each(void (*test)(void))
{
    unsigned tested = 0;
    for (size_t i = 0; i < RN_COUNT(net_backends); i++) {
        const char *missing;
        if (net_backends[i]->probe(&missing) < 0) continue;
        net_open(net_backends[i]);
        test();
        net_close();
        tested++;
    }
    assert_true(tested >= 2); /* poll and epoll are everywhere */
}

#endif
