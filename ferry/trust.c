/*
 * Trust on first use, and memory of who encrypts. A server that ever encrypted is never
 * spoken to in clear again without --plain; a key that has changed is refused, with
 * --accept-new too.
 */
#include "trust.h"

#include "own.h"
#include "safe.h"
#include "secret.h"
#include "session.h"

#define NO_FILE "none"

void
trust_clear(struct trust *t)
{
	freep(&t->path);
	*t = (struct trust){.path = NULL};
}

static uint16_t
port_of(uint16_t port, enum ferry_tls tls)
{
	if (port != 0)
		return port;
	return tls == FERRY_TLS_IMPLICIT ? 990 : 21;
}

/* Reads what is known of the server. */
static int
look_up(struct session *s, const char *host, uint16_t port)
{
	const char *given = s->opt->known_hosts;
	struct trust *t = &s->trust;
	unsigned line = 0;
	int rc;

	trust_clear(t);
	t->port = port;
	if (given == NULL)
		t->path = known_default_path();
	else if (strcmp(given, NO_FILE) != 0 && (t->path = strdup(given)) == NULL)
		return -FERRY_ENOMEM;
	if (t->path == NULL)
		return 0;
	rc = known_lookup(t->path, host, port, &t->known, &line);
	if (rc == -FERRY_EINVAL)
		return session_fail(
		    s, -FERRY_ELOCAL, "%s: line %u is not understood", t->path, line);
	if (rc == -FERRY_ESYS)
		return session_fail(s, -FERRY_ELOCAL, "%s: %s", t->path, strerror(errno));
	return rc < 0 ? rc : 0;
}

int
trust_begin(struct session *s, const char *host, uint16_t port, enum ferry_tls tls)
{
	enum ferry_tls wanted = s->opt->tls;
	int rc;

	if (tls != FERRY_TLS_AUTO && wanted == FERRY_TLS_NEVER)
		return session_fail(s, -FERRY_EINVAL,
		    "--plain and a URL that begins with ftps:// or ftpes:// contradict "
		    "each other");
	if (tls == FERRY_TLS_AUTO)
		tls = wanted;
	rc = look_up(s, host, port_of(port, tls));
	if (rc < 0)
		return rc;
	if (tls == FERRY_TLS_AUTO && s->trust.known.tls)
		tls = FERRY_TLS_EXPLICIT;
	return ferry_set_tls(s->h, tls);
}

/* ---------------------------------------------------------------- a new server */

/* A person at a terminal says "yes", the whole word. */
static bool
person_accepts(const struct ferry_tls_peer *peer)
{
	_cleanup_free_ char *problem = safe_string(peer->problem), *answer = NULL,
			    *question = NULL;

	if (problem == NULL ||
	    asprintf(&question,
		"%s.\nIts fingerprint is SHA256:%s\nTrust this server from now on "
		"(yes/no)? ",
		problem, peer->fingerprint) < 0) {
		question = NULL;
		return false;
	}
	return secret_ask_echoed(question, &answer) == 0 && strcmp(answer, "yes") == 0;
}

bool
trust_ask(const struct ferry_tls_peer *peer, void *user)
{
	struct session *s = user;
	struct trust *t = &s->trust;
	double begun = monotonic();

	if (*t->known.key != '\0') {
		if (strcmp(t->known.key, peer->fingerprint) == 0)
			return true;
		session_fail(s, 0,
		    "the key of %s is not the one that you accepted: another server may "
		    "answer in its place. The new fingerprint is SHA256:%s; if its "
		    "administrator confirms that, take the host out of %s",
		    peer->host, peer->fingerprint, t->path);
		return false;
	}
	t->accepted = s->opt->accept_new || (s->may_ask && person_accepts(peer));
	session_asked(s, begun);
	if (t->accepted)
		snprintf(t->known.key, sizeof t->known.key, "%s", peer->fingerprint);
	return t->accepted;
}

/* ---------------------------------------------------------------- memory */

static void
remember(struct session *s, const char *host)
{
	struct trust *t = &s->trust;
	_cleanup_free_ char *path = NULL;

	t->known.tls = true;
	if (t->path == NULL || known_store(t->path, host, t->port, &t->known) == 0)
		return;
	path = safe_string(t->path);
	/* that it encrypts is only a precaution; an acceptance was asked for */
	if (t->accepted || s->opt->verbose)
		fprintf(stderr, "ferry: %s: the server could not be remembered: %s\n",
		    path == NULL ? "" : path, strerror(errno));
}

int
trust_end(struct session *s, const char *host, int result)
{
	struct trust *t = &s->trust;
	struct ferry_tls_info info;
	bool encrypted = result == 0 && ferry_tls_info(s->h, &info) == 0;

	if (result == -FERRY_ETLSNONE && t->known.tls && s->opt->tls == FERRY_TLS_AUTO) {
		_cleanup_free_ char *why = session_error(s, result);
		return session_fail(s, result,
		    "%s. It did before (%s): somebody between may be hiding it. --plain "
		    "goes on in clear",
		    why == NULL ? "" : why, t->path);
	}
	if (encrypted && (t->accepted || !t->known.tls))
		remember(s, host);
	return result;
}
