/*
 * The stream driver on real sockets and each backend, with clients that read and write as slowly,
 * or vanish as suddenly, as a test wants.
 */
#include "net_bed.h"
#include "line_script.h"

#include <signal.h>

#include <runnel/driver.h>

enum { CONNS_MAX = 16, FILE_SIZE = 20000, GOT_MAX = 12 << 20 };

/* ---- The server -------------------------------------------------------------------------- */

struct conn {
    struct line_machine line;
    struct rn_stream_driver driver;
    bool alive;
};

static struct conn conns[CONNS_MAX];
static unsigned accepted, closed;
static struct rn_traffic traffic;
static struct rn_listener listener;
static struct rn_address address;
static int file_fd;
static bool stopped;
static uint32_t buffers_at_rest;

static void on_closed(struct rn_stream_driver *driver)
{
    struct conn *conn = rn_container_of(driver, struct conn, driver);
    assert_true(conn->alive);
    assert_int_equal(conn->line.tails, conn->line.releases);
    memset(conn, 0xee, sizeof *conn);
    conn->alive = false;
    closed++;
}

static const struct rn_stream_kind kind = {
    .closed = on_closed, .traffic = &traffic, .write_timeout = 60 * RN_SECOND};

static void on_accepted(struct rn_listener *from, int fd)
{
    struct conn *conn = conns;
    while (conn->alive) assert_true(++conn < conns + CONNS_MAX);
    memset(conn, 0, sizeof *conn);
    line_machine_init(&conn->line);
    conn->line.file_fd = file_fd;
    conn->alive = true;
    conn->driver.machine = &conn->line.machine;
    conn->driver.kind = &kind;
    conn->driver.stream = (rn_stream){from->worker, fd};
    rn_stream_driver_start(&conn->driver);
    accepted++;
}

static void on_stopped(struct rn_listener *from)
{
    (void)from;
    stopped = true;
}

static void turn(void)
{
    net_turn_quickly();
    for (struct conn *conn = conns; conn < conns + CONNS_MAX; conn++) {
        if (!conn->alive || !conn->line.slow || conn->line.answered) continue;
        conn->line.answered = true;
        rn_stream_driver_kick(&conn->driver);
    }
}

/* Small, so that a peer that takes nothing shows soon. Connections inherit it from the listener. */
static void set_buffers(int fd)
{
    assert_int_equal(rn_socket_set(fd, RN_SOCKET_RECEIVE_BUFFER, 60000), 0);
    assert_int_equal(rn_socket_set(fd, RN_SOCKET_SEND_BUFFER, 60000), 0);
}

static bool serve_on(const char *text)
{
    const struct rn_listen_options options = {.backlog = 64};
    struct rn_address asked;
    assert_int_equal(rn_address_parse(&asked, text, 0), 0);
    int fd = rn_listen(&asked, &options);
    if (fd < 0) return false;
    set_buffers(fd);
    assert_int_equal(rn_local_address(fd, &address), 0);
    listener = (struct rn_listener){.worker = net_worker, .fd = fd, .accepted = on_accepted,
                                    .stopped = on_stopped};
    memset(conns, 0, sizeof conns);
    accepted = closed = 0;
    traffic = (struct rn_traffic){0};
    stopped = false;
    rn_listener_start(&listener);
    for (int i = 0; i < 3; i++) turn();
    buffers_at_rest = net_worker->pool.used; /* those that io_uring was lent */
    return true;
}

static void stop_serving(void)
{
    while (closed < accepted) turn();
    rn_listener_stop(&listener);
    while (!stopped) turn();
    assert_true(net_worker->pool.used <= buffers_at_rest);
}

/* ---- The clients ------------------------------------------------------------------------- */

struct client {
    int fd;
    const char *out;
    size_t out_len, sent;
    char *got;
    size_t got_len;
    bool ended; /* it saw the end of what the server has to say */
    int error;
};

static void client_open(struct client *client, const void *out, size_t out_len)
{
    *client = (struct client){.out = out, .out_len = out_len, .got = malloc(GOT_MAX)};
    client->fd = socket(rn_address_family(&address), SOCK_STREAM, 0);
    assert_true(client->fd >= 0);
    set_buffers(client->fd);
    assert_int_equal(connect(client->fd, (const void *)address.bytes, address.len), 0);
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
}

static void client_write(struct client *client, size_t most)
{
    size_t len = client->out_len - client->sent;
    if (len > most) len = most;
    if (!len || client->error) return;
    ssize_t done = send(client->fd, client->out + client->sent, len, MSG_NOSIGNAL);
    if (done >= 0) client->sent += (size_t)done;
    else if (errno != EAGAIN) client->error = errno;
}

static void client_read(struct client *client, size_t most)
{
    if (client->ended || client->error) return;
    assert_true(client->got_len + most <= GOT_MAX);
    ssize_t done = recv(client->fd, client->got + client->got_len, most, 0);
    if (done > 0) client->got_len += (size_t)done;
    else if (done == 0) client->ended = true;
    else if (errno != EAGAIN) client->error = errno;
}

static void client_close(struct client *client, bool reset)
{
    const struct linger linger = {1, 0};
    if (reset) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client->fd);
    free(client->got);
}

