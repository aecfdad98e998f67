/*
 * sim/names.h: servers of DNS that are honest but not always there, for whoever asks for names:
 * nN.test has addresses, cN.test somebody who listens, for N below NAMES. sim/names.c
 */
#ifndef SIM_NAMES_H
#define SIM_NAMES_H

#include "world.h"

enum { NAMES = 24, NAMES_PORT = 99 /* that n names are to be asked for with */ };

/* The servers, a resolver on each worker, and who listens. */
void names_open(struct rn_runtime *runtime);
void names_close(struct rn_runtime *runtime);

/* How many addresses nN.test has, or the error of asking for it. */
int names_expected(unsigned number);
/* They are its addresses, and where nothing fails all of them. */
void names_check(unsigned number, const struct rn_address *addresses, unsigned count);
/* Where cN.test is connected to. */
extern uint16_t names_port;

#endif
