/* Serves a program over WebSocket: for each connection one is started, which gets messages as lines
 * of its standard input; the lines that it prints are messages.
 *
 *     ws_command 127.0.0.1:7000 http://localhost:8080 bc -l
 *
 * Blocking sockets, a process for each connection. The second argument is the one site whose pages
 * may connect; a client that is no browser doesn't say where it comes from, and may too.
 */
#include "ws_lines.h"
#include <runnel/http1.h>

static struct ws_peer client;

/* Whether the connection is WebSocket's from here on; otherwise it was told why not. */
static bool shake_hands(const char *origin)
{
    static struct rn_http1_request request;
    const char *const origins[] = {"", origin, NULL}, *const protocols[] = {"lines", NULL};
    struct rn_ws_policy policy = {rn_ws_policy_lists, origins, protocols};
    struct rn_ws_accept accept = {.status = 0};
    rn_ssize head;
    rn_http1_request_init(&request);
    while ((head = rn_http1_parse_head(&request, client.input, client.input_len)) == 0) {
        ssize_t more = read(client.fd, client.input + client.input_len,
                            sizeof client.input - client.input_len);
        if (more <= 0) return false;
        client.input_len += (size_t)more;
    }
    if (head < 0) accept.status = request.status;
    else if (rn_ws_handshake(&request, client.input, &policy, &accept) == 0)
        dprintf(client.fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n%s%.*s\r\n\r\n", accept.key,
                accept.subprotocol.len ? "Sec-WebSocket-Protocol: " : "Server: ws_command",
                (int)accept.subprotocol.len, (const char *)accept.subprotocol.ptr);
    if (accept.status != 101) {
        dprintf(client.fd, "HTTP/1.1 %u %s\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n"
                "Allow: GET\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
                accept.status, rn_http1_reason(accept.status));
        return false;
    }
    client.input_len -= (size_t)head;
    memmove(client.input, client.input + head, client.input_len);
    rn_ws_init(&client.ws, RN_WS_SERVER, 1 << 20);
    return true;
}

/* Starts the program; *in and *out: this side's ends of its standard input and output. */
static void start(char **command, int *in, int *out)
{
    int to[2], from[2];
    must(pipe2(to, O_CLOEXEC), "pipe");
    must(pipe2(from, O_CLOEXEC), "pipe");
    if (must(fork(), "fork") == 0) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execvp(command[0], command);
        fail(command[0], strerror(errno));
    }
    close(to[0]);
    close(from[1]);
    *in = to[1];
    *out = from[0];
}

static void converse(char **command)
{
    char lines[WS_PIECE];
    int in, out;
    start(command, &in, &out);
    for (bool open = ws_take(&client, in);;) {
        if (!open && in >= 0) { /* the program may still say what it has to say */
            if (client.said_goodbye) break;
            close(in);
            in = -1;
        }
        struct pollfd both[2] = {{client.fd, POLLIN, 0}, {out, POLLIN, 0}};
        bool ending = client.said_goodbye || !open;
        if (must(poll(both, 2, ending ? 5000 : -1), "poll") == 0) break;
        if (both[0].revents && !open) break;
        if (both[0].revents && takes_first(in, out)) open = ws_receive(&client, in);
        if (!both[1].revents) continue;
        ssize_t len = read(out, lines, sizeof lines);
        if (len > 0 ? !ws_send_lines(&client, lines, (size_t)len) : !open) break;
        if (len > 0) continue;
        ws_say_goodbye(&client, RN_WS_NORMAL, RN_BYTES("the program has ended"));
        out = -1;
    }
    ws_say_goodbye(&client, client.code, RN_BYTES(""));
}

int main(int argc, char **argv)
{
    if (argc < 4) fail("usage", "ws_command ADDRESS ORIGIN PROGRAM [ARGUMENT...]");
    struct timeval patience = {.tv_sec = 2};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for those who serve: they are reaped */
    int listener = socket_at(address_of(argv[1], 7000), SOCK_STREAM);
    for (;;) {
        client.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client.fd < 0) {
            perror("accept"); /* such as too many files: they end */
            sleep(1);
            continue;
        }
        pid_t server = fork();
        if (server < 0) perror("fork");
        if (server == 0) {
            close(listener);
            if (shake_hands(argv[2])) converse(argv + 3);
            shutdown(client.fd, SHUT_WR); /* and what comes yet is read, lest a reset overtakes */
            setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            while (read(client.fd, client.input, sizeof client.input) > 0) {}
            return 0;
        }
        close(client.fd);
    }
}