/* Each test, on each backend, over TCP and over a Unix socket. */
static void (*over_both)(void);

static void on_both(void)
{
    char name[64];
    assert_true(serve_on("127.0.0.1:0"));
    over_both();
    stop_serving();
    snprintf(name, sizeof name, "unix:@runnel-driver-%d", (int)getpid());
    assert_true(serve_on(name));
    over_both();
    stop_serving();
}

static void each(void (*test)(void))
{
    over_both = test;
    file_fd = pattern_file(FILE_SIZE);
    net_each(on_both);
    close(file_fd);
}

/* ---- Tests ------------------------------------------------------------------------------- */

enum { LINES = 5000 };

static char many_lines[LINES * 24], many_answers[LINES * 24];

static void pipelines(void)
{
    struct client client;
    size_t in = 0, out = 0;
    for (int i = 0; i < LINES; i++) {
        in += (size_t)sprintf(many_lines + in, "echo %0*d\n", 1 + i % 16, i);
        out += (size_t)sprintf(many_answers + out, "%0*d\n", 1 + i % 16, i);
    }
    client_open(&client, many_lines, in);
    while (client.got_len < out) {
        client_write(&client, 30000);
        turn();
        client_read(&client, 50000);
        assert_int_equal(client.error, 0);
        assert_false(client.ended);
    }
    assert_int_equal(client.got_len, out);
    assert_memory_equal(client.got, many_answers, out);
    while (traffic.bytes_out < out) turn(); /* told a little later than the client knows */
    assert_int_equal(traffic.bytes_out, out);
    assert_int_equal(traffic.bytes_in, in);
    client_close(&client, false);
}

static void requests_may_be_pipelined(void **state)
{
    (void)state;
    each(pipelines);
}

static void reads_slowly(void)
{
    static const char commands[] = "copy 3000000\nslice 1000000\nfile 5 19995\nslice 1048576\n";
    static const size_t lens[] = {3000000, 1000000, 19995, 1048576}, ats[] = {0, 0, 5, 0};
    struct client client;
    size_t at = 0;
    client_open(&client, commands, sizeof commands - 1);
    while (!client.ended) {
        client_write(&client, 7);
        if (client.sent == client.out_len) shutdown(client.fd, SHUT_WR);
        turn();
        client_read(&client, 30000);
        assert_int_equal(client.error, 0);
    }
    for (size_t i = 0; i < RN_COUNT(lens); at += lens[i++])
        for (size_t k = 0; k < lens[i]; k++)
            if ((uint8_t)client.got[at + k] != pattern(ats[i] + k)) fail_msg("part %zu", i);
    assert_int_equal(client.got_len, at);
    client_close(&client, false);
}

static void a_slow_reader_gets_everything(void **state)
{
    (void)state;
    each(reads_slowly);
}

/* It asks and asks and takes no answer: then it isn't read any more, and costs a bounded amount of
 * memory. When it reads at last, all the answers are there. */
static void never_reads(void)
{
    enum { SIZE = 8 << 20 };
    struct client client;
    char *out = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i += 8) memcpy(out + i, "echo ab\n", 8);
    client_open(&client, out, SIZE);
    size_t sent = 0;
    for (unsigned idle = 0; idle < 50 || rn_op_inflight(&conns[0].driver.recv); idle++) {
        client_write(&client, SIZE);
        turn();
        /* A few, and what a backend hands out at once, or has filled, before it hears of it. */
        assert_true(net_worker->pool.used <= buffers_at_rest + 8 + 32);
        if (client.sent > sent) idle = 0;
        sent = client.sent;
        assert_true(client.sent < client.out_len);
    }
    assert_true(traffic.bytes_in < client.sent);
    while (client.got_len < SIZE / 8 * 3) {
        client_read(&client, 100000);
        client_write(&client, SIZE);
        turn();
        assert_int_equal(client.error, 0);
    }
    for (size_t i = 0; i < client.got_len; i++)
        if (client.got[i] != "ab\n"[i % 3]) fail_msg("byte %zu", i);
    client_close(&client, false);
    free(out);
}

static void a_peer_that_takes_nothing_is_not_read(void **state)
{
    (void)state;
    each(never_reads);
}

/* Its last answer arrives though it had more to say: no reset overtakes it. */
static void is_closed_on(void)
{
    static char out[200000] = "echo last\nclose\n";
    memset(out + 16, 'x', sizeof out - 16);
    for (int round = 0; round < 5; round++) {
        struct client client;
        client_open(&client, out, sizeof out);
        while (!client.ended) {
            client_write(&client, 50000);
            turn();
            if (round & 1) client_write(&client, 50000);
            client_read(&client, 3);
            assert_int_equal(client.error, 0);
        }
        client_write(&client, 1000); /* still taken, or at least not reset before */
        assert_int_equal(client.got_len, 5);
        assert_memory_equal(client.got, "last\n", 5);
        client_close(&client, false);
        while (closed < accepted) turn();
    }
}

static void the_last_answer_is_not_cut_off(void **state)
{
    (void)state;
    each(is_closed_on);
}

