/*
 * The codec between ferryd's processes: whatever is accepted must encode to the same bytes again, for
 * every pair of roles.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum role roles[] = { ROLE_MASTER, ROLE_WORKER, ROLE_AGENT, ROLE_AUTH };
	uint8_t again[WIRE_MAX];
	const char *why = NULL;
	struct msg m;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		for (size_t k = 0; k < ARRAY_LEN(roles); k++) {
			for (size_t fds = 0; fds <= WIRE_MAX_FDS; fds++) {
				if (msg_decode(data, size, roles[i], roles[k], fds, &m, &why) < 0) {
					assert(why != NULL);
					continue;
				}
				assert(msg_encode(&m, roles[i], roles[k], fds, again, &n) == 0);
				assert(n == size && memcmp(data, again, n) == 0);
			}
		}
	}
	return 0;
}
