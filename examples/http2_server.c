/* HTTP/2 with nghttp2, a protocol library that does no I/O: its session is a machine, and the
 * driver of every other protocol here moves its bytes.
 *
 *     curl --http2-prior-knowledge http://127.0.0.1:7000/any/path
 */
#include "example.h"
#include <nghttp2/nghttp2.h>

struct connection {
    struct rn_machine machine;
    struct rn_stream_driver driver;
    nghttp2_session *session;
    const uint8_t *pending; /* the session's output that didn't fit yet */
    size_t pending_len;
};

static struct rn_traffic traffic;

static bool pop_output(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct connection *c = rn_container_of(machine, struct connection, machine);
    bool some = false;
    while (rn_out_room(out) > 0) {
        if (c->pending_len == 0) {
            ssize_t len = nghttp2_session_mem_send(c->session, &c->pending);
            if (len < 0) machine->flags |= RN_MACHINE_ABORT;
            if (len <= 0) break;
            c->pending_len = (size_t)len;
        }
        size_t part = c->pending_len < rn_out_room(out) ? c->pending_len : rn_out_room(out);
        memcpy(out->data + out->len, c->pending, part);
        out->len += (uint32_t)part;
        c->pending += part;
        c->pending_len -= part;
        some = true;
    }
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session) &&
        c->pending_len == 0) {
        machine->flags |= RN_MACHINE_CLOSE;
    }
    return some || c->pending_len > 0;
}

static size_t on_input(struct rn_machine *machine, rn_ns now, uint8_t *in, size_t len,
                       struct rn_out *out)
{
    struct connection *c = rn_container_of(machine, struct connection, machine);
    ssize_t taken = nghttp2_session_mem_recv(c->session, in, len);
    if (len == 0) machine->flags |= RN_MACHINE_CLOSE;
    if (taken < 0) machine->flags |= RN_MACHINE_ABORT;
    return taken < 0 ? len : (size_t)taken;
}

static void on_tick(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    /* no deadlines */
}
static rn_ns deadline(const struct rn_machine *machine) { return RN_NEVER; }

static void on_shutdown(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct connection *c = rn_container_of(machine, struct connection, machine);
    nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
}

static const struct rn_machine_vt http2 = {"http2", on_input, on_tick, pop_output, deadline,
                                           on_shutdown};

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t cap,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return snprintf((char *)to, cap, "Hello over HTTP/2, stream %d\n", stream);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"200", 7, 3, NGHTTP2_NV_FLAG_NONE};
    nghttp2_data_provider body = {.read_callback = read_body};
    bool request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!request || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    return nghttp2_submit_response(session, frame->hd.stream_id, &status, 1, &body);
}

static void closed(struct rn_stream_driver *driver)
{
    struct connection *c = rn_container_of(driver, struct connection, driver);
    nghttp2_session_del(c->session);
    free(c);
}

static void accepted(struct rn_listener *listener, int fd)
{
    static const struct rn_stream_kind kind = {
        .closed = closed, .traffic = &traffic, .write_timeout = 60 * RN_SECOND};
    struct connection *c = example_new(1, sizeof *c);
    nghttp2_session_server_new(&c->session, listener->owner, c);
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
    c->machine.vt = &http2;
    c->driver = (struct rn_stream_driver){
        .machine = &c->machine, .kind = &kind, .stream = {listener->worker, fd}};
    rn_stream_driver_start(&c->driver);
}

int main(int argc, char **argv)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve(accepted, callbacks);
}
