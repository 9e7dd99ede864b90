/*
 * Logging in and out: RFC 959 4.1.1, RFC 2577 5 and 7, RFC 1635.
 *
 *   USER <SP> <username>      331, whoever that is; 232 for whom the certificate names
 *                             (cert_user; RFC 4217 4.2 and 12)
 *   PASS <SP> <password>      230, or 530 after a delay that does not tell why; 202
 *                             behind 232
 *   ACCT <SP> <account>       202: accounts mean nothing here
 *   REIN                      220: as after connecting
 *   QUIT                      221, when what came before it is done
 *
 * Auth says who it is and the master grants; this file only waits for their word. It must
 * never let the time or the words of a refusal tell whether a user exists, and keeps no
 * password.
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "certificate.h"
#include "commands.h"
#include "log.h"
#include "policy.h"
#include "tls.h"

/* As the fields of AUTH_LOGIN in messages.def. */
#define USER_MAX 255
#define PASSWORD_MAX 1024

static bool
is_anonymous(const char *user)
{
	return strcasecmp(user, "anonymous") == 0 || strcasecmp(user, "ftp") == 0;
}

static void
check_password(struct session *s, struct bytes password)
{
	s->asked_at = uv_now(s->worker->loop);
	session_enter(s, SESSION_CHECKING);
	if (worker_login(s->worker, s, bytes_of(s->user), password) < 0)
		login_denied(s, true);
}

/* Does auth have to say whether the client's certificate lets this user in? It is asked
 * once a connection at most: each question costs it a process. */
static bool
check_certificate(struct session *s)
{
	_cleanup_(buf_free)
	struct buf chain = BUF_INIT(CHAIN_MAX);
	struct tls *t = conn_tls(s->control);

	if (t == NULL || s->certificate_spent || is_anonymous(s->user) ||
	    cert_user_of(s->conf) == CERT_USER_NONE ||
	    !tls_client_is(t, s->user, &chain))
		return false;
	s->certified = true;
	s->asked_at = uv_now(s->worker->loop);
	session_enter(s, SESSION_CHECKING);
	if (worker_login_certified(s->worker, s, bytes_of(s->user),
		(struct bytes){.p = buf_data(&chain), .n = buf_len(&chain)}) < 0)
		login_denied(s, true);
	return true;
}

static void
ask_for_password(struct session *s)
{
	answer(s, 331, "Please give the password with PASS.");
}

void
cmd_user(struct session *s, struct bytes arg)
{
	const struct conf *conf = s->conf;

	if (session_logged_in(s)) {
		answer(s, 530, "You are logged in already. REIN logs out.");
		return;
	}
	if (arg.n > USER_MAX) {
		answer(s, 501, "The name is too long.");
		return;
	}
	s->user = bytes_dup(arg);
	const char *against =
	    s->user != NULL ? policy_against_login(s, is_anonymous(s->user)) : NULL;
	if (against != NULL) {
		free(s->user);
		s->user = NULL;
		answer(s, 530, "%s", against);
		return;
	}
	if (s->user == NULL)
		answer(s, 451, "Out of memory.");
	else if (conf->no_anon_password && conf->anonymous_enable &&
		 is_anonymous(s->user))
		check_password(s, (struct bytes){.p = (const uint8_t *)"", .n = 0});
	else if (!check_certificate(s))
		ask_for_password(s);
}

void
cmd_pass(struct session *s, struct bytes arg)
{
	struct bytes none = {.p = (const uint8_t *)"", .n = 0};

	if (session_logged_in(s) && s->certified)
		answer(s, 202, "No password is needed: the certificate was enough.");
	else if (session_logged_in(s))
		answer(s, 503, "You are logged in already.");
	else if (s->user == NULL)
		answer(s, 503, "USER comes first.");
	else if (arg.n > PASSWORD_MAX)
		answer(s, 501, "The password is too long.");
	else
		check_password(s, arg.n > 0 ? arg : none);
}

void
cmd_acct(struct session *s, struct bytes arg)
{
	answer(s, 202, "No accounts are used here: USER and PASS are enough.");
}

void
cmd_quit(struct session *s, struct bytes arg)
{
	session_close(s, 221, "Goodbye.");
}

/* Everything as after connecting, 5.1 and 4.1.1. Transfers are over: this command waited
 * its turn. */
void
cmd_rein(struct session *s, struct bytes arg)
{
	session_reset(s);
	answer(s, 220, "Logged out. Ready for a new user.");
	/* RFC 4217 13: this reply is the last one under TLS. */
	if (conn_tls(s->control) != NULL && !s->implicit)
		session_clear(s);
}

