/*
 * Sessions of the client program. Secrets pass through here and stay nowhere.
 */
#include "session.h"

#include "interrupt.h"
#include "netrc.h"
#include "own.h"
#include "safe.h"
#include "secret.h"
#include "trace.h"

#include <stdarg.h>

#define ANONYMOUS_PASSWORD "ferry@"

int
session_fail(struct session *s, int result, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->message, sizeof s->message, format, ap);
	va_end(ap);
	return result;
}

/* What can be done about a server that nobody vouches for. */
static char *
with_advice(const char *text)
{
	char *safe = safe_string(text), *all = NULL;

	if (safe == NULL || asprintf(&all,
				"%s. If its administrator confirms it: --accept-new "
				"remembers it, --pin names it, --cacert FILE trusts an "
				"authority",
				safe) < 0)
		return safe;
	free(safe);
	return all;
}

char *
session_error(const struct session *s, int result)
{
	const char *text = s->message;

	if (*text == '\0')
		text = ferry_error_text(s->h);
	if (text == NULL || *text == '\0')
		text = ferry_strerror(result);
	if (result == -FERRY_ETLSCERT && *s->message == '\0' && s->opt->pin == NULL)
		return with_advice(text);
	return safe_string(text);
}

/* ---------------------------------------------------------------- settings */

void
session_asked(struct session *s, double begun)
{
	double took = monotonic() - begun;

	s->asked_seconds += took;
	if (s->limit != 0)
		s->limit += took;
}

/* A server that repeats a password must not bring it into the trace. */
static void
hide(struct session *s, const char *secret)
{
	if (s->view.record != NULL && secret != NULL &&
	    strcmp(secret, ANONYMOUS_PASSWORD) != 0)
		record_hide(s->view.record, secret);
}

/* Where the answer to this question is kept, or NULL. */
static char **
login_place(struct session *s, int code)
{
	if (s->login == NULL)
		return NULL;
	return code == 332                ? &s->login->account
	       : code == FERRY_SECRET_KEY ? &s->login->passphrase
					  : &s->login->password;
}

static char *
ask_person(struct session *s, int code)
{
	char *secret = NULL;
	const char *question = code == 332                ? "Account: "
			       : code == FERRY_SECRET_KEY ? "Passphrase of your key: "
							  : s->prompt_password;
	int rc;

	if (!s->may_ask)
		return NULL;
	if (s->secret_from_input && code != FERRY_SECRET_KEY)
		rc = secret_from_fd(STDIN_FILENO, &secret);
	else
		rc = secret_ask(question, &secret);
	hide(s, secret);
	return rc < 0 ? NULL : secret;
}

static char *
ask_secret(int code, void *user)
{
	struct session *s = user;
	char **place = login_place(s, code);
	double begun;
	char *secret;

	if (place != NULL && *place != NULL)
		return strdup(*place);
	if (code == 331 && s->kept_password != NULL)
		return strdup(s->kept_password);
	begun = monotonic();
	secret = ask_person(s, code);
	session_asked(s, begun);
	if (code == 331 && s->keeps_password && secret != NULL)
		s->kept_password = strdup(secret);
	if (place != NULL && secret != NULL)
		*place = strdup(secret);
	return secret;
}

static void
apply_timeout(struct ferry *h, unsigned ms)
{
	if (ms == 0)
		return;
	ferry_set_timer(h, FERRY_TIMER_CONNECT, ms);
	ferry_set_timer(h, FERRY_TIMER_REPLY, ms);
	ferry_set_timer(h, FERRY_TIMER_STALL, ms);
	/* attempts at a data connection have short budgets of their own; only a shorter
	 * one counts */
	if (ms < 5000)
		ferry_set_timer(h, FERRY_TIMER_DATA_CONNECT, ms);
	if (ms < 10000)
		ferry_set_timer(h, FERRY_TIMER_ACCEPT, ms);
}

void
session_apply(struct session *s)
{
	ferry_set_mode(s->h, s->mode);
	ferry_set_coding(s->h, s->coding);
	ferry_set_active_allowed(s->h, s->active_allowed);
	ferry_set_binary(s->h, s->binary);
}

static void
on_event(const struct ferry_event *ev, void *user)
{
	struct session *s = user;

	if (ev->kind == FERRY_EV_CONNECTED && ev->channel == FERRY_CONTROL) {
		s->own = ev->local;
		s->peer = ev->remote;
	}
	memory_event(&s->memory, ev);
	view_event(ev, &s->view);
}

