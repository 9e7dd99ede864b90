/*
 * nft's rules, walked with a packet that is known in part. Each chain gives a set of
 * possible ends; a rule that may or may not match leaves both ways open. Must never claim
 * more than that, and never loop: chains are followed to a fixed depth, and the steps of
 * a walk are counted.
 */
#include "ruleset.h"

#include <ferry/ferry.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "iptables.h"
#include "util.h"

/* The kernel allows 16 jumps. */
#define DEPTH_MAX 16
/* Rules and chains looked at for one packet, and ports tried of a range: more than any
 * firewall that people write. */
#define STEPS_MAX 100000
#define PORTS_MAX 512

struct ruleset {
	json_t *root;
	json_t *items; /* borrowed: the array of tables, chains, rules, sets */
	/* borrowed: what iptables-save says, AF_INET and AF_INET6; or NULL */
	const struct buf *saved[2];
};

struct walk {
	const struct ruleset *rules;
	int family;
	uint16_t port;
	unsigned steps;
};

/* Where a rule stands. */
struct place {
	const char *family, *table;
};

static bool
is(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static const char *
text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool
is_at(const json_t *item, const struct place *at)
{
	return is(text_at(item, "family"), at->family) &&
	       is(text_at(item, "table"), at->table);
}

/* ---- does a value match? ---- */

static enum match
invert(enum match m)
{
	return m == MATCH_MAYBE ? m : m == MATCH_YES ? MATCH_NO : MATCH_YES;
}

/* What is known of the packet: a number or a word; neither: unknown. */
struct known {
	bool is_port;
	const char *word;
	/* the words that it can be, when it cannot be told which one: a match with any
	 * other is none */
	const char *never;
};

static const json_t *
set_elements(const struct walk *w, const struct place *at, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(w->rules->items, i, item)
	{
		const json_t *set = json_object_get(item, "set");

		if (set == NULL)
			set = json_object_get(item, "map");
		if (set != NULL && is_at(set, at) && is(text_at(set, "name"), name))
			return json_object_get(set, "elem");
	}
	return NULL;
}

static enum match match_value(struct walk *w, const struct place *at,
    const struct known *known, const json_t *value, unsigned depth);

static enum match
match_any(struct walk *w, const struct place *at, const struct known *known,
    const json_t *values, unsigned depth)
{
	enum match found = MATCH_NO;
	const json_t *value;
	size_t i;

	json_array_foreach(values, i, value)
	{
		found = match_either(
		    found, match_value(w, at, known, value, depth + 1));
		if (found == MATCH_YES)
			break;
	}
	return found;
}

static enum match
match_text(struct walk *w, const struct place *at, const struct known *known,
    const char *text, unsigned depth)
{
	if (text[0] == '@') {
		const json_t *elements = set_elements(w, at, text + 1);

		/* nft leaves an empty set's elements out; one that is filled by other
		 * rules may hold anything. */
		return elements != NULL ? match_any(w, at, known, elements, depth)
					: MATCH_MAYBE;
	}
	if (known->word != NULL)
		return is(known->word, text) ? MATCH_YES : MATCH_NO;
	if (known->never != NULL && is(known->never, text))
		return MATCH_NO;
	return MATCH_MAYBE;
}

static enum match
match_range(const struct walk *w, const struct known *known, const json_t *range)
{
	const json_t *low = json_array_get(range, 0), *high = json_array_get(range, 1);

	if (!known->is_port || !json_is_integer(low) || !json_is_integer(high))
		return MATCH_MAYBE;
	return w->port >= json_integer_value(low) && w->port <= json_integer_value(high)
		   ? MATCH_YES
		   : MATCH_NO;
}

static enum match
match_value(struct walk *w, const struct place *at, const struct known *known,
    const json_t *value, unsigned depth)
{
	const json_t *inner;

	if (depth > DEPTH_MAX)
		return MATCH_MAYBE;
	w->steps++;
	if (json_is_integer(value))
		return !known->is_port                        ? MATCH_MAYBE
		       : json_integer_value(value) == w->port ? MATCH_YES
							      : MATCH_NO;
	if (json_is_string(value))
		return match_text(w, at, known, json_string_value(value), depth);
	if (json_is_array(value))
		return match_any(w, at, known, value, depth);
	if ((inner = json_object_get(value, "set")) != NULL)
		return json_is_array(inner) ? match_any(w, at, known, inner, depth)
					    : match_value(w, at, known, inner, depth + 1);
	if ((inner = json_object_get(value, "range")) != NULL)
		return match_range(w, known, inner);
	if ((inner = json_object_get(value, "elem")) != NULL)
		return match_value(
		    w, at, known, json_object_get(inner, "val"), depth + 1);
	return MATCH_MAYBE;
}

/* ---- what is known of a new call from outside ---- */

static bool
know_payload(const struct walk *w, const json_t *payload, struct known *ret, bool *ret_no)
{
	const char *protocol = text_at(payload, "protocol");
	const char *field = text_at(payload, "field");
	bool v4 = w->family == AF_INET;

	if (is(protocol, "udp") || is(protocol, "icmp") || is(protocol, "icmpv6") ||
	    is(protocol, "sctp") || is(protocol, "dccp") || is(protocol, "udplite") ||
	    is(protocol, v4 ? "ip6" : "ip") || is(protocol, "arp")) {
		*ret_no = true;
		return true;
	}
	if ((is(protocol, "tcp") || is(protocol, "th")) && is(field, "dport"))
		*ret = (struct known){.is_port = true};
	else if ((is(protocol, "ip") && is(field, "protocol")) ||
		 (is(protocol, "ip6") && is(field, "nexthdr")))
		*ret = (struct known){.word = "tcp"};
	else
		return false;
	return true;
}

static bool
know_meta(const struct walk *w, const char *key, struct known *ret)
{
	bool v4 = w->family == AF_INET;

	if (is(key, "l4proto"))
		*ret = (struct known){.word = "tcp"};
	else if (is(key, "nfproto"))
		*ret = (struct known){.word = v4 ? "ipv4" : "ipv6"};
	else if (is(key, "protocol"))
		*ret = (struct known){.word = v4 ? "ip" : "ip6"};
	else if (is(key, "iif") || is(key, "iifname"))
		*ret = (struct known){.never = "lo"};
	else if (is(key, "pkttype"))
		*ret = (struct known){.word = "host"};
	else
		return false;
	return true;
}

/* False: nothing. *ret_no: the packet has no such thing, so nothing matches. */
static bool
know(const struct walk *w, const json_t *left, struct known *ret, bool *ret_no)
{
	const json_t *payload = json_object_get(left, "payload");
	const json_t *meta = json_object_get(left, "meta");
	const json_t *ct = json_object_get(left, "ct");
	const json_t *fib = json_object_get(left, "fib");

	*ret = (struct known){0};
	*ret_no = false;
	if (payload != NULL)
		return know_payload(w, payload, ret, ret_no);
	if (meta != NULL)
		return know_meta(w, text_at(meta, "key"), ret);
	if (ct != NULL && is(text_at(ct, "key"), "state"))
		*ret = (struct known){.word = "new"};
	else if (ct != NULL && is(text_at(ct, "key"), "status"))
		*ret = (struct known){.never = "dnat"}; /* it is for this machine */
	else if (fib != NULL && is(text_at(fib, "result"), "type"))
		*ret = (struct known){.word = "local"};
	else
		return false;
	return true;
}

static bool
is_syn_flags(const json_t *left)
{
	const json_t *first = json_array_get(json_object_get(left, "&"), 0);
	const json_t *payload = json_object_get(first != NULL ? first : left, "payload");

	return is(text_at(payload, "protocol"), "tcp") &&
	       is(text_at(payload, "field"), "flags");
}

/* "Is there a way back to the caller?", as firewalld asks. Callers whose packets come in
 * where none go out are no case for a table of ports. */
static bool
is_way_back(const json_t *left)
{
	return is(text_at(json_object_get(left, "fib"), "result"), "oif");
}

static enum match
match_compared(const struct walk *w, const char *op, json_int_t right)
{
	bool yes = is(op, "<")    ? w->port < right
		   : is(op, ">")  ? w->port > right
		   : is(op, "<=") ? w->port <= right
				  : w->port >= right;

	return yes ? MATCH_YES : MATCH_NO;
}

static enum match
match_rule(struct walk *w, const struct place *at, const json_t *match)
{
	const json_t *left = json_object_get(match, "left");
	const json_t *right = json_object_get(match, "right");
	const char *op = text_at(match, "op");
	struct known known;
	bool no;

	/* The first packet has SYN and nothing else. */
	if (is_syn_flags(left) && is(op, "==") && json_is_string(right))
		return is(json_string_value(right), "syn") ? MATCH_YES : MATCH_NO;
	if (is_way_back(left) && json_is_boolean(right))
		return json_is_true(right) == is(op, "==") ? MATCH_YES : MATCH_NO;
	if (!know(w, left, &known, &no))
		return MATCH_MAYBE;
	if (no)
		return MATCH_NO;
	if (is(op, "==") || is(op, "in"))
		return match_value(w, at, &known, right, 0);
	if (is(op, "!="))
		return invert(match_value(w, at, &known, right, 0));
	return known.is_port && json_is_integer(right)
		   ? match_compared(w, op, json_integer_value(right))
		   : MATCH_MAYBE;
}

/* ---- chains ---- */

static unsigned walk_chain(
    struct walk *w, const struct place *at, const char *chain, unsigned depth);

/* One end of a rule, reached surely or perhaps. Adds to *ends; false: the packet goes no
 * further in this chain. */
static bool
take_verdict(struct walk *w, const struct place *at, const char *verb,
    const json_t *value, enum match sure, unsigned depth, unsigned *ends)
{
	unsigned reached;

	if (is(verb, "accept")) {
		reached = END_ACCEPT;
	} else if (is(verb, "drop") || is(verb, "reject")) {
		reached = END_DROP;
	} else if (is(verb, "return")) {
		reached = END_THROUGH;
	} else if (is(verb, "queue")) {
		reached = END_ACCEPT | END_DROP;
	} else if (is(verb, "goto")) {
		reached = walk_chain(w, at, text_at(value, "target"), depth + 1);
	} else if (is(verb, "jump")) {
		unsigned inner = walk_chain(w, at, text_at(value, "target"), depth + 1);

		*ends |= inner & (END_ACCEPT | END_DROP);
		return sure == MATCH_MAYBE || (inner & END_THROUGH) != 0;
	} else { /* continue */
		return true;
	}
	*ends |= reached;
	return sure == MATCH_MAYBE;
}

static bool
is_verdict(const char *verb)
{
	static const char *const verbs[] = {
	    "accept", "drop", "reject", "return", "queue", "goto", "jump", "continue"};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (is(verb, verbs[i]))
			return true;
	return false;
}

/* What a rule does besides, which decides nothing. */
static bool
is_harmless(const char *verb)
{
	static const char *const verbs[] = {"counter", "log", "mangle", "ct helper",
	    "ct timeout", "ct expectation", "notrack", "comment", "set", "flow"};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (is(verb, verbs[i]))
			return true;
	return false;
}

/* {"vmap": {"key": what, "data": {"set": [[value, verdict], ...]}}} */
static bool
walk_vmap(struct walk *w, const struct place *at, const json_t *vmap, enum match sure,
    unsigned depth, unsigned *ends)
{
	const json_t *data = json_object_get(vmap, "data");
	const json_t *rows = json_is_string(data) && json_string_value(data)[0] == '@'
				 ? set_elements(w, at, json_string_value(data) + 1)
				 : json_object_get(data, "set");
	struct known known;
	const json_t *row;
	bool no, knows = know(w, json_object_get(vmap, "key"), &known, &no);
	size_t i;

	if (knows && no)
		return true;
	json_array_foreach(rows, i, row)
	{
		enum match m = knows
				   ? match_value(w, at, &known, json_array_get(row, 0), 0)
				   : MATCH_MAYBE;
		json_t *verdict = json_array_get(row, 1);
		const char *verb = json_object_iter_key(json_object_iter(verdict));

		if (m == MATCH_NO || verb == NULL)
			continue;
		if (!take_verdict(w, at, verb, json_object_get(verdict, verb),
			m == MATCH_YES ? sure : MATCH_MAYBE, depth, ends))
			return false;
		if (m == MATCH_YES)
			return true;
	}
	return true;
}

/* False: the packet goes no further in this chain. */
static bool
walk_rule(struct walk *w, const struct place *at, const json_t *rule, unsigned depth,
    unsigned *ends)
{
	const json_t *expressions = json_object_get(rule, "expr");
	enum match sure = MATCH_YES;
	json_t *expression;
	size_t i;

	json_array_foreach(expressions, i, expression)
	{
		const char *verb = json_object_iter_key(json_object_iter(expression));
		json_t *value = verb != NULL ? json_object_get(expression, verb) : NULL;
		enum match m = MATCH_YES;

		if (++w->steps > STEPS_MAX)
			break;
		if (is(verb, "vmap")) {
			if (!walk_vmap(w, at, value, sure, depth, ends))
				return false;
			continue;
		}
		if (is_verdict(verb))
			return take_verdict(w, at, verb, value, sure, depth, ends);
		if (is(verb, "match"))
			m = match_rule(w, at, value);
		else if (!is_harmless(verb))
			m = MATCH_MAYBE; /* limit, xt, what is not known here */
		if (m == MATCH_NO)
			return true;
		if (m == MATCH_MAYBE)
			sure = m;
	}
	return true;
}

static unsigned
walk_chain(struct walk *w, const struct place *at, const char *chain, unsigned depth)
{
	const json_t *item;
	unsigned ends = 0;
	size_t i;

	if (chain == NULL || depth > DEPTH_MAX || w->steps > STEPS_MAX)
		return END_ACCEPT | END_DROP | END_THROUGH;
	json_array_foreach(w->rules->items, i, item)
	{
		const json_t *rule = json_object_get(item, "rule");

		if (rule == NULL || !is_at(rule, at) ||
		    !is(text_at(rule, "chain"), chain))
			continue;
		if (!walk_rule(w, at, rule, depth, &ends))
			return ends;
		if (w->steps > STEPS_MAX)
			return END_ACCEPT | END_DROP | END_THROUGH;
	}
	return ends | END_THROUGH;
}

/* A base chain that new calls from outside come through. */
static bool
is_gate(const json_t *chain, int family)
{
	const char *of = text_at(chain, "family"), *hook = text_at(chain, "hook");

	if (!is(text_at(chain, "type"), "filter") ||
	    (!is(hook, "input") && !is(hook, "prerouting")))
		return false;
	return is(of, "inet") || is(of, family == AF_INET ? "ip" : "ip6");
}

static const struct buf *
saved_of(const struct ruleset *r, int family)
{
	return r->saved[family == AF_INET6];
}

/* iptables' own filter chain, of which its own words tell more. */
static bool
is_saved(const struct ruleset *r, const json_t *chain, int family)
{
	return saved_of(r, family) != NULL && !is(text_at(chain, "family"), "inet") &&
	       is(text_at(chain, "table"), "filter") &&
	       is(text_at(chain, "name"), "INPUT");
}

/* Accepting in one chain is no more than going on to the next; dropping is final. */
static unsigned
walk_all(const struct ruleset *r, int family, uint16_t port)
{
	struct walk w = {.rules = r, .family = family, .port = port};
	unsigned all = END_ACCEPT;
	const json_t *item;
	size_t i;

	json_array_foreach(r->items, i, item)
	{
		const json_t *chain = json_object_get(item, "chain");
		struct place at = {text_at(chain, "family"), text_at(chain, "table")};
		unsigned ends;

		if (chain == NULL || !is_gate(chain, family) ||
		    is_saved(r, chain, family))
			continue;
		ends = walk_chain(&w, &at, text_at(chain, "name"), 0);
		if ((ends & END_THROUGH) != 0)
			ends |=
			    is(text_at(chain, "policy"), "drop") ? END_DROP : END_ACCEPT;
		all |= ends & END_DROP;
		if ((ends & END_ACCEPT) == 0)
			return END_DROP;
	}
	if (saved_of(r, family) != NULL) {
		unsigned ends = iptables_walk((const char *)buf_data(saved_of(r, family)),
		    buf_len(saved_of(r, family)), port);

		all |= ends & END_DROP;
		if ((ends & END_ACCEPT) == 0)
			return END_DROP;
	}
	return all;
}

/* ---- ranges ---- */

struct ports {
	uint16_t low, high;
	uint16_t port[PORTS_MAX];
	size_t n;
	bool full;
};

static void
ports_add(struct ports *p, long port)
{
	if (port < p->low || port > p->high)
		return;
	for (size_t i = 0; i < p->n; i++)
		if (p->port[i] == port)
			return;
	if (p->n == PORTS_MAX)
		p->full = true;
	else
		p->port[p->n++] = (uint16_t)port;
}

/* ... and what is beside it. */
static void
ports_around(uint16_t port, void *user)
{
	for (long d = -1; d <= 1; d++)
		ports_add(user, port + d);
}

/* Between two neighbours of the numbers that stand in the rules nothing changes: those
 * and the ones beside them stand for the whole range. */
static void
ports_collect(struct ports *p, const json_t *value, unsigned depth)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (depth > 64)
		return;
	if (json_is_integer(value)) {
		if (json_integer_value(value) >= 0 &&
		    json_integer_value(value) <= UINT16_MAX)
			ports_around((uint16_t)json_integer_value(value), p);
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, inner) ports_collect(p, inner, depth + 1);
	} else if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key,
		    inner) if (!is(key, "handle") && !is(key, "counter"))
		    ports_collect(p, inner, depth + 1);
	}
}

