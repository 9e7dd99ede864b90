/*
 * Packets from anybody: what is taken for a call or an answer has two ends of one family.
 */
#include "syn.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p;

	if (packet_parse(data, size, &p) < 0)
		return 0;
	if (p.from.family != p.to.family || p.kind > PACKET_SENT_AWAY)
		abort();
	if (p.from.family != AF_INET && p.from.family != AF_INET6)
		abort();
	return 0;
}
