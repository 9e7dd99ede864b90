/*
 * TLS on the control and data connections: RFC 4217, with the commands of RFC 2228.
 *
 *   AUTH <SP> TLS | TLS-C | SSL    234, then the handshake
 *   PBSZ <SP> <number>             200 PBSZ=0: a stream has no blocks to size
 *   PROT <SP> C | P                200; S and E are not TLS's (536)
 *   CCC                            200, then back to clear, where ssl_ccc_enable=YES
 *
 * What came in clear can have been put there by anybody between client and server: it
 * must never be run once the client believes itself to be private (CVE-2011-0411), nor
 * leave a trace in the session. The handshakes are in session.c and data.c.
 */
#include <assert.h>
#include <ferry/ferry.h>
#include <stdlib.h>

#include "answer.h"
#include "commands.h"
#include "log.h"
#include "policy.h"
#include "tls.h"

/* ---- what must be, and what may not ---- */

static bool
is_secure(const struct session *s)
{
	return conn_tls(s->control) != NULL;
}

const char *
policy_against_login(const struct session *s, bool anonymous)
{
	const struct conf *conf = s->conf;

	if (!conf->ssl_enable)
		return NULL;
	if (anonymous && is_secure(s) && !conf->allow_anon_ssl)
		return "Anonymous sessions may not use TLS here (allow_anon_ssl=NO).";
	if (is_secure(s))
		return NULL;
	if (anonymous && conf->force_anon_logins_ssl)
		return "Anonymous sessions must use TLS here: send AUTH TLS first.";
	if (!anonymous && conf->force_local_logins_ssl)
		return "Logins must be encrypted here: send AUTH TLS first.";
	return NULL;
}

bool
policy_wants_private(const struct session *s)
{
	const struct conf *conf = s->conf;

	return conf->ssl_enable && session_logged_in(s) &&
	       (s->anonymous ? conf->force_anon_data_ssl : conf->force_local_data_ssl);
}

const char *
policy_against_data(const struct session *s)
{
	if (s->private || !policy_wants_private(s))
		return NULL;
	return is_secure(s)
		   ? "Data connections must be encrypted here: send PROT P first."
		   : "Data connections must be encrypted here: use AUTH TLS and PROT P.";
}

/* ---- AUTH ---- */

/* "Off", told like any command that is not there. */
static bool
is_off(struct session *s)
{
	if (s->conf->ssl_enable)
		return false;
	answer(s, 502, "TLS is switched off on this server (ssl_enable=NO).");
	return true;
}

static bool
is_known(struct bytes arg)
{
	static const char *const names[] = {"TLS", "TLS-C", "SSL"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (command_is(arg, names[i]))
			return true;
	}
	return false;
}

static void
begin_tls(struct session *s)
{
	/* HOST came in clear: it chooses the certificate that the client is shown, and
	 * the client sees by it whom it talks to. */
	size_t host = s->host;

	session_reset(s);
	s->unknown = 0;
	answer(s, 234, "Proceed with the TLS handshake.");
	assert(input_is_empty(&s->input) && !line_pending(&s->reader));
	if (!session_secure(s, host))
		session_close(s, 421, "TLS cannot be begun: memory is short.");
}

void
cmd_auth(struct session *s, struct bytes arg)
{
	if (is_off(s))
		return;
	if (is_secure(s)) {
		answer(s, 503, "The control connection is under TLS already.");
	} else if (!is_known(arg)) {
		answer(s, 504, "AUTH knows TLS only.");
	} else if (session_logged_in(s)) {
		answer(s, 534, "AUTH comes before the login. REIN begins afresh.");
	} else if (!worker_has_keys(s->worker)) {
		answer(s, 431, "The server has no certificate just now.");
	} else if (session_has_input(s)) {
		log_event(
		    LOG_WARNING, s->id, "tls failed why=\"clear bytes behind AUTH\"");
		session_close(s, 421, "Clear text came behind AUTH. Goodbye.");
	} else {
		begin_tls(s);
	}
}

/* ---- PBSZ, PROT ---- */

void
cmd_pbsz(struct session *s, struct bytes arg)
{
	uint64_t size;

	if (is_off(s))
		return;
	if (!is_secure(s)) {
		answer(s, 503, "PBSZ comes after AUTH TLS.");
	} else if (parse_uint((const char *)arg.p, arg.n, UINT32_MAX, &size) < 0) {
		answer(s, 501, "PBSZ takes a number, and it should be 0.");
	} else {
		s->pbsz = true;
		answer(s, 200, "PBSZ=0");
	}
}

/* A data connection that MODE B keeps has the old level, a call to the port for all was
 * announced with it. */
static void
set_private(struct session *s, bool private)
{
	if (s->private != private)
		data_unkeep(s);
	if (s->private != private && s->data.call != 0)
		data_close(s);
	s->private = private;
}

void
cmd_prot(struct session *s, struct bytes arg)
{
	if (is_off(s))
		return;
	if (!is_secure(s)) {
		answer(s, 503, "PROT comes after AUTH TLS and PBSZ 0.");
	} else if (!s->pbsz) {
		answer(s, 503, "PBSZ 0 comes first.");
	} else if (command_is(arg, "P")) {
		set_private(s, true);
		answer(s, 200, "Data connections are private from here on.");
	} else if (command_is(arg, "C") && policy_wants_private(s)) {
		answer(s, 534, "Data connections must be encrypted here: PROT stays P.");
	} else if (command_is(arg, "C")) {
		set_private(s, false);
		answer(s, 200, "Data connections are clear from here on.");
	} else if (command_is(arg, "S") || command_is(arg, "E")) {
		answer(s, 536, "TLS has PROT C and PROT P only.");
	} else {
		answer(s, 504, "That is no level of PROT. There are C and P.");
	}
}

/* ---- CCC ---- */

void
cmd_ccc(struct session *s, struct bytes arg)
{
	if (is_off(s))
		return;
	if (!is_secure(s)) {
		answer(s, 533, "The control connection is clear already.");
	} else if (!s->conf->ssl_ccc_enable) {
		answer(s, 534,
		    "The control connection stays encrypted (ssl_ccc_enable=NO).");
	} else {
		answer(s, 200, "TLS on the control connection ends.");
		session_clear(s);
	}
}
