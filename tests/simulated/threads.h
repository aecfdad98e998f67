/*
 * simulated/threads.h: the threads of a world.
 */
#ifndef SIMULATED_THREADS_H
#define SIMULATED_THREADS_H

/* For rn_sim_options. */
void threads_resume(void *context, unsigned next);
/* In a new world there is one. */
void threads_begin(void);
/* Started, and not joined. */
unsigned threads_left(void);

#endif
