/*
 * Proxies, load balancers and NATs in front of the server, as ferryd check sees them: who
 * is trusted to tell where clients come from (proxy_protocol_from), and whether the
 * control connections of now look as if somebody had to. Must never take one busy client
 * for a proxy without saying that it may be one.
 */
#include <stdio.h>

#include "judge_impl.h"
#include "proxy_from.h"

/* Control connections from one address, and no other, before that is worth a word. */
#define CALLS_MIN 4

/* A network so wide is nobody's: everyone is in it. */
#define EVERYONE_4 8
#define EVERYONE_6 16
/* Public addresses of that many are not one's own proxies alone. */
#define WIDE_4 24
#define WIDE_6 48

static void
judge_trusted(struct judge *j, const struct network *n)
{
	bool v4 = n->address.family == AF_INET;
	char text[ENDPOINT_TEXT_MAX];

	network_format(n, text);
	if (n->prefix < (v4 ? EVERYONE_4 : EVERYONE_6))
		find(j, LEVEL_ERROR, "H09", "proxy_protocol_from=ADDRESS_OF_THE_PROXY",
		    "proxy_protocol_from trusts %s: anybody can say to come from any "
		    "address, and pass [network] and max_per_ip; and a client without a "
		    "proxy is sent away, because it sends no header.",
		    text);
	else if (n->prefix < (v4 ? WIDE_4 : WIDE_6) && !is_inner(&n->address))
		find(j, LEVEL_WARNING, "H09", "proxy_protocol_from=ADDRESS_OF_THE_PROXY",
		    "proxy_protocol_from trusts %s, all of it public: who has an address "
		    "there can say to come from any other, and clients there cannot come "
		    "without a proxy.",
		    text);
}

/* This side takes the header on both kinds of connections, or on none. */
static void
judge_both(struct judge *j)
{
	const struct conf *c = j->conf;
	char advice[400];

	snprintf(advice, sizeof(advice),
	    "# HAProxy, for the control port and for the data connections alike:\n"
	    "listen ftp\n"
	    "    mode tcp\n"
	    "    bind :%u\n"
	    "    bind :%s\n"
	    "    server ferryd ADDRESS_OF_THIS_SERVER send-proxy-v2",
	    j->facts->controls > 0 ? j->facts->control[0] : 21, j->range);
	if (c->pasv_enable)
		find(j, LEVEL_UNKNOWN, "H09", advice,
		    "What comes from proxy_protocol_from=%.150s has to begin with a "
		    "PROXY "
		    "header, on data connections too: whether the proxy forwards %s, "
		    "same "
		    "numbers, with the header, cannot be seen from here.",
		    c->proxy_protocol_from, j->range);
	if (c->port_enable)
		find(j, LEVEL_WARNING, "A14", "port_enable=NO",
		    "Active mode does not go through the proxy: clients are called from "
		    "another address than the one that they know, and most refuse that.");
}

/* ---- who is connected ---- */

static void
judge_one_caller(struct judge *j, const char *caller)
{
	const struct facts *f = j->facts;
	bool certain = f->caller_is_gateway;
	char advice[400];

	snprintf(advice, sizeof(advice),
	    "# if it can send PROXY headers, for control and data connections:\n"
	    "proxy_protocol_from=%s\n"
	    "# else have it keep the clients' addresses (Kubernetes: "
	    "externalTrafficPolicy: Local;\n"
	    "# Docker: the host's network, or userland-proxy off)",
	    caller);
	find(j, certain ? LEVEL_WARNING : LEVEL_UNKNOWN, "H03 H09 H15", advice,
	    "All %u control connections that the system knows of come from %s%s: %s a "
	    "proxy, a load balancer or a NAT that hides the clients, who then share one "
	    "address in max_per_ip, in [network] and on data connections.",
	    f->calls, caller, certain ? ", this machine's router" : "",
	    certain ? "that is" : "one client, or");
}

static void
judge_callers(struct judge *j)
{
	const struct facts *f = j->facts;
	bool trusting = j->conf->proxy_protocol_from != NULL;
	char caller[ENDPOINT_TEXT_MAX];

	if (f->calls < CALLS_MIN)
		return;
	endpoint_format_address(&f->caller, caller);
	if (f->one_caller && f->trusted_calls == 0 && is_inner(&f->caller))
		judge_one_caller(j, caller);
	else if (trusting && f->trusted_calls == 0)
		find(j, LEVEL_WARNING, "H09",
		    "proxy_protocol_from=ADDRESS_OF_THE_PROXY\n# its side:\nss -tn",
		    "None of the %u control connections that the system knows of comes "
		    "from proxy_protocol_from=%.150s, but one from %s: has the proxy "
		    "another address, or do clients go round it?",
		    f->calls, j->conf->proxy_protocol_from, caller);
	else if (trusting)
		find(j, LEVEL_OK, "", "",
		    "%u of %u control connections that the system knows of come from "
		    "trusted proxies.",
		    f->trusted_calls, f->calls);
}

void
judge_proxies(struct judge *j)
{
	const char *at = j->conf->proxy_protocol_from;
	struct network network;
	struct bytes word;
	bool exact;

	while (proxy_from_next(&at, &word))
		if (proxy_from_parse(word, &network, &exact) == 0)
			judge_trusted(j, &network);
	if (j->conf->proxy_protocol_from != NULL)
		judge_both(j);
	judge_callers(j);
}
