/*
 * bench/load/schedule.c: which batch starts when. In a closed loop a free client starts at once. In
 * an open one the batches are due at fixed times, and the first free client takes the first that is
 * due; when none is free, batches wait, and their waiting is part of their latency.
 */
#include "load.h"

static bool all_issued(const struct load *load)
{
    return load->options->requests && load->issued >= load->options->requests;
}

static uint64_t due_at(const struct load *load)
{
    if (load->options->rate <= 0) return load->now;
    return load->began + (uint64_t)((double)load->issued * 1e9 / load->options->rate);
}

void schedule_start(struct load *load)
{
    load->now = load->began = clock_now();
    load->running = true;
    schedule_pump(load);
}

void schedule_pump(struct load *load)
{
    while (load->running && load->free_first && !all_issued(load)) {
        const uint64_t due = due_at(load);
        if (due > load->now) return;
        uint64_t count = load->options->pipeline;
        if (load->options->requests && count > load->options->requests - load->issued)
            count = load->options->requests - load->issued;
        load->issued += count;
        if (due < schedule_expiry(load)) {
            if (load->measuring) load->counts.expired += count;
            requests_ended(load, count);
            continue;
        }
        struct client *client = load->free_first;
        load->free_first = client->next;
        if (!load->free_first) load->free_last = &load->free_first;
        client->next = NULL;
        client->expected = (uint32_t)count;
        client->due = due;
        client->started = load->now;
        client->phase = CLIENT_BUSY;
        if (client->fd < 0) {
            client_open(load, client);
        } else {
            load->protocol->send(load, client);
        }
    }
}

uint64_t schedule_expiry(const struct load *load)
{
    uint64_t patience = (uint64_t)(load->options->timeout * 1e6);
    return patience && load->running && load->now > patience ? load->now - patience : 0;
}

uint64_t schedule_next(const struct load *load)
{
    if (!load->running || !load->free_first || all_issued(load)) return UINT64_MAX;
    return due_at(load);
}

uint64_t schedule_backlog(const struct load *load, uint64_t now)
{
    if (load->options->rate <= 0 || !load->running || now < load->began) return 0;
    uint64_t due = (uint64_t)((double)(now - load->began) * load->options->rate / 1e9) + 1;
    uint64_t most = load->options->requests;
    if (most && due > most) due = most;
    return due > load->issued ? due - load->issued : 0;
}
