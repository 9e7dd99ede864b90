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

/* The family that is not in use, if there is a way to it; else AF_UNSPEC. */
static int
other_family(const struct session *s, const struct target *t)
{
	struct sockaddr_storage own;
	int other;

	if (s->opt->family != AF_UNSPEC || s->opt->source != NULL ||
	    ferry_local_address(s->h, &own) < 0)
		return AF_UNSPEC;
	if (s->opt->password_fd >= 0)
		return AF_UNSPEC; /* the next password there is for the next login */
	other = own.ss_family == AF_INET ? AF_INET6 : AF_INET;
	return has_addresses(t->host, other) ? other : AF_UNSPEC;
}

/* tried: because no way worked over this family. On failure the session is as before. */
static int
go_over(struct session *s, const struct target *t, int family, bool tried)
{
	int rc;

	memory_leave(&s->memory, tried);
	rc = open_over(s, t, family);
	if (rc == 0)
		return 0;
	memory_return(&s->memory);
	(void)open_over(s, t, family == AF_INET ? AF_INET6 : AF_INET);
	return rc;
}

static bool
change_family(struct detour *d, struct session *s, const struct target *t, int rc)
{
	_cleanup_free_ char *why = session_error(s, rc);
	int other = d->has_changed_family ? AF_UNSPEC : other_family(s, t);

	if (other == AF_UNSPEC)
		return false;
	d->has_changed_family = true;
	memory_return(&s->memory);
	if (go_over(s, t, other, true) == 0)
		return true;
	session_fail(s, rc, "%s", why == NULL ? "" : why);
	return false;
}

/* ---------------------------------------------------------------- another way */

static bool
is_left(const struct detour *d, const struct session *s, enum ferry_mode way)
{
	return (d->failed & (1u << way)) == 0 && !memory_failed(&s->memory, way);
}

/* From behind an address translation nobody is called. */
static bool
may_be_called(const struct session *s)
{
	return s->active_allowed &&
	       (s->opt->active_address != NULL || !address_is_inner(&s->own) ||
		   address_is_inner(&s->peer));
}

/* The first that was not tried yet, or FERRY_MODE_AUTO. */
static enum ferry_mode
next_way(const struct detour *d, const struct session *s)
{
	static const enum ferry_mode order[] = {
	    FERRY_MODE_EPSV, FERRY_MODE_PASV, FERRY_MODE_PORT, FERRY_MODE_EPRT};

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		bool six = s->peer.ss_family != AF_INET;
		bool active = order[i] == FERRY_MODE_PORT || order[i] == FERRY_MODE_EPRT;

		if (six && (order[i] == FERRY_MODE_PASV || order[i] == FERRY_MODE_PORT))
			continue;
		if (is_left(d, s, order[i]) && (!active || may_be_called(s)))
			return order[i];
	}
	return FERRY_MODE_AUTO;
}

/* Did the session end, or stop, at the way that was tried last? */
static bool
ended_there(const struct session *s, int rc)
{
	if (!memory_failed(&s->memory, s->memory.now))
		return false;
	if (rc == -FERRY_EDATA)
		return s->view.data_bytes > 0;
	return (rc == -FERRY_ETIMEOUT || rc == -FERRY_ECLOSED) &&
	       !ferry_is_logged_in(s->h);
}

static bool
try_next_way(struct detour *d, struct session *s, const struct target *t, int rc)
{
	_cleanup_free_ char *why = session_error(s, rc);
	enum ferry_mode way, from = s->memory.now;
	struct way seen = s->memory.seen;

	if (!ended_there(s, rc) || (d->failed & (1u << from)) != 0)
		return false;
	d->failed |= 1u << from;
	way = next_way(d, s);
	if (way == FERRY_MODE_AUTO)
		return false;
	if (!ferry_is_logged_in(s->h)) {
		if (s->opt->password_fd >= 0 || session_open(s, t) < 0) {
			session_fail(s, rc, "%s", why == NULL ? "" : why);
			return false;
		}
		memory_carry(&s->memory, &seen);
	}
	(void)ferry_set_first_way(s->h, way, "");
	return true;
}

/* ---------------------------------------------------------------- active mode */

/* Does the person agree that the server calls this machine? before: why one asks. */
static bool
ask_consent(struct session *s, const struct target *t, const char *before)
{
	_cleanup_free_ char *host = safe_string(t->host), *question = NULL,
			    *answer = NULL;
	struct sockaddr_storage own, peer;
	bool behind = ferry_local_address(s->h, &own) == 0 &&
		      ferry_remote_address(s->h, &peer) == 0 && address_is_inner(&own) &&
		      !address_is_inner(&peer);

	if (asprintf(&question,
		"%s %s. In active mode the server calls this "
		"machine, at a port that is opened for that one call%s. Try it? [y/n] ",
		before, host == NULL ? "" : host,
		behind ? " (from behind a router that often fails)" : "") < 0) {
		question = NULL;
		return false;
	}
	return reader_ask(question, &answer) == 0 && (*answer == 'y' || *answer == 'Y');
}

static bool
may_ask(const struct detour *d, const struct session *s)
{
	return !d->has_asked && !s->active_allowed && !s->opt->quiet && s->may_ask &&
	       isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && ferry_is_logged_in(s->h);
}

static bool
be_called(struct detour *d, struct session *s, const struct target *t, int rc)
{
	_cleanup_free_ char *why = session_error(s, rc);

	if (!may_ask(d, s))
		return false;
	d->has_asked = true;
	if (!ask_consent(s, t, "No passive data connection with")) {
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
	if (s->mode != FERRY_MODE_AUTO)
		return false;
	if (try_next_way(d, s, t, rc))
		return true;
	if (rc != -FERRY_EDATA)
		return false;
	return change_family(d, s, t, rc) || be_called(d, s, t, rc);
}

int
detour_remembered(struct detour *d, struct session *s, const struct target *t)
{
	int other = memory_is_elsewhere(&s->memory) ? other_family(s, t) : AF_UNSPEC;

	if (s->mode != FERRY_MODE_AUTO)
		return 0;
	if (other != AF_UNSPEC)
		(void)go_over(s, t, other, false);
	if (memory_is_active(&s->memory) && may_ask(d, s)) {
		d->has_asked = true;
		s->active_allowed = ask_consent(
		    s, t, "From this network only active mode worked before with");
		session_apply(s);
	}
	return ferry_is_logged_in(s->h) ? 0 : -FERRY_ECONNECT;
}
