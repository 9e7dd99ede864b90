/*
 * nft's rules from anybody: the walk ends, and what it says of a range holds for the
 * ports at both its ends.
 */
#include "ruleset.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_range(const struct ruleset *r, int family)
{
	uint16_t shut = 0, none = 0;
	enum passage all = ruleset_passage(r, family, 61000, 61199, &shut);
	enum passage first = ruleset_passage(r, family, 61000, 61000, &none);
	enum passage last = ruleset_passage(r, family, 61199, 61199, &none);

	if ((all == PASSAGE_OPEN || all == PASSAGE_CLOSED) &&
	    (first != all || last != all))
		abort();
	if ((all == PASSAGE_PARTLY) != (shut != 0) || none != 0)
		abort();
	if (first == PASSAGE_PARTLY || last == PASSAGE_PARTLY || all == PASSAGE_UNKNOWN)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ruleset *r = NULL;
	char chain[64];

	if (ruleset_parse((const char *)data, size, &r) < 0)
		return 0;
	check_range(r, AF_INET);
	check_range(r, AF_INET6);
	(void)ruleset_manager(r);
	(void)ruleset_has_ftp_helper(r);
	ruleset_input_chain(r, chain, sizeof(chain));
	ruleset_free(r);
	return 0;
}