static void is_shut_down(void)
{
    static const char *const commands[] = {"", "echo a\n", "echo incompl", "copy 200000\n",
                                           "slice 900000\n", "pause\n", "slow\n"};
    for (size_t i = 0; i < RN_COUNT(commands); i++) {
        struct client client;
        client_open(&client, commands[i], strlen(commands[i]));
        client_write(&client, 100);
        while (!conns[0].alive) turn();
        for (int k = 0; k < 3; k++) turn();
        rn_stream_driver_shutdown(&conns[0].driver);
        while (!client.ended) {
            turn();
            client_read(&client, 50000);
            assert_int_equal(client.error, 0);
        }
        assert_true(client.got_len >= 4);
        /* A copy is written as it fits, and may be interrupted. */
        if (i != 3) assert_memory_equal(client.got + client.got_len - 4, "bye\n", 4);
        client_close(&client, false);
        while (closed < accepted) turn();
    }
}

static void a_shutdown_reaches_the_peer(void **state)
{
    (void)state;
    each(is_shut_down);
}

static void is_aborted(void)
{
    static const char *const commands[] = {"", "echo incompl", "slice 900000\n", "pause\n"};
    for (size_t i = 0; i < RN_COUNT(commands); i++) {
        struct client client;
        client_open(&client, commands[i], strlen(commands[i]));
        client_write(&client, 100);
        while (!conns[0].alive) turn();
        for (int k = 0; k < 3; k++) turn();
        rn_stream_driver_abort(&conns[0].driver);
        while (closed < accepted) turn();
        while (!client.ended && !client.error) client_read(&client, 50000);
        if (rn_address_family(&address) == RN_IP4) assert_int_equal(client.error, ECONNRESET);
        client_close(&client, false);
    }
}

static void an_abort_resets_the_peer(void **state)
{
    (void)state;
    each(is_aborted);
}

static void is_starved(void)
{
    struct rn_buf *hoard[64 + 1];
    unsigned count = 0;
    struct client clients[3];
    for (unsigned i = 0; i < 3; i++) client_open(&clients[i], "echo a\ncopy 10000\n", 18);
    while (accepted < 3) turn();
    while ((hoard[count] = rn_pool_take_reserved(&net_worker->pool))) count++;
    for (int k = 0; k < 20; k++) {
        for (unsigned i = 0; i < 3; i++) client_write(&clients[i], 100);
        turn();
    }
    while (count) {
        rn_pool_put(&net_worker->pool, hoard[--count]);
        turn();
    }
    for (unsigned i = 0; i < 3; i++) {
        while (clients[i].got_len < 10002) {
            turn();
            client_read(&clients[i], 50000);
            assert_int_equal(clients[i].error, 0);
        }
        client_close(&clients[i], false);
    }
}

static void an_exhausted_pool_only_delays(void **state)
{
    (void)state;
    each(is_starved);
}

/* Eight at a time, each with a script of its own, of which a third vanishes at some point. */
static void many_scripts(void)
{
    enum { CLIENTS = 8, RUNS = 12 };
    static struct script scripts[CLIENTS];
    struct client clients[CLIENTS];
    unsigned lives[CLIENTS];
    script_seed = 0xda3e39cb94b95bdb;
    for (unsigned run = 0; run < RUNS; run++) {
        unsigned left = CLIENTS;
        for (unsigned i = 0; i < CLIENTS; i++) {
            make_script(&scripts[i], file_fd);
            client_open(&clients[i], scripts[i].input, scripts[i].input_len);
            lives[i] = random_below(3) ? UINT32_MAX : random_below(60);
        }
        while (left) {
            unsigned i = random_below(CLIENTS);
            struct client *client = &clients[i];
            struct script *script = &scripts[i];
            if (random_below(2)) turn();
            if (client->fd < 0) continue;
            client_write(client, 1 + random_below(300));
            if (random_below(3)) client_read(client, 1 + random_below(5000));
            if (client->sent == client->out_len) shutdown(client->fd, SHUT_WR);
            assert_int_equal(client->error, 0);
            assert_true(client->got_len <= script->expected_len);
            if (!client->ended && lives[i]-- > 0) continue;
            if (client->ended) assert_int_equal(client->got_len, script->expected_len);
            assert_memory_equal(client->got, script->expected, client->got_len);
            client_close(client, random_below(2));
            client->fd = -1;
            left--;
        }
        while (closed < accepted) turn();
        assert_true(net_worker->pool.used <= buffers_at_rest);
    }
}

static void random_clients_get_what_is_theirs(void **state)
{
    (void)state;
    each(many_scripts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_may_be_pipelined),
        cmocka_unit_test(a_slow_reader_gets_everything),
        cmocka_unit_test(a_peer_that_takes_nothing_is_not_read),
        cmocka_unit_test(the_last_answer_is_not_cut_off),
        cmocka_unit_test(a_shutdown_reaches_the_peer),
        cmocka_unit_test(an_abort_resets_the_peer),
        cmocka_unit_test(an_exhausted_pool_only_delays),
        cmocka_unit_test(random_clients_get_what_is_theirs),
    };
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) can't be told not to raise it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
