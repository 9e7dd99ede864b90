/*
 * The limit of probes. See probes.h.
 */
#include "probes.h"

#define HOUR (60 * 60 * 1000)

bool
probes_allow(struct probes *p, const struct endpoint *address, uint64_t now)
{
	size_t found = PROBES_ADDRESSES;

	for (size_t i = 0; i < PROBES_ADDRESSES; i++) {
		bool current = p->row[i].until > now;

		if (current && endpoint_same_address(&p->row[i].address, address))
			return p->row[i].count++ < PROBES_AN_HOUR;
		if (!current)
			found = i;
	}
	if (found == PROBES_ADDRESSES)
		return false;
	p->row[found].address = *address;
	p->row[found].until = now + HOUR;
	p->row[found].count = 1;
	return true;
}
