/*
 * net/resolver.h: what rn_connect sees of a resolution while it goes on.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <runnel/resolver.h>

/* Bits of rn_resolve.there: addresses have come, while the other family's may still be under way.
 * With rn_resolve.early set, a poll appends to `addresses` what is there, and the end the rest. */
enum { RN_RESOLVE_IP4 = 1, RN_RESOLVE_IP6 = 2 };

#endif
