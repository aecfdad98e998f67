/*
 * simulated/worlds.h: the tests of a cmocka program, each in a world of its own. Its system calls
 * go there: those of the library (rn_sim_run), and those of the test itself, which the linker sends
 * to libc.c and threads.c (--wrap). What isn't inside of a test is on the real machine.
 */
#ifndef SIMULATED_WORLDS_H
#define SIMULATED_WORLDS_H

#include <runnel/sim.h>

/* What the worlds are like; NULL: the tests that follow run on the real kernel. */
void worlds_set(const struct rn_sim_faults *faults);

/* Descriptors that are open. */
unsigned worlds_descriptors(void);

#endif
