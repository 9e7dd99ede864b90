/*
 * How often each client address has had a port probed (SITE FERRY PROBE) within the hour.
 * For the master alone. A table of fixed size: when it is full, nobody new is probed.
 */
#ifndef FERRYD_MASTER_PROBES_H
#define FERRYD_MASTER_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"

#define PROBES_AN_HOUR 20
#define PROBES_ADDRESSES 256

struct probes {
	struct {
		struct endpoint address;
		uint64_t until; /* ms of the loop; 0: free */
		unsigned count;
	} row[PROBES_ADDRESSES];
};

/* One more? now: ms of the loop. */
bool probes_allow(struct probes *p, const struct endpoint *address, uint64_t now);

#endif
