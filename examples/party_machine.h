/*
 * The protocol of party_line.c, as a machine: lines and the time come in, lines and a deadline go
 * out, and no socket is known. The first line is the name of who sends it, and what he says then
 * all others hear; `/quit` leaves, `/kick NAME` throws somebody out. Who is quiet for too long is
 * asked, and then left.
 */
#ifndef EXAMPLE_PARTY_MACHINE_H
#define EXAMPLE_PARTY_MACHINE_H

#include <runnel/machine.h>
#include <stdio.h>
#include <string.h>

enum { LINE_LEN_MAX = 400, NAME_LEN_MAX = 20 };

struct member {
    struct rn_machine machine;
    struct member *next;
    rn_ns deadline;
    bool asked;
    char name[NAME_LEN_MAX + 1];
    size_t outbox_len;
    char outbox[65536];
};

static struct member *members;
static rn_ns quiet = 60 * RN_SECOND;

/* What a machine can't do to another: have its driver look at it, or cut it off. */
static void wake(struct member *member);
static void drop(struct member *member);

/* False: he doesn't read, and there is no room for what he is told. */
static bool tell(struct member *to, const char *who, const char *text)
{
    size_t room = sizeof to->outbox - to->outbox_len;
    int len = snprintf(to->outbox + to->outbox_len, room, "%s%s\n", who, text);
    if ((size_t)len >= room) return false;
    to->outbox_len += (size_t)len;
    return true;
}

static void tell_others(struct member *from, const char *text)
{
    char who[NAME_LEN_MAX + 3];
    snprintf(who, sizeof who, "%s: ", from->name);
    for (struct member *to = members; to; to = to->next) {
        if (to == from || !to->name[0]) continue;
        if (tell(to, who, text)) wake(to);
        else drop(to);
    }
}

static struct member *find(const char *name)
{
    struct member *one = members;
    while (one && strcmp(one->name, name) != 0) one = one->next;
    return one;
}

static void take_line(struct member *me, const char *line)
{
    struct member *other = find(strncmp(line, "/kick ", 6) == 0 ? line + 6 : line);
    if (!me->name[0]) {
        bool good = line[0] && line[0] != '/' && strlen(line) <= NAME_LEN_MAX && !other;
        if (good) strcpy(me->name, line);
        tell(me, good ? "hello " : "not to be had: ", line);
    } else if (strcmp(line, "/quit") == 0) {
        me->machine.flags |= RN_MACHINE_CLOSE;
    } else if (strncmp(line, "/kick ", 6) != 0) {
        tell_others(me, line);
    } else if (other == me) {
        me->machine.flags |= RN_MACHINE_ABORT; /* what its own driver is told, it finds here */
    } else if (other && line[6]) {
        drop(other);
    } else {
        tell(me, "nobody is called ", line + 6);
    }
}

static size_t on_input(struct rn_machine *machine, rn_ns now, uint8_t *in, size_t len,
                       struct rn_out *out)
{
    struct member *me = rn_container_of(machine, struct member, machine);
    char line[LINE_LEN_MAX + 1];
    const uint8_t *end = len ? memchr(in, '\n', len) : NULL; /* len 0: that was all */
    size_t line_len = end ? (size_t)(end - in) : len;
    if (line_len > LINE_LEN_MAX) tell(me, "", "that was too long");
    if (len == 0 || line_len > LINE_LEN_MAX) machine->flags |= RN_MACHINE_CLOSE;
    if (!end || line_len > LINE_LEN_MAX) return 0; /* the rest is still to come, or not wanted */
    me->deadline = now + quiet;
    me->asked = false;
    size_t text_len = line_len - (line_len > 0 && in[line_len - 1] == '\r');
    for (size_t i = 0; i < text_len; i++) /* nobody else's terminal is to be played with */
        line[i] = in[i] < ' ' ? '?' : (char)in[i];
    line[text_len] = '\0';
    take_line(me, line);
    return line_len + 1;
}

static bool pop_output(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct member *me = rn_container_of(machine, struct member, machine);
    size_t room = rn_out_room(out), len = me->outbox_len < room ? me->outbox_len : room;
    bool some = me->outbox_len > 0;
    memcpy(out->data + out->len, me->outbox, len);
    out->len += (uint32_t)len;
    me->outbox_len -= len;
    memmove(me->outbox, me->outbox + len, me->outbox_len);
    return some;
}

static void on_tick(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct member *me = rn_container_of(machine, struct member, machine);
    tell(me, "", me->asked ? "too quiet, goodbye" : "still there?");
    if (me->asked) machine->flags |= RN_MACHINE_CLOSE;
    me->deadline = me->asked ? RN_NEVER : now + quiet;
    me->asked = true;
}

static rn_ns deadline(const struct rn_machine *machine)
{
    return rn_container_of(machine, struct member, machine)->deadline;
}

static void on_shutdown(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    tell(rn_container_of(machine, struct member, machine), "", "the line is closed, goodbye");
    machine->flags |= RN_MACHINE_CLOSE;
}

static const struct rn_machine_vt party = {"party",    on_input, on_tick,
                                           pop_output, deadline, on_shutdown};

static void join(struct member *member, rn_ns now)
{
    member->machine.vt = &party;
    member->deadline = now + quiet;
    member->next = members;
    members = member;
    tell(member, "", "your name?");
}

static void leave(struct member *member)
{
    struct member **link = &members;
    while (*link != member) link = &(*link)->next;
    *link = member->next;
    if (member->name[0]) tell_others(member, "(has left)");
}

#endif
