/*
 * A ferryd's replies to SITE FERRY, from anybody: whatever is known then is within its
 * bounds, and what stands behind the first line makes no difference.
 */
#include "own.h"
#include "told.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *text)
{
	struct told_who who = told_who(text);
	struct told_ports ports = told_ports(text);
	struct told_call call = told_call(text);
	struct told_address address = told_address(text);
	struct told_probe probe = told_probe(text);

	assert(who.known == (who.peer.ss_family != AF_UNSPEC));
	assert(who.known == (who.local.ss_family != AF_UNSPEC));
	assert(ports.low <= ports.high && (ports.low > 0) == (ports.high > 0));
	assert(ports.known || ports.low == 0);
	assert(call.way != TOLD_PASSIVE || (call.listened >= 0 && call.listened < 1e6));
	assert(call.way != TOLD_ACTIVE || call.to.ss_family != AF_UNSPEC);
	assert(call.over || call.error == 0);
	assert(address.known == (address.address.ss_family != AF_UNSPEC));
	assert(*told_error_name(call.error) != '\0');
	assert(*told_error_name(probe.error) != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	_cleanup_free_ char *more = NULL;

	if (text == NULL)
		return 0;
	check(text);
	if (asprintf(&more, "%s\r\n200 peer=1.2.3.4:5 local=1.2.3.4:5", text) < 0) {
		more = NULL;
		return 0;
	}
	assert(told_who(text).known == told_who(more).known);
	return 0;
}
