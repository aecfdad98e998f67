/* A line that all who call share: party_line [ADDRESS] [BACKEND] [QUIET_MS], then
 *
 *     nc 127.0.0.1 7000
 *
 * A protocol of one's own is a machine (party_machine.h). All that a connection is besides is the
 * stream driver's: reading, sending, time, closing. Here they meet; and after ctrl-C everybody
 * hears a goodbye before the program ends.
 */
#include "example.h"
#include "party_machine.h"
#include <semaphore.h>

enum { CALLERS_MAX = 100 };

struct caller {
    struct member member;
    struct rn_stream_driver driver;
};

static struct rn_traffic traffic;
static unsigned open_count = 1; /* the callers, and the listener */
static bool ending;
static sem_t all_gone;

static struct rn_stream_driver *driver_of(struct member *member)
{
    return &rn_container_of(member, struct caller, member)->driver;
}

static void wake(struct member *member) { rn_stream_driver_kick(driver_of(member)); }
static void drop(struct member *member) { rn_stream_driver_abort(driver_of(member)); }

static void one_less(void)
{
    if (--open_count == 0) sem_post(&all_gone);
}

static void closed(struct rn_stream_driver *driver)
{
    struct caller *caller = rn_container_of(driver, struct caller, driver);
    leave(&caller->member);
    free(caller);
    one_less();
}

static void accepted(struct rn_listener *listener, int fd)
{
    static const struct rn_stream_kind kind = {
        .closed = closed, .traffic = &traffic, .write_timeout = 10 * RN_SECOND};
    struct caller *caller = NULL;
    if (!ending && open_count <= CALLERS_MAX) caller = calloc(1, sizeof *caller);
    if (!caller) {
        close(fd);
        return;
    }
    open_count++;
    join(&caller->member, rn_worker_now(listener->worker));
    caller->driver = (struct rn_stream_driver){.machine = &caller->member.machine,
                                               .kind = &kind,
                                               .stream = {listener->worker, fd}};
    rn_stream_driver_start(&caller->driver);
    wake(&caller->member); /* the first word is ours */
}

static void stopped(struct rn_listener *listener) { one_less(); }

static struct rn_listener listener = {.accepted = accepted, .stopped = stopped};

static int listen_on(struct rn_worker *worker, void *context)
{
    listener.worker = worker;
    rn_listener_start(&listener);
    return 0;
}

/* On the worker's thread, where the connections are. */
static void say_goodbye(struct rn_worker *worker, struct rn_node *node)
{
    ending = true;
    rn_listener_stop(&listener);
    for (struct member *one = members; one; one = one->next)
        rn_stream_driver_shutdown(driver_of(one));
}

int main(int argc, char **argv)
{
    struct rn_runtime *runtime;
    struct rn_node goodbye = {.run = say_goodbye};
    example_arguments(argc, argv, "127.0.0.1:7000");
    if (argc > 3) quiet = (rn_ns)atoi(argv[3]) * RN_MILLISECOND;
    listener.fd = rn_listen(&example_address, &(struct rn_listen_options){0});
    example_check(listener.fd, "listen");
    struct rn_runtime_options options = {
        .workers = 1, .backend = example_backend, .on_start = listen_on};
    sem_init(&all_gone, 0, 0);
    example_signals(false);
    example_check(rn_runtime_start(&runtime, &options), "start");
    example_say_where(listener.fd);
    example_signals(true);
    rn_worker_post(rn_runtime_worker(runtime, 0), &goodbye);
    sem_wait(&all_gone);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    return 0;
}