static int
apply_options(struct session *s)
{
	const struct options *o = s->opt;

	ferry_set_blocking(s->h, false);
	ferry_on_event(s->h, on_event, s);
	ferry_on_secret(s->h, ask_secret, s);
	ferry_on_trust(s->h, trust_ask, s);
	ferry_set_trust_pasv_address(s->h, o->trust_pasv);
	apply_timeout(s->h, o->timeout_ms);
	session_apply(s);
	if (o->key_file != NULL && o->cert_file == NULL)
		return session_fail(s, -FERRY_EINVAL, "--key goes with --cert");
	if (ferry_set_tls_authorities(s->h, o->ca_file) < 0 ||
	    ferry_set_tls_certificate(s->h, o->cert_file, o->key_file) < 0)
		return session_fail(s, -FERRY_ENOMEM, "out of memory");
	if (ferry_set_tls_pin(s->h, o->pin) < 0)
		return session_fail(
		    s, -FERRY_EINVAL, "--pin: %s", ferry_error_text(s->h));
	if (ferry_set_family(s->h, o->family) < 0)
		return session_fail(
		    s, -FERRY_EINVAL, "this address family is not available");
	if (o->source != NULL && ferry_set_source_address(s->h, o->source) < 0)
		return session_fail(
		    s, -FERRY_EINVAL, "--source: \"%s\" is no address", o->source);
	if (o->active_address != NULL &&
	    ferry_set_active_address(s->h, o->active_address) < 0)
		return session_fail(s, -FERRY_EINVAL,
		    "--active-address: \"%s\" is no address", o->active_address);
	if (o->active_high != 0 &&
	    ferry_set_active_ports(s->h, o->active_low, o->active_high) < 0)
		return session_fail(s, -FERRY_EINVAL, "--active-ports: %u-%u will not do",
		    (unsigned)o->active_low, (unsigned)o->active_high);
	return 0;
}

/* Before anything is done: whether the file can be written there. */
static int
begin_trace(struct session *s)
{
	int rc = trace_check(s->opt->trace, s->message, sizeof s->message);

	if (rc < 0)
		return rc;
	interrupt_catch_end(); /* a session that hangs is what a trace is wanted of */
	return view_record(&s->view);
}

int
session_save_trace(struct session *s)
{
	char why[600];
	int rc;

	if (s->view.record == NULL)
		return 0;
	rc = trace_save(s->opt->trace, s->view.record, why, sizeof why);
	if (rc < 0)
		fprintf(stderr, "ferry: %s\n", why);
	return rc;
}

int
session_init(struct session *s, const struct options *opt)
{
	*s = (struct session){.opt = opt,
	    .mode = opt->mode,
	    .coding = opt->coding,
	    .active_allowed = opt->active_allowed,
	    .binary = !opt->ascii,
	    .prompt_password = "Password: "};
	s->view.out = stderr;
	s->view.hash_size = 1024;
	if (opt->mode == FERRY_MODE_AUTO && !opt->no_memory)
		memory_init(&s->memory, ways_default_path());
	int rc = ferry_new(&s->h);
	if (rc == 0 && opt->trace != NULL)
		rc = begin_trace(s);
	if (rc < 0)
		return rc;
	return apply_options(s);
}

void
session_free(struct session *s)
{
	ferry_free(s->h);
	s->h = NULL;
	wipep(&s->kept_password);
	trust_clear(&s->trust);
	memory_clear(&s->memory);
	explain_free(s->view.explain);
	s->view.explain = NULL;
	record_free(s->view.record);
	s->view.record = NULL;
	view_end(&s->view);
}

void
session_drop(struct session *s)
{
	struct ferry *fresh = NULL;

	if (ferry_new(&fresh) < 0)
		abort();
	ferry_free(s->h);
	s->h = fresh;
	apply_options(s);
}

/* ---------------------------------------------------------------- running */

/* ^C: what becomes of the operation. */
static int
stop(struct session *s)
{
	interrupt_clear();
	if (!s->stopping && !s->drops_at_once && !interrupt_is_end() &&
	    ferry_is_logged_in(s->h)) {
		s->stopping = true;
		ferry_abort(s->h);
		return FERRY_AGAIN;
	}
	session_drop(s);
	return session_fail(s, -FERRY_EABORTED, "interrupted; the connection is closed");
}

/* Milliseconds to the limit, or timeout if that is sooner. */
static int
limit_timeout(const struct session *s, int timeout)
{
	double left = s->limit - monotonic();

	if (s->limit == 0)
		return timeout;
	if (left <= 0)
		return 0;
	return timeout >= 0 && timeout / 1000.0 < left ? timeout : (int)(left * 1000) + 1;
}

static bool
is_over_limit(const struct session *s)
{
	return s->limit != 0 && limit_timeout(s, -1) == 0;
}

int
session_run(struct session *s, int result)
{
	s->message[0] = '\0';
	s->stopping = false;
	while (result == FERRY_AGAIN) {
		struct pollfd fds[4];
		int timeout = -1;
		nfds_t n = ferry_poll(s->h, fds, ARRAY_LEN(fds), &timeout);

		if (is_over_limit(s)) {
			session_drop(s);
			return session_fail(s, -FERRY_ETIMEOUT,
			    "the time for this was over; the connection is closed");
		}
		timeout = limit_timeout(s, timeout);
		if (interrupt_poll(fds, n, timeout) < 0 && interrupt_seen()) {
			result = stop(s);
			if (result != FERRY_AGAIN)
				break;
		}
		result = ferry_step(s->h);
	}
	memory_settle(&s->memory, result);
	/* ^C was seen first where the local file is read or written */
	if (result == -FERRY_ELOCAL && interrupt_seen()) {
		interrupt_clear();
		return session_fail(s, -FERRY_EABORTED, "the transfer was stopped");
	}
	return result;
}

