/*
 * core/channel.c: channels and watches. Receivers wait only while a channel is empty, senders only
 * while it is full, so an element goes straight from one to the other when somebody waits.
 */
#include <runnel/channel.h>

#include "core/lock.h"
#include "core/waiters.h"
#include "base/bytes.h"
#include "sys/abi.h"

/* ---- One element, under the lock ------------------------------------------------------------- */

static void *element_of(struct rn_waiter *waiter)
{
    return rn_container_of(waiter, struct rn_channel_wait, waiter)->element;
}

static void put_in(struct rn_channel *channel, const void *element)
{
    uint32_t at = channel->first + channel->count++;
    if (at >= channel->capacity) at -= channel->capacity;
    memcpy(channel->elements + (size_t)at * channel->element_size, element, channel->element_size);
}

static void take_out(struct rn_channel *channel, void *element)
{
    memcpy(element, channel->elements + (size_t)channel->first * channel->element_size,
           channel->element_size);
    channel->count--;
    if (++channel->first == channel->capacity) channel->first = 0;
}

static int send_now(struct rn_channel *channel, const void *element, rn_waker *last)
{
    if (channel->closed) return RN_E_CLOSED;
    if (channel->receivers.first) {
        memcpy(element_of(channel->receivers.first), element, channel->element_size);
        rn_waiters_serve(&channel->receivers, RN_WAITER_SERVED, last);
        return 0;
    }
    if (channel->count == channel->capacity) return -RN_K_EAGAIN;
    put_in(channel, element);
    return 0;
}

