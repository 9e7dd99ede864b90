/*
 * The list of trusted proxies. Pure; looked through anew for each connection, since it
 * is short.
 */
#include "proxy_from.h"

#include <ferry/ferry.h>
#include <string.h>

bool
proxy_from_next(const char **at, struct bytes *ret_word)
{
	static const char separators[] = ", \t";

	if (*at == NULL)
		return false;
	*at += strspn(*at, separators);
	*ret_word = (struct bytes){(const uint8_t *)*at, strcspn(*at, separators)};
	*at += ret_word->n;
	return ret_word->n > 0;
}

int
proxy_from_parse(struct bytes word, struct network *ret, bool *ret_exact)
{
	char text[ENDPOINT_TEXT_MAX];

	if (word.n >= sizeof(text))
		return -FERRY_EINVAL;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	return network_parse(text, ret, ret_exact);
}

bool
conf_trusts_proxy(const struct conf *c, const struct endpoint *from)
{
	const char *at = c->proxy_protocol_from;
	struct network network;
	struct bytes word;
	bool exact;

	while (proxy_from_next(&at, &word)) {
		if (proxy_from_parse(word, &network, &exact) == 0 &&
		    network_contains(&network, from))
			return true;
	}
	return false;
}
