/*
 * A client on the test's own thread, and the server that it is connected to whatever a URL says, on
 * a thread of its own.
 */
#ifndef TESTS_BOTH_BED_H
#define TESTS_BOTH_BED_H

#include "client_bed.h"
#include "http_bed.h"

#define open_both(routes)                                                                          \
    do {                                                                                           \
        bed_start(routes);                                                                         \
        connect_to_bed();                                                                          \
    } while (0)

static inline void connect_to_bed(void)
{
    static char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", bed_port);
    net_open(bed_backend);
    client_open((struct rn_http_client_options){.connect_to = address});
}

static inline void close_both(void)
{
    client_close();
    net_close();
    bed_stop();
}

#endif