static int
compare_ports(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

enum passage
ruleset_passage(
    const struct ruleset *r, int family, uint16_t low, uint16_t high, uint16_t *ret_port)
{
	struct ports p = {.low = low, .high = high};
	size_t open = 0, shut = 0;
	uint16_t first = 0;

	ports_add(&p, low);
	ports_add(&p, high);
	ports_collect(&p, r->items, 0);
	if (saved_of(r, family) != NULL)
		iptables_numbers((const char *)buf_data(saved_of(r, family)),
		    buf_len(saved_of(r, family)), ports_around, &p);
	qsort(p.port, p.n, sizeof(p.port[0]), compare_ports);
	for (size_t i = 0; i < p.n; i++) {
		unsigned ends = walk_all(r, family, p.port[i]);

		if (ends == END_ACCEPT)
			open++;
		else if (ends == END_DROP && shut++ == 0)
			first = p.port[i];
	}
	if (shut == p.n && !p.full)
		return PASSAGE_CLOSED;
	if (open == p.n)
		return p.full ? PASSAGE_DEPENDS : PASSAGE_OPEN;
	if (shut == 0 || open == 0)
		return PASSAGE_DEPENDS;
	*ret_port = first;
	return PASSAGE_PARTLY;
}

/* ---- the whole ---- */

int
ruleset_parse(const char *text, size_t n, struct ruleset **ret)
{
	json_t *root = json_loadb(text, n, 0, NULL);
	json_t *items = json_object_get(root, "nftables");
	struct ruleset *r;

	if (!json_is_array(items)) {
		json_decref(root);
		return -FERRY_EPROTO;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		json_decref(root);
		return -FERRY_ENOMEM;
	}
	r->root = root;
	r->items = items;
	*ret = r;
	return 0;
}

void
ruleset_add_iptables(struct ruleset *r, int family, const struct buf *text)
{
	r->saved[family == AF_INET6] = text;
}

void
ruleset_free(struct ruleset *r)
{
	if (r == NULL)
		return;
	json_decref(r->root);
	free(r);
}

/* A helper that is declared does nothing; a rule that hands it connections does. */
bool
ruleset_has_ftp_helper(const struct ruleset *r)
{
	const json_t *item, *expression;
	size_t i, k;

	json_array_foreach(r->items, i, item)
	{
		const json_t *rule = json_object_get(item, "rule");

		json_array_foreach(json_object_get(rule, "expr"), k, expression)
		{
			if (json_object_get(expression, "ct helper") != NULL)
				return true;
		}
	}
	return false;
}

enum manager
ruleset_manager(const struct ruleset *r)
{
	enum manager found = MANAGER_NONE;
	const json_t *item;
	size_t i;

	json_array_foreach(r->items, i, item)
	{
		const json_t *chain = json_object_get(item, "chain");
		const char *name = text_at(chain, "name");
		bool gate = is_gate(chain, AF_INET) || is_gate(chain, AF_INET6);

		if (is(text_at(chain, "table"), "firewalld"))
			return MANAGER_FIREWALLD;
		if (name != NULL && strncmp(name, "ufw", 3) == 0)
			return MANAGER_UFW;
		if (gate && is(name, "INPUT") && is(text_at(chain, "table"), "filter"))
			found = MANAGER_IPTABLES;
		else if (gate && found == MANAGER_NONE)
			found = MANAGER_NFTABLES;
	}
	return found;
}

void
ruleset_input_chain(const struct ruleset *r, char *out, size_t cap)
{
	const json_t *item;
	size_t i;

	out[0] = '\0';
	json_array_foreach(r->items, i, item)
	{
		const json_t *chain = json_object_get(item, "chain");
		bool gate = is_gate(chain, AF_INET) || is_gate(chain, AF_INET6);

		if (!gate || !is(text_at(chain, "hook"), "input"))
			continue;
		snprintf(out, cap, "%s %s %s", text_at(chain, "family"),
		    text_at(chain, "table"), text_at(chain, "name"));
		/* the one that shuts by default is where a rule must go */
		if (is(text_at(chain, "policy"), "drop"))
			return;
	}
}
