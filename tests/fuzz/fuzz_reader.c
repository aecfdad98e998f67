/*
 * The buffered reader (runnel/buffered.h): what it is asked for, one read after the other, from a
 * peer whose bytes come in pieces, against a plain model that has them all at once. The input is
 * the buffer's size and how the wire cuts, the reads (two bytes each, up to a zero), and the bytes.
 */
#include "worker_bed.h"

#include <runnel/buffered.h>
#include <runnel/net.h>

#include "base/bytes.h"

enum { UNTIL = 1, LINE, EXACT, SOME, READS_MAX = 512, INPUT_MAX = 8000 };

static struct {
    struct rn_task task;
    rn_co co;
    rn_stream stream;
    struct rn_reader reader;
    struct rn_op op;
    rn_bytes reads, left;
    unsigned kind, argument;
    bool over;
} talk;

static uint8_t wanted[256];

static void bed_say(struct bed_line *line, const void *bytes, size_t len)
{
    require(!"a reader sends nothing");
}

/* ---- What is right --------------------------------------------------------------------------- */

static void expect(int64_t result, size_t len, size_t taken)
{
    const struct rn_reader *reader = &talk.reader;
    require(reader->result == result && reader->data.len == len);
    require(!len || !memcmp(reader->data.ptr, talk.left.ptr, len));
    (void)take_bytes(&talk.left, taken);
}

static void expect_delimited(bool line)
{
    rn_bytes left = talk.left;
    size_t found = rn_bytes_find(left, line ? '\n' : (uint8_t)talk.argument), cap = talk.reader.cap;
    if (found < left.len && found < cap) {
        size_t hidden = line + (line && found && left.ptr[found - 1] == '\r');
        expect((int64_t)found + 1, found + 1 - hidden, found + 1);
    } else if (left.len > cap) {
        expect(RN_E_LIMIT, 0, 0);
    } else if (left.len == cap) { /* whether the end was seen before is not known */
        if (talk.reader.result == RN_E_LIMIT) expect(RN_E_LIMIT, 0, 0);
        else expect(RN_E_CLOSED, left.len, left.len);
    } else {
        expect(left.len ? RN_E_CLOSED : 0, left.len, left.len);
    }
}

static void check(void)
{
    size_t want = talk.argument, left = talk.left.len, len = talk.reader.data.len;
    if (talk.kind == UNTIL || talk.kind == LINE) {
        expect_delimited(talk.kind == LINE);
    } else if (talk.kind == EXACT) {
        if (want <= left) expect((int64_t)want, want, want);
        else expect(left ? RN_E_CLOSED : 0, left, left);
    } else {
        require(len <= left && (len || !left) && len <= talk.reader.cap);
        expect((int64_t)len, len, len);
    }
}

/* ---- One input ------------------------------------------------------------------------------- */

static void begin_read(void)
{
    switch (talk.kind) {
    case UNTIL: rn_reader_until(&talk.reader, (uint8_t)talk.argument); break;
    case LINE: rn_reader_line(&talk.reader); break;
    case EXACT: rn_reader_exact(&talk.reader, wanted, talk.argument); break;
    default: rn_reader_some(&talk.reader);
    }
}

static enum rn_poll talk_run(struct rn_task *task, struct rn_cx *cx)
{
    RN_BEGIN(&talk.co);
    while (talk.reads.len > 1) {
        talk.kind = 1 + take_byte(&talk.reads) % 4u;
        talk.argument = take_byte(&talk.reads);
        begin_read();
        RN_AWAIT(&talk.co, &talk.reader.future, cx);
        check();
    }
    rn_stream_close(talk.stream, &talk.op, cx);
    RN_AWAIT(&talk.co, &talk.op, cx);
    RN_END(&talk.co);
}

static void talk_done(struct rn_task *task) { talk.over = true; }

static void run(unsigned piece_max, uint32_t seed, uint8_t *buffer, size_t cap, rn_bytes reads,
                rn_bytes input)
{
    struct bed_line *line = bed_line_open(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    bed.plan = (struct bed_plan){.piece_max = piece_max, .seed = seed};
    memset(&talk, 0, sizeof talk);
    line->input = talk.left = input;
    line->ending = true;
    talk.task.poll = talk_run;
    talk.task.done = talk_done;
    talk.stream = (rn_stream){bed_worker(), line->fd};
    talk.reads = reads;
    rn_reader_init(&talk.reader, talk.stream, buffer, cap);
    require(rn_spawn(bed_worker(), &talk.task) == 0);
    for (unsigned turn = 0; !talk.over; turn++) {
        require(turn < BED_TURNS);
        require(bed_turn() || talk.over);
    }
    bed_check_idle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rn_bytes input = rn_bytes_of(data, size);
    if (size < 3 || size > INPUT_MAX) return -1;
    bed_start_once();
    size_t cap = 1 + take_byte(&input) % 64u;
    unsigned piece_max = 1 + take_byte(&input) % 32u;
    uint32_t seed = take_byte(&input);
    size_t count = rn_bytes_find(input, 0);
    rn_bytes reads = take_bytes(&input, count < READS_MAX ? count : READS_MAX);
    (void)take_byte(&input);
    uint8_t *buffer = guarded_space(0, cap);
    run(0, 1, buffer, cap, reads, input);
    run(piece_max, seed, buffer, cap, reads, input);
    return 0;
}
