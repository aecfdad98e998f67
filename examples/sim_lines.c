/* A protocol of one's own, tested in the simulator: lines by UDP, each sent again until its number
 * comes back. The network loses datagrams, doubles them and lets later ones overtake; the receiver
 * must have each line once, in order.
 *
 *     sim_lines                  a thousand networks
 *     sim_lines careless         the receiver takes whatever comes for the next line
 *     sim_lines 7 trace          one of them, call by call
 */
#include "simulate.h"

enum { LINES = 30, STACK = 65536 };

struct line {
    uint32_t number;
    char text[28];
};

static struct rn_fiber_pool stacks;
static struct rn_fiber_udp near, far;
static struct rn_address far_address;
static uint32_t delivered;
static bool sent_all;

/* ---- The protocol ---------------------------------------------------------------------------- */

static void deliver(const struct line *line)
{
    char expected[sizeof line->text];
    snprintf(expected, sizeof expected, "this is line %u", delivered);
    if (strcmp(line->text, expected) != 0)
        simulate_fail("\"%s\" came where \"%s\" was due", line->text, expected);
    delivered++;
}

/* Goes on until the sender has all its answers: the last one may have been lost, too. */
static int64_t receive(void *argument)
{
    while (!sent_all) {
        struct line line;
        struct rn_address sender;
        rn_ssize len = rn_fiber_udp_recv(&far, &line, sizeof line, &sender);
        if (len != sizeof line) continue; /* nothing, for a while */
        if (line.number == delivered || simulate.careless) deliver(&line);
        len = rn_fiber_udp_send(&far, &line.number, sizeof line.number, &sender);
        if (len < 0) continue; /* as good as lost */
    }
    return 0;
}

static void send_line(const struct line *line)
{
    uint32_t answer;
    rn_ssize len;
    do {
        len = rn_fiber_udp_send(&near, line, sizeof *line, &far_address);
        if (len == sizeof *line) len = rn_fiber_udp_recv(&near, &answer, sizeof answer, NULL);
    } while (len != sizeof answer || answer != line->number);
}

static int64_t send_all(void *argument)
{
    struct rn_fiber receiver = {0};
    example_check(rn_fiber_spawn(&receiver, &stacks, rn_worker_current(), receive, NULL), "fiber");
    for (uint32_t number = 0; number < LINES; number++) {
        struct line line = {.number = number};
        snprintf(line.text, sizeof line.text, "this is line %u", number);
        send_line(&line);
    }
    sent_all = true;
    return rn_fiber_join(&receiver);
}

/* ---- The world ------------------------------------------------------------------------------- */

static void bind_one(struct rn_fiber_udp *udp, struct rn_address *address)
{
    example_check(rn_address_parse(address, "127.0.0.1:0", 0), "address");
    example_check(rn_fiber_udp_bind(udp, address), "bind");
    example_check(rn_local_address(udp->fd, address), "bind");
    udp->read_timeout = udp->write_timeout = RN_SECOND; /* none of which is waited for in truth */
}

static int64_t talk(void *argument)
{
    int64_t result = send_all(argument);
    rn_fiber_udp_close(&near);
    rn_fiber_udp_close(&far);
    return result;
}

static void run(void *context)
{
    struct rn_fiber fiber = {0};
    struct rn_address near_address;
    delivered = 0;
    sent_all = false;
    bind_one(&near, &near_address);
    bind_one(&far, &far_address);
    example_check(rn_fiber_pool_init(&stacks, 2, STACK), "stacks");
    example_check(rn_fiber_init(&fiber, &stacks, talk, NULL), "fiber");
    struct rn_runtime *runtime = simulate_start(1, &rn_backend_sim);
    example_check((int)rn_block_on_task(rn_runtime_worker(runtime, 0), &fiber.child.task), "talk");
    simulate_stop(runtime);
    rn_fiber_pool_fini(&stacks);
    if (delivered != LINES) simulate_fail("%u lines of %d came", delivered, LINES);
}

int main(int argc, char **argv)
{
    return simulate_all(argc, argv, run);
}
