/*
 * The backends that a test runs on: those of the machine, or of a simulated one (tests/simulated).
 */
#ifndef TESTS_BACKENDS_H
#define TESTS_BACKENDS_H

#include <runnel/backend.h>
#include <runnel/sim.h>

#ifdef SIMULATED
#define THIRD_BACKEND rn_backend_sim
#define THIRD_NAME    "sim"
#else
#define THIRD_BACKEND rn_backend_uring
#define THIRD_NAME    "uring"
#endif

#endif
