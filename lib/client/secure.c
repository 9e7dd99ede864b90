/*
 * The control connection becomes an encrypted one, by AUTH TLS (RFC 4217) or from the
 * first byte (ftps://). Must never go on in clear where TLS was wanted or offered, and
 * must not take a byte for the server's that came in clear behind its 234.
 */
#include <string.h>

#include "client.h"

int
secure_begin(struct ferry *h)
{
	struct control *c = &h->control;
	int r;

	if (control_has_input(h))
		return fail(h, FERRY_ETLS, 0,
		    "%s went on in clear where the encryption should have begun: "
		    "somebody "
		    "between may have put in a reply of their own",
		    h->host);
	r = tls_context(h);
	if (r < 0)
		return r;
	r = tls_new(h, c->fd, false, &c->tls);
	if (r < 0)
		return fail_memory(h);
	control_await(h);
	return FERRY_AGAIN;
}

int
secure_work(struct ferry *h)
{
	struct tls *t = h->control.tls;
	int r = tls_handshake(t);
	char place[PLACE_MAX];

	if (r == FERRY_AGAIN)
		return r;
	control_rest(h);
	if (r < 0)
		return fail(h, FERRY_ETLS, t->sys_errno,
		    "no encrypted connection with %s (%s): %s", h->host,
		    say_place(&h->control.remote, place), t->why);
	return trust_judge(t);
}
