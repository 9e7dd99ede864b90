/*
 * iptables-save, walked with a packet that is known in part. What is not understood may
 * match or not. Must never loop: chains are followed to a fixed depth, and the lines of a
 * walk are counted.
 */
#include "iptables.h"

#include <stdbool.h>
#include <string.h>

#include "util.h"

#define DEPTH_MAX 16
#define LINES_MAX 200000
#define UNKNOWN_END (END_ACCEPT | END_DROP | END_THROUGH)

struct walk {
	const char *text, *end; /* of the table filter */
	uint16_t port;
	unsigned lines;
};

/* ---- words ---- */

static bool
is(struct bytes word, const char *text)
{
	return word.n == strlen(text) && memcmp(word.p, text, word.n) == 0;
}

static bool
begins(struct bytes word, const char *text)
{
	return word.n >= strlen(text) && memcmp(word.p, text, strlen(text)) == 0;
}

/* The next word of a line; one in double quotes whole. n 0: there is none. */
static struct bytes
next_word(const char **p, const char *end)
{
	const char *begin, *stop;

	while (*p < end && **p == ' ')
		(*p)++;
	begin = *p;
	if (begin < end && *begin == '"') {
		for (stop = begin + 1; stop < end && *stop != '"'; stop++)
			stop += *stop == '\\' && stop + 1 < end;
		stop += stop < end;
	} else {
		for (stop = begin; stop < end && *stop != ' '; stop++)
			;
	}
	*p = stop;
	return (struct bytes){(const uint8_t *)begin, (size_t)(stop - begin)};
}

/* The next part of a list. */
static bool
next_item(struct bytes *list, struct bytes *ret)
{
	const uint8_t *comma;

	if (list->n == 0)
		return false;
	comma = memchr(list->p, ',', list->n);
	*ret =
	    (struct bytes){list->p, comma != NULL ? (size_t)(comma - list->p) : list->n};
	list->p += ret->n + (comma != NULL);
	list->n -= ret->n + (comma != NULL);
	return true;
}

/* ---- matches ---- */

/* "21" or "61000:61199" */
static enum match
match_port(uint16_t port, struct bytes word)
{
	const uint8_t *colon = memchr(word.p, ':', word.n);
	size_t first = colon != NULL ? (size_t)(colon - word.p) : word.n;
	uint64_t low, high;

	if (parse_uint((const char *)word.p, first, UINT16_MAX, &low) < 0)
		return MATCH_MAYBE;
	high = low;
	if (colon != NULL && parse_uint((const char *)colon + 1, word.n - first - 1,
				 UINT16_MAX, &high) < 0)
		return MATCH_MAYBE;
	return port >= low && port <= high ? MATCH_YES : MATCH_NO;
}

static enum match
match_ports(uint16_t port, struct bytes list)
{
	enum match found = MATCH_NO;
	struct bytes item;

	while (found != MATCH_YES && next_item(&list, &item))
		found = match_either(found, match_port(port, item));
	return found;
}

static enum match
match_states(struct bytes list)
{
	struct bytes item;

	while (next_item(&list, &item))
		if (is(item, "NEW"))
			return MATCH_YES;
	return MATCH_NO;
}

static enum match
invert(enum match m)
{
	return m == MATCH_MAYBE ? m : m == MATCH_YES ? MATCH_NO : MATCH_YES;
}

/* One option with its arguments, behind which *p stands then. */
static enum match
match_option(const struct walk *w, struct bytes option, const char **p, const char *end)
{
	struct bytes argument = next_word(p, end), next;
	const char *before;
	enum match m = MATCH_MAYBE;

	if (is(option, "-p"))
		return is(argument, "tcp") || is(argument, "all") || is(argument, "6")
			   ? MATCH_YES
			   : MATCH_NO;
	if (is(option, "-i"))
		return is(argument, "lo") ? MATCH_NO : MATCH_MAYBE;
	if (is(option, "--dport") || is(option, "--dports"))
		return match_ports(w->port, argument);
	if (is(option, "--ctstate") || is(option, "--state"))
		return match_states(argument);
	if (is(option, "--dst-type"))
		return is(argument, "LOCAL") ? MATCH_YES : MATCH_NO;
	if (is(option, "--comment"))
		return MATCH_YES;
	/* The first packet has SYN and nothing else. */
	if (is(option, "--tcp-flags")) {
		next = next_word(p, end);
		return is(next, "SYN") && begins(argument, "FIN,SYN,RST,ACK") ? MATCH_YES
									      : m;
	}
	if (is(option, "-m"))
		return MATCH_YES; /* what it wants comes in options of its own */
	/* Unknown: its arguments go up to the next option. */
	for (before = *p; (next = next_word(p, end)).n > 0; before = *p)
		if (next.p[0] == '-' || next.p[0] == '!')
			break;
	*p = before;
	return m;
}

/* Matches that need no option to keep a packet out. */
static bool
is_plain_module(struct bytes name)
{
	static const char *const names[] = {
	    "tcp", "conntrack", "state", "multiport", "comment", "addrtype"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is(name, names[i]))
			return true;
	return false;
}

/* ---- chains ---- */

static unsigned walk_chain(struct walk *w, struct bytes chain, unsigned depth);

