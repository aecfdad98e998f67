/*
 * The models, by file.
 */
#ifndef TESTS_MODEL_MODELS_H
#define TESTS_MODEL_MODELS_H

#include "checker.h"

/* litmus.c: what the memory model itself allows and forbids */
extern const struct model store_buffering, store_buffering_fenced, store_buffering_seq_cst,
    message_relaxed, message_released, message_fenced, message_plain_race, coherence,
    independent_reads, lost_update, waits_for_ever;

/* lock_free.c: the inbox, the shared stack, a task's word */
extern const struct model inbox_two, inbox_three, shared_pop_push, shared_three, shared_reuse,
    word_two_wakes, word_stale, word_cancel;

/* workers.c: whole workers: sleeping and waking */
extern const struct model worker_wake, worker_two_wakers, worker_post, worker_stop, worker_shared,
    worker_shared_two, worker_join, worker_across, worker_scope, worker_scope_end, worker_channel;

/* sync.c: the lock under which tasks share things */
extern const struct model lock_two, lock_three;

/* server.c: pausing at the limit of connections */
extern const struct model server_limit;

#endif
