/*
 * What a client says about itself and about the server that it wants.
 *
 *   HOST <SP> <name> | <address>     220 before USER (RFC 7151), noted in the log; 503
 *                                    behind it
 *   LANG [<SP> <tag>]                200: replies are English (RFC 2640 4)
 *   CLNT <SP> <name>                 200: noted in the log
 *
 * There is one server behind every name, so each well-formed name is ours; an address is
 * ours when the client is connected to it.
 */
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "log.h"

/* RFC 1035 2.3.4. */
#define HOST_MAX 253
#define LABEL_MAX 63
/* RFC 5646 2.1: a subtag's length; what is longer than this many bytes is no tag. */
#define SUBTAG_MAX 8
#define TAG_MAX 64

static bool
is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* For the log: what="arg". */
static void
note(const struct session *s, const char *what, struct bytes arg)
{
	_cleanup_free_ char *text = bytes_dup(arg);
	char shown[256];

	if (text != NULL)
		log_event(LOG_DEBUG, s->id, "%s=\"%s\"", what,
		    log_quoted(text, shown, sizeof(shown)));
}

/* ---- HOST ---- */

/* RFC 1123 2.1: letters, digits and hyphens, none of these at an end. */
static bool
is_label(const uint8_t *p, size_t n)
{
	if (n == 0 || n > LABEL_MAX || p[0] == '-' || p[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_letter(p[i]) && !is_digit(p[i]) && p[i] != '-')
			return false;
	}
	return true;
}

/* Labels with dots between, one more dot at the end perhaps. */
static bool
is_host_name(struct bytes name)
{
	size_t at = 0;

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > HOST_MAX)
		return false;
	while (at <= name.n) {
		const uint8_t *dot =
		    at < name.n ? memchr(name.p + at, '.', name.n - at) : NULL;
		size_t end = dot != NULL ? (size_t)(dot - name.p) : name.n;

		if (!is_label(name.p + at, end - at))
			return false;
		at = end + 1;
	}
	return true;
}

/* "192.0.2.1" or "[2001:db8::1]" (RFC 7151 3.1). False when it is no address. */
static bool
read_address(struct bytes arg, struct endpoint *ret)
{
	bool six = arg.n > 2 && arg.p[0] == '[' && arg.p[arg.n - 1] == ']';
	struct bytes inner = six ? (struct bytes){.p = arg.p + 1, .n = arg.n - 2} : arg;
	_cleanup_free_ char *text = arg.n <= HOST_MAX ? bytes_dup(inner) : NULL;

	return text != NULL && endpoint_from_text(text, ret) == 0 &&
	       ret->family == (six ? AF_INET6 : AF_INET);
}

/* 0, or the code of the reply that refuses it. */
static int
check_host(const struct session *s, struct bytes arg)
{
	struct endpoint at;

	if (read_address(arg, &at))
		return endpoint_same_address(&at, &s->local) ? 0 : 504;
	/* Digits and dots alone are a broken address, no name. */
	for (size_t i = 0; i < arg.n; i++) {
		if (!is_digit(arg.p[i]) && arg.p[i] != '.')
			return is_host_name(arg) ? 0 : 501;
	}
	return 501;
}

void
cmd_host(struct session *s, struct bytes arg)
{
	int code = check_host(s, arg);

	if (session_logged_in(s) || s->user != NULL)
		answer(s, 503, "HOST comes before USER. REIN begins again.");
	else if (code == 501)
		answer(s, 501, "That is no host name; a port does not belong to it.");
	else if (code != 0)
		answer(s, code, "That address is not this server's.");
	else {
		note(s, "host", arg);
		answer(s, 220, "Ready. USER and PASS, please.");
	}
}

/* ---- LANG ---- */

/* RFC 2640 4.2: subtags of letters and digits with hyphens between, the first of letters.
 */
static bool
is_tag(struct bytes tag)
{
	size_t length = 0, subtags = 0;

	for (size_t i = 0; i < tag.n; i++) {
		if (tag.p[i] == '-') {
			if (length == 0)
				return false;
			length = 0;
			subtags++;
			continue;
		}
		if (!is_letter(tag.p[i]) && (!is_digit(tag.p[i]) || subtags == 0))
			return false;
		if (++length > SUBTAG_MAX)
			return false;
	}
	return length > 0 && tag.n <= TAG_MAX;
}

/* English of any country. */
static bool
is_english(struct bytes tag)
{
	struct bytes head = {.p = tag.p, .n = tag.n < 2 ? tag.n : 2};

	return command_is(tag, "i-default") ||
	       (command_is(head, "en") && (tag.n == 2 || tag.p[2] == '-'));
}

void
cmd_lang(struct session *s, struct bytes arg)
{
	if (arg.n == 0 || (is_tag(arg) && is_english(arg)))
		answer(s, 200, "Replies are in English (en).");
	else if (is_tag(arg))
		answer(s, 504, "Replies are in English (en) only.");
	else
		answer(s, 501, "That is no language tag.");
}

/* ---- CLNT ---- */

void
cmd_clnt(struct session *s, struct bytes arg)
{
	note(s, "client", arg);
	answer(s, 200, "Noted.");
}
