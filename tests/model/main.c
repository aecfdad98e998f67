/*
 * Runs the models: all, or those that are named.
 */
#include "models.h"

int main(int argc, char **argv)
{
    static const struct model *const models[] = {
        &store_buffering, &store_buffering_fenced, &store_buffering_seq_cst,
        &message_relaxed, &message_released, &message_fenced, &message_plain_race,
        &coherence, &independent_reads, &lost_update, &waits_for_ever,
        &inbox_two, &inbox_three, &shared_pop_push, &shared_three, &shared_reuse,
        &word_two_wakes, &word_stale, &word_cancel,
        &worker_wake, &worker_two_wakers, &worker_post, &worker_stop, &worker_shared,
        &worker_shared_two, &worker_join, &worker_across, &worker_scope,
        &worker_scope_end, &worker_channel, &lock_two, &lock_three, &server_limit,
        (const struct model *)0,
    };
    return model_main(models, argc, argv);
}