/* ---------------------------------------------------------------- connect and log in */

static int
connect_now(struct session *s, const char *host, uint16_t port)
{
	int rc;

	interrupt_clear();
	s->view.host = host;
	rc = session_run(s, ferry_connect(s->h, host, port));
	s->view.host = NULL;
	return rc;
}

int
session_connect(struct session *s, const char *host, uint16_t port, enum ferry_tls tls)
{
	int rc;

	s->message[0] = '\0';
	rc = trust_begin(s, host, port, tls);
	if (rc < 0)
		return rc;
	memory_connect(&s->memory, host, s->trust.port);
	return trust_end(s, host, connect_now(s, host, port));
}

int
session_login(
    struct session *s, const char *user, const char *password, const char *account)
{
	struct ferry_tls_info info;
	_cleanup_free_ char *why = NULL;
	int rc;

	hide(s, password);
	hide(s, account);
	rc = session_run(s, ferry_login(s->h, user, password, account));
	if (rc == 0)
		memory_begin(&s->memory, s->h);
	if (rc != -FERRY_ETLSNONE || ferry_tls_info(s->h, &info) == 0)
		return rc;
	why = session_error(s, rc);
	return session_fail(
	    s, rc, "%s. --plain sends it all the same", why == NULL ? "" : why);
}

int
session_netrc(
    struct session *s, const char *host, const char *user, struct netrc_entry *ret)
{
	_cleanup_free_ char *home = netrc_default_path();
	const char *path = s->opt->netrc != NULL ? s->opt->netrc : home;
	unsigned line = 0;
	int rc;

	if (s->opt->no_netrc || path == NULL)
		return 0;
	rc = netrc_lookup(path, host, user, ret, &line);
	if (rc == -FERRY_EINVAL)
		return session_fail(s, rc, "%s: line %u is not understood", path, line);
	if (rc == -FERRY_ESYS && errno == EPERM)
		return session_fail(s, rc,
		    "%s holds a password and other users can read it: chmod 600 %s", path,
		    path);
	if (rc == -FERRY_ESYS)
		return session_fail(s, rc, "%s: %s", path, strerror(errno));
	return rc;
}

int
session_password(struct session *s, char **ret)
{
	const struct options *o = s->opt;
	int rc;

	if (o->password_file == NULL && o->password_fd < 0)
		return 0;
	rc = o->password_file != NULL ? secret_from_file(o->password_file, ret)
				      : secret_from_fd(o->password_fd, ret);
	if (rc == -FERRY_ESYS && errno == EPERM)
		return session_fail(s, rc, "%s: other users can read it: chmod 600 %s",
		    o->password_file, o->password_file);
	if (rc < 0)
		return session_fail(s, rc, "%s: %s",
		    o->password_file != NULL ? o->password_file : "--password-fd",
		    strerror(errno));
	return 1;
}

void
login_clear(struct login *l)
{
	freep(&l->user);
	wipep(&l->password);
	wipep(&l->account);
	wipep(&l->passphrase);
}

static int
copy_text(const char *text, char **ret)
{
	*ret = text == NULL ? NULL : strdup(text);
	return text != NULL && *ret == NULL ? -FERRY_ENOMEM : 0;
}

int
session_find_login(struct session *s, const struct target *t, struct login *ret)
{
	const char *user = s->opt->user != NULL ? s->opt->user : t->user;
	_cleanup_secret_ char *given = NULL;
	_cleanup_(netrc_clear)
	struct netrc_entry rc_entry = {.login = NULL};
	const char *password = NULL;
	int rc = session_password(s, &given);

	if (rc == 0 && t->password == NULL)
		rc = session_netrc(s, t->host, user, &rc_entry);
	if (rc < 0)
		return rc;
	if (user == NULL)
		user = rc_entry.login;
	password = given != NULL         ? given
		   : t->password != NULL ? t->password
					 : rc_entry.password;
	if (password == NULL && (user == NULL || strcmp(user, "anonymous") == 0))
		password = ANONYMOUS_PASSWORD;
	*ret = (struct login){.user = NULL};
	if (copy_text(user, &ret->user) == 0 &&
	    copy_text(password, &ret->password) == 0 &&
	    copy_text(rc_entry.account, &ret->account) == 0)
		return 0;
	login_clear(ret);
	return -FERRY_ENOMEM;
}

int
session_enter(struct session *s, const struct target *t, const struct login *l)
{
	int rc = session_connect(s, t->host, t->port, t->tls);

	if (rc < 0)
		return rc;
	return session_login(s, l->user, l->password, l->account);
}

int
session_open(struct session *s, const struct target *t)
{
	_cleanup_(login_clear)
	struct login login = {.user = NULL};
	int rc = session_find_login(s, t, &login);

	return rc < 0 ? rc : session_enter(s, t, &login);
}