static int recv_now(struct rn_channel *channel, void *element, rn_waker *last)
{
    struct rn_waiter *sender = channel->senders.first;
    if (channel->count) {
        take_out(channel, element);
        if (sender) put_in(channel, element_of(sender));
    } else if (sender) {
        memcpy(element, element_of(sender), channel->element_size);
    } else {
        return channel->closed ? RN_E_CLOSED : -RN_K_EAGAIN;
    }
    if (sender) rn_waiters_serve(&channel->senders, RN_WAITER_SERVED, last);
    return 0;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static enum rn_poll poll_channel(struct rn_channel_wait *wait, struct rn_cx *cx, bool sends)
{
    struct rn_channel *channel = wait->channel;
    struct rn_waiters *waiters = sends ? &channel->senders : &channel->receivers;
    struct rn_waiter *waiter = &wait->waiter;
    rn_waker last = {0};
    int result = 0;
    rn_lock_take(&channel->lock);
    if (waiter->state == RN_WAITER_CLOSED) {
        result = RN_E_CLOSED;
    } else if (waiter->state != RN_WAITER_SERVED && cx->cancelled) {
        if (waiter->state == RN_WAITER_WAITING) rn_waiters_remove(waiters, waiter);
        result = -RN_K_ECANCELED;
    } else if (waiter->state == RN_WAITER_WAITING) {
        waiter->waker = cx->waker;
        result = -RN_K_EAGAIN;
    } else if (waiter->state == RN_WAITER_NEW) {
        result = sends ? send_now(channel, wait->element, &last)
                       : recv_now(channel, wait->element, &last);
        if (result == -RN_K_EAGAIN) rn_waiters_add(waiters, waiter, cx->waker);
    }
    rn_lock_leave(&channel->lock);
    rn_wake(last);
    wait->result = result;
    return result == -RN_K_EAGAIN ? RN_PENDING : RN_READY;
}

static enum rn_poll poll_send(struct rn_future *future, struct rn_cx *cx)
{
    return poll_channel(rn_container_of(future, struct rn_channel_wait, future), cx, true);
}

static enum rn_poll poll_recv(struct rn_future *future, struct rn_cx *cx)
{
    return poll_channel(rn_container_of(future, struct rn_channel_wait, future), cx, false);
}

void rn_channel_send(struct rn_channel_wait *wait, struct rn_channel *channel, const void *element)
{
    *wait = (struct rn_channel_wait){.future.poll = poll_send, .channel = channel,
                                     .element = (void *)(uintptr_t)element};
}

void rn_channel_recv(struct rn_channel_wait *wait, struct rn_channel *channel, void *element)
{
    *wait = (struct rn_channel_wait){.future.poll = poll_recv, .channel = channel,
                                     .element = element};
}

/* ---- From anywhere --------------------------------------------------------------------------- */

void rn_channel_init(struct rn_channel *channel, void *memory, uint32_t element_size,
                     uint32_t capacity)
{
    *channel = (struct rn_channel){.element_size = element_size, .capacity = capacity,
                                   .elements = memory};
}

int rn_channel_try_send(struct rn_channel *channel, const void *element)
{
    rn_waker last = {0};
    rn_lock_take(&channel->lock);
    int result = send_now(channel, element, &last);
    rn_lock_leave(&channel->lock);
    rn_wake(last);
    return result;
}

int rn_channel_try_recv(struct rn_channel *channel, void *element)
{
    rn_waker last = {0};
    rn_lock_take(&channel->lock);
    int result = recv_now(channel, element, &last);
    rn_lock_leave(&channel->lock);
    rn_wake(last);
    return result;
}

void rn_channel_close(struct rn_channel *channel)
{
    rn_waker last = {0};
    rn_lock_take(&channel->lock);
    channel->closed = true;
    rn_waiters_serve_all(&channel->senders, RN_WAITER_CLOSED, &last);
    rn_waiters_serve_all(&channel->receivers, RN_WAITER_CLOSED, &last);
    rn_lock_leave(&channel->lock);
    rn_wake(last);
}

uint32_t rn_channel_count(struct rn_channel *channel)
{
    rn_lock_take(&channel->lock);
    uint32_t count = channel->count;
    rn_lock_leave(&channel->lock);
    return count;
}

/* ---- Watch ----------------------------------------------------------------------------------- */

void rn_watch_init(struct rn_watch *watch, void *value, uint32_t size)
{
    *watch = (struct rn_watch){.size = size, .version = 1, .value = value};
}

/* A waiter that is told reads the value when it runs: the newest by then. */
void rn_watch_set(struct rn_watch *watch, const void *value)
{
    rn_waker last = {0};
    rn_lock_take(&watch->lock);
    memcpy(watch->value, value, watch->size);
    watch->version++;
    rn_waiters_serve_all(&watch->waiting, RN_WAITER_NEW, &last);
    rn_lock_leave(&watch->lock);
    rn_wake(last);
}

uint64_t rn_watch_get(struct rn_watch *watch, void *value)
{
    rn_lock_take(&watch->lock);
    memcpy(value, watch->value, watch->size);
    uint64_t version = watch->version;
    rn_lock_leave(&watch->lock);
    return version;
}

void rn_watch_close(struct rn_watch *watch)
{
    rn_waker last = {0};
    rn_lock_take(&watch->lock);
    watch->closed = true;
    rn_waiters_serve_all(&watch->waiting, RN_WAITER_NEW, &last);
    rn_lock_leave(&watch->lock);
    rn_wake(last);
}

static enum rn_poll poll_watch(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_watch_wait *wait = rn_container_of(future, struct rn_watch_wait, future);
    struct rn_watch *watch = wait->watch;
    struct rn_waiter *waiter = &wait->waiter;
    bool over = true;
    rn_lock_take(&watch->lock);
    if (cx->cancelled) {
        if (waiter->state == RN_WAITER_WAITING) rn_waiters_remove(&watch->waiting, waiter);
        wait->result = -RN_K_ECANCELED;
    } else if (watch->version > wait->version) {
        memcpy(wait->value, watch->value, watch->size);
        wait->version = watch->version;
    } else if (watch->closed) {
        wait->result = RN_E_CLOSED;
    } else {
        over = false;
        if (waiter->state == RN_WAITER_NEW) rn_waiters_add(&watch->waiting, waiter, cx->waker);
        else waiter->waker = cx->waker;
    }
    rn_lock_leave(&watch->lock);
    return over ? RN_READY : RN_PENDING;
}

void rn_watch_changed(struct rn_watch_wait *wait, struct rn_watch *watch, uint64_t version,
                      void *value)
{
    *wait = (struct rn_watch_wait){.future.poll = poll_watch, .watch = watch, .version = version,
                                   .value = value};
}