static bool
has_chain(const struct walk *w, struct bytes name)
{
	const char *p = w->text;

	while (p < w->end) {
		const char *lf = memchr(p, '\n', (size_t)(w->end - p));
		const char *end = lf != NULL ? lf : w->end, *q = p + 1;

		if (*p == ':') {
			struct bytes word = next_word(&q, end);

			if (word.n == name.n && memcmp(word.p, name.p, name.n) == 0)
				return true;
		}
		p = end + 1;
	}
	return false;
}

/* Adds to *ends; false: the packet goes no further in this chain. */
static bool
take_target(struct walk *w, struct bytes target, bool go, enum match sure, unsigned depth,
    unsigned *ends)
{
	unsigned reached;

	if (is(target, "ACCEPT")) {
		reached = END_ACCEPT;
	} else if (is(target, "DROP") || is(target, "REJECT") || is(target, "TARPIT")) {
		reached = END_DROP;
	} else if (is(target, "RETURN")) {
		reached = END_THROUGH;
	} else if (is(target, "NFQUEUE") || is(target, "QUEUE")) {
		reached = END_ACCEPT | END_DROP;
	} else if (!has_chain(w, target)) {
		return true; /* LOG and the like */
	} else {
		reached = walk_chain(w, target, depth + 1);
		if (!go) {
			*ends |= reached & (END_ACCEPT | END_DROP);
			return sure == MATCH_MAYBE || (reached & END_THROUGH) != 0;
		}
	}
	*ends |= reached;
	return sure == MATCH_MAYBE;
}

/* A rule behind "-A CHAIN". False: the packet goes no further in this chain. */
static bool
walk_rule(struct walk *w, const char *p, const char *end, unsigned depth, unsigned *ends)
{
	enum match sure = MATCH_YES;
	bool negated = false;

	for (;;) {
		struct bytes option = next_word(&p, end);
		const char *before = p;
		enum match m;

		if (option.n == 0)
			return true; /* counts only */
		if (is(option, "!")) {
			negated = true;
			continue;
		}
		if (is(option, "-j") || is(option, "-g"))
			return take_target(
			    w, next_word(&p, end), is(option, "-g"), sure, depth, ends);
		m = match_option(w, option, &p, end);
		if (is(option, "-m") && !is_plain_module(next_word(&before, end)))
			m = MATCH_MAYBE;
		if (negated)
			m = invert(m);
		negated = false;
		if (m == MATCH_NO)
			return true;
		if (m == MATCH_MAYBE)
			sure = m;
	}
}

static unsigned
walk_chain(struct walk *w, struct bytes chain, unsigned depth)
{
	const char *p = w->text;
	unsigned ends = 0;

	if (depth > DEPTH_MAX)
		return UNKNOWN_END;
	while (p < w->end) {
		const char *lf = memchr(p, '\n', (size_t)(w->end - p));
		const char *end = lf != NULL ? lf : w->end, *q = p;
		struct bytes name;

		p = end + 1;
		if (++w->lines > LINES_MAX)
			return UNKNOWN_END;
		if (!is(next_word(&q, end), "-A"))
			continue;
		name = next_word(&q, end);
		if (name.n == chain.n && memcmp(name.p, chain.p, name.n) == 0 &&
		    !walk_rule(w, q, end, depth, &ends))
			return ends;
	}
	return ends | END_THROUGH;
}

/* The lines between "*filter" and "COMMIT". False: there are none. */
static bool
find_filter(const char *text, size_t n, struct walk *ret)
{
	static const char head[] = "*filter\n", tail[] = "COMMIT\n";
	const char *begin = memmem(text, n, head, sizeof(head) - 1);

	if (begin == NULL)
		return false;
	ret->text = begin + sizeof(head) - 1;
	ret->end =
	    memmem(ret->text, n - (size_t)(ret->text - text), tail, sizeof(tail) - 1);
	if (ret->end == NULL)
		ret->end = text + n;
	return true;
}

static bool
drops_by_default(const struct walk *w)
{
	static const char row[] = ":INPUT DROP";

	return memmem(w->text, (size_t)(w->end - w->text), row, sizeof(row) - 1) != NULL;
}

unsigned
iptables_walk(const char *text, size_t n, uint16_t port)
{
	static const char input[] = "INPUT";
	struct walk w = {.port = port};
	unsigned ends;

	if (!find_filter(text, n, &w))
		return END_ACCEPT;
	ends =
	    walk_chain(&w, (struct bytes){(const uint8_t *)input, sizeof(input) - 1}, 0);
	if ((ends & END_THROUGH) != 0)
		ends |= drops_by_default(&w) ? END_DROP : END_ACCEPT;
	return ends & (END_ACCEPT | END_DROP);
}

void
iptables_numbers(
    const char *text, size_t n, void (*fn)(uint16_t port, void *user), void *user)
{
	for (size_t i = 0; i < n;) {
		size_t digits = 0;
		uint64_t number;

		while (
		    i + digits < n && text[i + digits] >= '0' && text[i + digits] <= '9')
			digits++;
		if (digits > 0 && parse_uint(text + i, digits, UINT16_MAX, &number) == 0)
			fn((uint16_t)number, user);
		i += digits > 0 ? digits : 1;
	}
}
