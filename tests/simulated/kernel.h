/*
 * simulated/kernel.h: the kernel under a test program, which may be a simulated one. Between
 * kernel_begin and kernel_end the system calls of the program go there: those of the library, when
 * it is built with the hook, and those of the test itself, which the linker sends to libc.c
 * (--wrap). At any other time, and where there is no world, they are the real kernel's.
 */
#ifndef SIMULATED_KERNEL_H
#define SIMULATED_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <runnel/sim.h>

/* A new world. `resume`: of struct rn_sim; NULL when there is one thread. */
void kernel_begin(const struct rn_sim_faults *faults,
                  void (*resume)(void *context, unsigned thread));
void kernel_end(void);
bool kernel_is_simulated(void);
unsigned kernel_descriptors(void); /* that are open */

/* A system call, which returns what the kernel does: a negative errno where a libc has -1. */
long kernel_call(long nr, long a, long b, long c, long d, long e, long f);

#endif