/* ---- the word of auth and master ---- */

static void
log_login(const struct session *s, const char *what)
{
	char user[1024], peer[ENDPOINT_TEXT_MAX];

	endpoint_format_address(&s->peer, peer);
	log_event(LOG_INFO, s->id, "login %s%s user=\"%s\" peer=%s", what,
	    s->certified ? " by=certificate" : "",
	    log_quoted(s->user, user, sizeof(user)), peer);
}

/* The reply leaves at a multiple of the delay after PASS came: how long auth took does
 * not show. */
static uint64_t
time_to_refusal(const struct session *s)
{
	uint64_t delay = s->conf->delay_failed_login * 1000;
	uint64_t passed = uv_now(s->worker->loop) - s->asked_at;

	return delay > 0 ? delay - passed % delay : 0;
}

static void
say_denied(struct session *s)
{
	const struct conf *conf = s->conf;

	free(s->user);
	s->user = NULL;
	s->failures++;
	answer(s, 530, "Login incorrect.");
	if (s->failures >= conf->max_login_fails)
		session_close(s, 421, "Too many failed logins. Goodbye.");
	else
		session_enter(s, SESSION_READY);
}

/* The name stays, and a password may do what the certificate could not. */
static void
certificate_denied(struct session *s)
{
	log_login(s, "failed");
	s->certified = false;
	s->certificate_spent = true;
	ask_for_password(s);
	session_enter(s, SESSION_READY);
}

void
login_denied(struct session *s, bool again)
{
	if (!again && s->certified) {
		certificate_denied(s);
		return;
	}
	if (again) {
		log_login(s, "not decided");
		s->certified = false;
		free(s->user);
		s->user = NULL;
		answer(s, 530, "The login cannot be checked just now. Please try again.");
		session_enter(s, SESSION_READY);
		return;
	}
	log_login(s, "failed");
	session_pause(s, time_to_refusal(s), say_denied);
}

void
login_refused(struct session *s, struct bytes why)
{
	struct answer a;

	log_login(s, "refused");
	s->certified = false;
	free(s->user);
	s->user = NULL;
	answer_begin(&a, s, 530);
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "Login not possible: ");
	answer_safe(&a, why.n > 0 ? why : bytes_of("nobody can serve it now."));
	answer_send(&a);
	session_enter(s, SESSION_READY);
}

/* RFC 2228 5: 232 is "authorized by security data exchange". */
static int
welcome_code(const struct session *s)
{
	return s->certified ? 232 : 230;
}

static const char *
welcome_text(const struct session *s)
{
	return s->certified ? "Login successful: the certificate was enough."
			    : "Login successful.";
}

/* The directory's message, if there is one, stands before the last line. */
static void
on_first_directory(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct answer reply;

	answer_begin(&reply, s, welcome_code(s));
	if (a->error == 0)
		answer_lines(&reply, a->text);
	answer_line(&reply, ANSWER_LAST);
	answer_text(&reply, "%s", welcome_text(s));
	answer_send(&reply);
}

static void
say_welcome(struct session *s)
{
	struct msg m = {
	    .type = MSG_AGENT_CHDIR,
	    .agent_chdir = {.path = bytes_of(s->cwd), .message = 1},
	};

	s->failures = 0;
	if (s->conf->dirmessage_enable && dir_is_new(s, s->cwd)) {
		agent_ask(s, &m, on_first_directory);
		return;
	}
	answer(s, welcome_code(s), "%s", welcome_text(s));
	session_done(s);
}

/* Nothing that an earlier user has set reaches this one; transfer parameters stay
 * (4.1.1). */
static void
take_grant(struct session *s, struct agent *agent, const struct msg_worker_grant *g,
    char *user, char *cwd)
{
	free(s->user);
	free(s->cwd);
	s->user = user;
	s->cwd = cwd;
	s->agent = agent;
	s->grant = g->grant;
	s->umask = g->umask;
	s->rights = g->rights;
	s->anonymous = g->anonymous;
}

void
login_granted(struct session *s, struct agent *agent, const struct msg_worker_grant *g)
{
	char *user = bytes_dup(g->user), *cwd = bytes_dup(g->cwd);

	if (user == NULL || cwd == NULL || cwd[0] != '/') {
		free(user);
		free(cwd);
		worker_logout(s->worker, s);
		login_denied(s, true);
		return;
	}
	take_grant(s, agent, g, user, cwd);
	log_login(s, "ok");
	session_pause(s, s->conf->delay_successful_login * 1000, say_welcome);
}
