/*
 * Detours. A host that has addresses of one family only keeps its session: the other
 * family is looked up before anything is given up.
 */
#include "detour.h"

#include "address.h"
#include "own.h"
#include "reader.h"
#include "safe.h"

#include <netdb.h>

static bool
has_addresses(const char *host, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	freeaddrinfo(list);
	return true;
}

/* Connects and logs in over that family; later connections may choose again. */
static int
open_over(struct session *s, const struct target *t, int family)
{
	int rc;

	if (ferry_is_connected(s->h))
		session_run(s, ferry_quit(s->h));
	rc = ferry_set_family(s->h, family);
	if (rc == 0)
		rc = session_open(s, t);
	ferry_set_family(s->h, s->opt->family);
	return rc;
}

static bool
change_family(struct detour *d, struct session *s, const struct target *t, int rc)
{
	_cleanup_free_ char *why = session_error(s, rc);
	struct sockaddr_storage own;
	int now, other;

	if (d->has_changed_family || s->opt->family != AF_UNSPEC ||
	    s->opt->source != NULL || ferry_local_address(s->h, &own) < 0)
		return false;
	if (s->opt->password_fd >= 0)
		return false; /* the next password there is for the next login */
	now = own.ss_family;
	other = now == AF_INET ? AF_INET6 : AF_INET;
	if (!has_addresses(t->host, other))
		return false;
	d->has_changed_family = true;
	if (open_over(s, t, other) == 0)
		return true;
	(void)open_over(s, t, now);
	session_fail(s, rc, "%s", why == NULL ? "" : why);
	return false;
}

/* Does the person agree that the server calls this machine? */
static bool
ask_consent(struct session *s, const struct target *t)
{
	_cleanup_free_ char *host = safe_string(t->host), *question = NULL,
			    *answer = NULL;
	struct sockaddr_storage own, peer;
	bool behind = ferry_local_address(s->h, &own) == 0 &&
		      ferry_remote_address(s->h, &peer) == 0 && address_is_inner(&own) &&
		      !address_is_inner(&peer);

	if (asprintf(&question,
		"No passive data connection with %s. In active mode the server calls "
		"this "
		"machine, at a port that is opened for that one call%s. Try it? [y/n] ",
		host == NULL ? "" : host,
		behind ? " (from behind a router that often fails)" : "") < 0) {
		question = NULL;
		return false;
	}
	return reader_ask(question, &answer) == 0 && (*answer == 'y' || *answer == 'Y');
}

static bool
be_called(struct detour *d, struct session *s, const struct target *t, int rc)
{
	_cleanup_free_ char *why = session_error(s, rc);

	if (d->has_asked || s->active_allowed || s->opt->quiet || !s->may_ask ||
	    !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !ferry_is_logged_in(s->h))
		return false;
	d->has_asked = true;
	if (!ask_consent(s, t)) {
		session_fail(s, rc, "%s", why == NULL ? "" : why);
		return false;
	}
	s->mode = FERRY_MODE_ACTIVE; /* the others were tried */
	s->active_allowed = true;
	session_apply(s);
	return true;
}

bool
detour_find(struct detour *d, struct session *s, const struct target *t, int rc)
{
	if (rc != -FERRY_EDATA || s->mode != FERRY_MODE_AUTO)
		return false;
	return change_family(d, s, t, rc) || be_called(d, s, t, rc);
}
