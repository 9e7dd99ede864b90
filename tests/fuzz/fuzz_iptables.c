/*
 * iptables-save from anybody: the walk ends, and gives some end.
 */
#include "iptables.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(uint16_t port, void *user)
{
	uint16_t *last = user;

	*last = port;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t port = 61000;
	unsigned ends;

	iptables_numbers((const char *)data, size, walk, &port);
	ends = iptables_walk((const char *)data, size, port);
	if (ends == 0 || (ends & ~(unsigned)(END_ACCEPT | END_DROP)) != 0)
		abort();
	return 0;
}
