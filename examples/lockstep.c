/* A game in turns: lockstep [ADDRESS] [BACKEND] [PLAYERS]. Who connects takes a seat; when all are
 * taken, the game begins. A turn is over when each has sent a line, the move: all get all moves.
 * When one leaves, or thinks for too long, the game is over for all, and the next one begins. */
#include "example.h"
#include <sys/socket.h>

enum { PLAYERS_MAX = 16, MOVE = 80, STACK = 65536, SECONDS_TO_THINK = 60 };

static struct seat {
    struct rn_fiber fiber;
    struct rn_fiber_stream stream;
    /* by turn, even or odd: nobody comes two turns ahead of one who still reads it */
    char moves[2][MOVE];
} seats[PLAYERS_MAX];

static struct rn_fiber_pool stacks;
static struct rn_barrier turn_over;
static unsigned players;

static int64_t say_moves(struct seat *seat, unsigned turn)
{
    char text[PLAYERS_MAX * (MOVE + 8)];
    size_t len = 0;
    for (unsigned i = 0; i < players; i++)
        len += (size_t)sprintf(text + len, "%u: %s\n", i + 1, seats[i].moves[turn % 2]);
    return rn_fiber_write_all(&seat->stream, text, len);
}

/* Until an error, or the end of the stream. */
static int64_t play_turns(struct seat *seat)
{
    struct rn_reader reader;
    struct rn_wait wait;
    char memory[MOVE];
    rn_reader_init(&reader, rn_stream_of(rn_worker_current(), seat->stream.fd), memory, MOVE);
    reader.timeout = SECONDS_TO_THINK * RN_SECOND;
    for (unsigned turn = 0;; turn++) {
        rn_reader_line(&reader);
        rn_fiber_await(&reader.future);
        if (reader.result <= 0) return reader.result < 0 ? reader.result : RN_E_CLOSED;
        snprintf(seat->moves[turn % 2], MOVE, "%.*s", (int)reader.data.len,
                 (const char *)reader.data.ptr);
        rn_barrier_wait(&wait, &turn_over);
        rn_fiber_await(&wait.future);
        int64_t result = wait.result < 0 ? wait.result : say_moves(seat, turn);
        if (result < 0) return result;
    }
}

static int64_t play(void *argument)
{
    static const char over[] = "The game is over.\n";
    char unread[MOVE];
    struct seat *seat = argument;
    int64_t result = play_turns(seat);
    rn_fiber_shield(); /* who was cancelled, because another left, is still told */
    int told = rn_fiber_write_all(&seat->stream, over, sizeof over - 1);
    /* a move that nobody read would make a reset of closing, which could overtake what was said */
    if (told == 0 && rn_fiber_shutdown(&seat->stream, SHUT_WR) == 0) {
        seat->stream.read_timeout = 2 * RN_SECOND;
        (void)!rn_fiber_read(&seat->stream, unread, sizeof unread);
    }
    rn_fiber_unshield();
    rn_fiber_close(&seat->stream);
    return result;
}

/* One game: the players are children of one scope, spread over the workers. */
static void run_game(void)
{
    struct rn_runtime *runtime = rn_worker_runtime(rn_worker_current());
    struct rn_scope scope;
    rn_scope_open(&scope, rn_worker_current());
    scope.ends_on_error = true;
    rn_barrier_init(&turn_over, players);
    for (unsigned i = 0; i < players; i++) {
        struct rn_worker *where = rn_runtime_worker(runtime, i % rn_runtime_workers(runtime));
        example_check(rn_fiber_init(&seats[i].fiber, &stacks, play, &seats[i]), "stack");
        example_check(rn_scope_spawn(&scope, where, &seats[i].fiber.child), "task");
    }
    rn_fiber_await(&scope.future);
    printf("a game is over: %s\n", rn_error_text((int)scope.result));
    fflush(stdout);
}

static int64_t serve(void *argument)
{
    int *listener = argument;
    while (!rn_fiber_cancelled()) {
        for (unsigned i = 0; i < players; i++) {
            example_check(rn_fiber_accept(*listener, &seats[i].stream, NULL), "accept");
            seats[i].stream.write_timeout = 10 * RN_SECOND;
        }
        run_game();
    }
    return 0;
}

static int start(struct rn_worker *worker, void *context)
{
    static struct rn_fiber fiber;
    if (rn_worker_index(worker) > 0) return 0;
    return rn_fiber_spawn(&fiber, &stacks, worker, serve, context);
}

int main(int argc, char **argv)
{
    int listener;
    example_arguments(argc, argv, "127.0.0.1:7000");
    players = example_number(argc, argv, 3, 2);
    example_expect(players <= PLAYERS_MAX, "lockstep [ADDRESS] [BACKEND] [PLAYERS, 16 at most]");
    example_check(rn_fiber_pool_init(&stacks, PLAYERS_MAX + 1, STACK), "stacks");
    listener = rn_fiber_listen(&example_address, &(struct rn_listen_options){0});
    example_check(listener, "listen");
    example_say_where(listener);
    example_workers = 2;
    return example_run(start, &listener);
}
