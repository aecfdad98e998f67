/* Finds its like on a network: discover BACKEND INTERFACE NAME SECONDS joins a multicast group, says
 * its name there ten times a second, and prints each name that it hears, and from where. */
#include "example.h"

enum { NAME = 64, KNOWN = 32, STACK = 65536, PORT = 7071 };

static struct rn_fiber_pool stacks;
static struct rn_address group;
static const char *name;
static uint32_t interface;
static char known[KNOWN][NAME];

/* Whether it was not known yet. */
static bool remember(const char *heard)
{
    int at = 0;
    while (at < KNOWN && known[at][0] && strcmp(known[at], heard) != 0) at++;
    if (at == KNOWN || known[at][0]) return false;
    strcpy(known[at], heard);
    return true;
}

static int64_t hear(void *argument)
{
    struct rn_fiber_udp *udp = argument;
    struct rn_address from;
    char heard[NAME + 1], text[RN_ADDRESS_TEXT_MAX];
    for (;;) {
        rn_ssize len = rn_fiber_udp_recv(udp, heard, NAME, &from);
        if (len < 0) return len;
        if (len >= NAME) continue; /* too long: it was cut */
        heard[len] = 0;
        if (!remember(heard)) continue;
        rn_address_format(&from, text);
        printf("%s is at %s\n", heard, text);
        fflush(stdout);
    }
}

/* Speaks until its time is over, while another fiber listens. */
static int64_t speak(void *argument)
{
    struct rn_fiber_udp udp;
    struct rn_fiber hearer = {0};
    struct rn_worker *worker = rn_worker_current();
    struct rn_address all = group;
    int *seconds = argument;
    rn_udp socket;
    example_check(rn_address_parse(&all, "0.0.0.0", PORT), "address");
    example_check(rn_udp_bind(&socket, worker, &all, true), "bind"); /* others may, too */
    udp = (struct rn_fiber_udp){.fd = socket.fd};
    example_check(rn_udp_join(socket, &group, interface), "join");
    example_check(rn_udp_multicast_interface(socket, RN_IP4, interface), "interface");
    example_check(rn_fiber_spawn(&hearer, &stacks, worker, hear, &udp), "fiber");
    for (int i = 0; i < 10 * *seconds; i++) {
        rn_ssize len = rn_fiber_udp_send(&udp, name, strlen(name), &group);
        if (len < 0) example_check((int)len, "send");
        if (rn_fiber_sleep(RN_SECOND / 10) < 0) break;
    }
    rn_task_cancel(rn_task_waker(worker, &hearer.child.task));
    int64_t end = rn_fiber_join(&hearer);
    example_check(rn_udp_leave(socket, &group, interface), "leave");
    rn_fiber_udp_close(&udp);
    return end == -ECANCELED ? 0 : end;
}

int main(int argc, char **argv)
{
    struct rn_fiber fiber = {0};
    int seconds;
    if (argc != 5 || strlen(argv[3]) >= NAME) {
        fprintf(stderr, "usage: %s BACKEND INTERFACE NAME SECONDS\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    int index = rn_interface_index(argv[2]);
    example_check(index, argv[2]);
    interface = (uint32_t)index;
    name = argv[3];
    seconds = atoi(argv[4]);
    example_check(rn_address_parse(&group, "239.255.70.71", PORT), "group");
    example_check(rn_fiber_pool_init(&stacks, 2, STACK), "stacks");
    example_check(rn_fiber_init(&fiber, &stacks, speak, &seconds), "fiber");
    example_check((int)example_complete(1, &fiber.child.task), "run");
    rn_fiber_pool_fini(&stacks);
    return 0;
}
