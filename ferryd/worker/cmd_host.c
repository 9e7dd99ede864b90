/*
 * What a client says about itself and about the server that it wants.
 *
 *   HOST <SP> <name> | <address>     220 before USER (RFC 7151), with the host's
 * greeting; 503 behind it; 504 if it is not ours, or not the one that TLS was made for
 *   LANG [<SP> <tag>]                200: replies are English (RFC 2640 4)
 *   CLNT <SP> <name>                 200: noted in the log
 *
 * Without [host] sections there is one server behind every name, so each well-formed name
 * is ours; with them those are, and ssl_sni_hostname's. An address is ours when the
 * client is connected to it.
 */
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "hostname.h"
#include "log.h"
#include "section.h"
#include "tls.h"

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

/* "192.0.2.1" or "[2001:db8::1]" (RFC 7151 3.1). False when it is no address. */
static bool
read_address(struct bytes arg, struct endpoint *ret)
{
	bool six = arg.n > 2 && arg.p[0] == '[' && arg.p[arg.n - 1] == ']';
	struct bytes inner = six ? (struct bytes){.p = arg.p + 1, .n = arg.n - 2} : arg;
	_cleanup_free_ char *text = arg.n <= HOSTNAME_MAX ? bytes_dup(inner) : NULL;

	return text != NULL && endpoint_from_text(text, ret) == 0 &&
	       ret->family == (six ? AF_INET6 : AF_INET);
}

/* Digits and dots alone are a broken address, no name. */
static bool
is_name(struct bytes arg)
{
	for (size_t i = 0; i < arg.n; i++) {
		if (!is_digit(arg.p[i]) && arg.p[i] != '.')
			return hostname_is_valid(arg);
	}
	return false;
}

/* A name of the server that no section has. */
static bool
is_head(const struct conf *conf, struct bytes name)
{
	return section_count(conf, SECTION_HOST) == 0 ||
	       (conf->ssl_sni_hostname != NULL &&
		   hostname_same(name, bytes_of(conf->ssl_sni_hostname)));
}

/* The number of the host. 0, or the code of the reply that refuses it. */
static int
find_host(const struct session *s, struct bytes arg, size_t *ret)
{
	const struct conf *conf = s->worker->conf;
	struct endpoint at;

	*ret = 0;
	if (read_address(arg, &at))
		return endpoint_same_address(&at, &s->local) ? 0 : 504;
	if (!is_name(arg))
		return 501;
	*ret = section_find_host(conf, arg);
	return *ret > 0 || is_head(conf, arg) ? 0 : 504;
}

static bool
same_string(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* A host that asks clients for certificates must not be reached by way of one that does
 * not. */
static bool
asks_the_same(const struct session *s, size_t host)
{
	const struct conf *conf = s->worker->conf;
	const struct conf *shown = section_view(conf, tls_host(conn_tls(s->control)), 0);
	const struct conf *wanted = section_view(conf, host, 0);

	return shown != NULL && wanted != NULL &&
	       shown->require_cert == wanted->require_cert &&
	       shown->validate_cert == wanted->validate_cert &&
	       same_string(shown->ca_certs_file, wanted->ca_certs_file);
}

/* RFC 7151 3.3: whom TLS was made with and whom HOST names must be the same one. */
static bool
fits_tls(const struct session *s, struct bytes arg, size_t host)
{
	const struct tls *t = conn_tls(s->control);
	const char *name = t != NULL ? tls_server_name(t) : NULL;

	if (t == NULL)
		return true;
	return name != NULL ? hostname_same(arg, bytes_of(name)) : asks_the_same(s, host);
}

static void
choose_host(struct session *s, struct bytes arg, size_t host)
{
	if (!session_choose(s, host)) {
		answer(s, 451, "Out of memory.");
		return;
	}
	note(s, "host", arg);
	if (section_count(s->worker->conf, SECTION_HOST) > 0)
		session_greet(s);
	else
		answer(s, 220, "Ready. USER and PASS, please.");
}

void
cmd_host(struct session *s, struct bytes arg)
{
	size_t host;
	int code = find_host(s, arg, &host);

	if (session_logged_in(s) || s->user != NULL)
		answer(s, 503, "HOST comes before USER. REIN begins again.");
	else if (code == 501)
		answer(s, 501, "That is no host name; a port does not belong to it.");
	else if (code != 0)
		answer(s, code, "No such host is here.");
	else if (!fits_tls(s, arg, host))
		answer(s, 504,
		    "TLS was begun with another host: connect again and ask TLS for this "
		    "name.");
	else
		choose_host(s, arg, host);
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
