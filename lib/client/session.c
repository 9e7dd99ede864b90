/*
 * The session: connect and greeting, login, FEAT, QUIT, a raw command.
 */
#include "client.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FTP_PORT 21
#define FTPS_PORT 990
#define HOST_MAX 255 /* RFC 1035 2.3.4 */

void
session_reset(struct ferry *h)
{
	h->connected = h->logged_in = false;
	h->type = 0;
	h->no_epsv = h->no_pasv = h->no_ahead = h->no_mlsd = false;
	h->no_hurry = false;
	h->data.last_port = 0;
	ladder_forget(h);
	coding_reset(h);
	security_reset(&h->security);
	buf_clear(&h->features);
	h->knows_features = false;
	buf_clear(&h->control.goodbye);
	buf_clear(&h->control.sent);
}

/* ---------------------------------------------------------------- connect */

enum connect_state {
	CONNECT_RESOLVE, /* the name is looked up; ended by its answer or its timer */
	CONNECT_DIAL, /* addresses are tried; ended by the first that answers, or the last
		       */
	CONNECT_GREETING, /* connected; ended by the greeting */
	CONNECT_FEAT,     /* FEAT sent: is there AUTH TLS? */
	CONNECT_AUTH,     /* AUTH TLS sent */
	CONNECT_TLS,      /* the handshake; ended by secure_work() */
};

static int note_features(struct ferry *h);

static int
await_greeting(struct ferry *h)
{
	h->op.state = CONNECT_GREETING;
	h->control.waiting = 1;
	control_await(h);
	return FERRY_AGAIN;
}

static int
begin_tls(struct ferry *h)
{
	h->op.state = CONNECT_TLS;
	return secure_begin(h);
}

static int
dialling(struct ferry *h, bool *ret_moved)
{
	int r = dial_work(h, ret_moved);

	if (r != 0)
		return r;
	*ret_moved = true;
	return h->security.policy == FERRY_TLS_IMPLICIT ? begin_tls(h)
							: await_greeting(h);
}

static int
shaking(struct ferry *h, bool *ret_moved)
{
	int r = secure_work(h);

	if (r == FERRY_AGAIN)
		return r;
	*ret_moved = true;
	/* what was said in clear counts no more */
	buf_clear(&h->features);
	if (r == 0 && h->security.policy == FERRY_TLS_IMPLICIT)
		return await_greeting(h);
	return r;
}

static int
resolved(struct ferry *h, int r)
{
	if (r == 0)
		h->op.state = CONNECT_DIAL;
	return r == 0 ? FERRY_AGAIN : r;
}

static int
connect_begin(struct ferry *h)
{
	h->op.state = CONNECT_RESOLVE;
	h->sys_errno = 0;
	return resolved(h, resolve_begin(h, &h->dial.to));
}

static int
connect_work(struct ferry *h, bool *ret_moved)
{
	int r;

	switch ((enum connect_state)h->op.state) {
	case CONNECT_RESOLVE:
		r = resolve_work(h, &h->dial.to);
		*ret_moved = r != FERRY_AGAIN;
		return resolved(h, r);
	case CONNECT_DIAL:
		return dialling(h, ret_moved);
	case CONNECT_TLS:
		return shaking(h, ret_moved);
	case CONNECT_GREETING:
	case CONNECT_FEAT:
	case CONNECT_AUTH:
		break;
	}
	return FERRY_AGAIN;
}

/* The greeting is the last reply of all this. */
static int
greeted(struct ferry *h)
{
	h->connected = true;
	h->op.keep_reply = true;
	switch (h->security.policy) {
	case FERRY_TLS_AUTO:
		return op_send(h, CONNECT_FEAT, "FEAT", NULL);
	case FERRY_TLS_EXPLICIT:
		return op_send(h, CONNECT_AUTH, "AUTH", "TLS");
	case FERRY_TLS_NEVER:
	case FERRY_TLS_IMPLICIT:
		break;
	}
	return 0;
}

/* "AUTH TLS", and the lists that servers are known to make of it: "AUTH SSL;TLS;". */
static bool
offers_tls(const char *line, size_t n)
{
	if (n < 5 || !equal_nocase(line, "AUTH ", 5))
		return false;
	for (size_t i = 5; i + 3 <= n; i++)
		if (equal_nocase(line + i, "TLS", 3) &&
		    (line[i - 1] == ' ' || line[i - 1] == ';') &&
		    (i + 3 == n || !isalnum((unsigned char)line[i + 3])))
			return true;
	return false;
}

static bool
features_offer_tls(struct ferry *h)
{
	const char *line = buf_cstr(&h->features);

	while (line && *line) {
		size_t n = strcspn(line, "\n");

		if (offers_tls(line, n))
			return true;
		line += n + (line[n] == '\n');
	}
	return false;
}

/* No FEAT before login is no offer. */
static int
feat_reply(struct ferry *h)
{
	int r = h->control.reply.code == 211 ? note_features(h) : 0;

	if (r < 0 || !features_offer_tls(h))
		return r;
	return op_send(h, CONNECT_AUTH, "AUTH", "TLS");
}

/* Not for now: waiting helps, going on in clear does not. */
static int
auth_refused(struct ferry *h)
{
	bool offered = h->security.policy == FERRY_TLS_AUTO;
	int code = h->control.reply.code;
	_cleanup_free_ char *said = safe_text(reply_text(&h->control.reply));

	if (!said)
		return fail_memory(h);
	/* Pure-FTPd and IIS without a certificate list AUTH TLS all the same. Their
	 * public files can be had; a password is another matter: login_begin() */
	if (offered && code >= 500) {
		event_warning(h,
		    "%s offers encryption and then refuses it (%d %s): commands and "
		    "files "
		    "travel in clear",
		    h->host, code, said);
		h->security.broken_offer = code;
		return 0;
	}
	return fail(h, FERRY_ETLSNONE, 0,
	    "%s does not encrypt%s: to AUTH TLS it said %d %s", h->host,
	    offered ? " now, although it offers to" : "", code, said);
}

/* RFC 4217 4: 234 and nothing else. */
static int
auth_reply(struct ferry *h)
{
	return h->control.reply.code == 234 ? begin_tls(h) : auth_refused(h);
}

/* 220 is ready; 120 (wait) is no final reply; anything else is a refusal. */
static int
connect_reply(struct ferry *h)
{
	_cleanup_free_ char *said = NULL;
	int code = h->control.reply.code;

	if (h->op.state == CONNECT_FEAT)
		return feat_reply(h);
	if (h->op.state == CONNECT_AUTH)
		return auth_reply(h);
	if (code >= 200 && code < 300)
		return greeted(h);
	said = safe_text(reply_text(&h->control.reply));
	if (!said)
		return fail_memory(h);
	return fail(h, code < 400 ? FERRY_EPROTO : reply_error(code), 0,
	    "%s does not want us: %d %s", h->host, code, said);
}

static void
connect_end(struct ferry *h, int result)
{
	dial_close(h);
	if (result < 0)
		control_close(h, -result);
}

const struct op_type op_connect = {
    .name = "connect",
    .offline = true,
    .begin = connect_begin,
    .reply = connect_reply,
    .work = connect_work,
    .end = connect_end,
};

static int
take_host(struct ferry *h, const char *host)
{
	char *copy;

	if (strlen(host) > HOST_MAX)
		return fail(h, FERRY_EINVAL, 0, "the host name is too long");
	for (const char *s = host; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return fail(h, FERRY_EINVAL, 0,
			    "the host name has a blank or a control character in it");
	copy = strdup(host);
	if (!copy)
		return fail_memory(h);
	free(h->host);
	h->host = copy;
	return 0;
}

int
ferry_connect(struct ferry *h, const char *host, uint16_t port)
{
	int r;

	if (h->control.fd >= 0)
		return fail(
		    h, FERRY_ESTATE, 0, "there is a connection to %s already", h->host);
	r = op_prepare(h, &op_connect, host ? host : "", NULL);
	if (r < 0)
		return r;
	r = take_host(h, host);
	if (r < 0) {
		op_release(h);
		return r;
	}
	if (port == 0)
		port = h->security.policy == FERRY_TLS_IMPLICIT ? FTPS_PORT : FTP_PORT;
	h->port = port;
	session_reset(h);
	buf_clear(&h->dial.why);
	h->dial.next = 0;
	h->dial.next_start = 0;
	h->dial.to.count = 0;
	return op_run(h);
}

/* ---------------------------------------------------------------- login */

enum login_state {
	LOGIN_USER, /* USER sent */
	LOGIN_PASS, /* PASS sent */
	LOGIN_ACCT, /* ACCT sent */
	LOGIN_PBSZ, /* logged in through TLS; PBSZ sent */
	LOGIN_PROT, /* PROT sent */
	LOGIN_FEAT, /* logged in; FEAT sent */
};

/* RFC 1635: who brings no secret. */
static bool
is_anonymous(const char *user)
{
	return strcasecmp(user, "anonymous") == 0 || strcasecmp(user, "ftp") == 0;
}

/* Never a password in clear where encryption was offered. */
static int
login_exposed(struct ferry *h)
{
	_cleanup_free_ char *user = safe_text(h->op.path);

	if (!user)
		return fail_memory(h);
	return fail(h, FERRY_ETLSNONE, 0,
	    "%s offers encryption and then refuses it (to AUTH TLS it said %d): the "
	    "password of %s is not sent in clear",
	    h->host, h->security.broken_offer, user);
}

static int
login_begin(struct ferry *h)
{
	h->logged_in = false;
	if (h->security.broken_offer != 0 && !is_anonymous(h->op.path))
		return login_exposed(h);
	return op_send(h, LOGIN_USER, "USER", h->op.path);
}

/* "211-Features:" LF " MLST type*;" LF ... LF "211 End" (RFC 2389 3.2). */
static int
note_features(struct ferry *h)
{
	struct reply *reply = &h->control.reply;
	const char *line = buf_cstr(&reply->text);

	buf_clear(&h->features);
	if (!line)
		return fail_memory(h);
	while ((line = strchr(line, '\n'))) {
		size_t n;

		line++;
		if (*line != ' ')
			continue;
		line += strspn(line, " ");
		n = strcspn(line, "\r\n");
		while (n > 0 && line[n - 1] == ' ')
			n--;
		if (buf_append(&h->features, line, n) < 0 ||
		    buf_append_byte(&h->features, '\n') < 0)
			return fail_memory(h);
	}
	return 0;
}

static int
ask_features(struct ferry *h)
{
	h->logged_in = true;
	return h->knows_features ? 0 : op_send(h, LOGIN_FEAT, "FEAT", NULL);
}

/* The reply to PASS stays the last one. RFC 4217 8 and 9: PBSZ 0 goes before PROT; what
 * the server thinks of it does not matter. */
static int
let_in(struct ferry *h)
{
	h->op.keep_reply = true;
	if (!h->control.tls)
		return ask_features(h);
	return op_send(h, LOGIN_PBSZ, "PBSZ", "0");
}

/* From now on data connections are encrypted, on both sides: ours are in any case. Old
 * servers of implicit TLS know no PROT and need none. */
static int
prot_reply(struct ferry *h)
{
	int code = h->control.reply.code;
	bool implied =
	    h->security.policy == FERRY_TLS_IMPLICIT && (code == 500 || code == 502);
	_cleanup_free_ char *said = safe_text(reply_text(&h->control.reply));

	if (!said)
		return fail_memory(h);
	if (code / 100 != 2 && !implied)
		return fail(h, FERRY_ETLSNONE, 0,
		    "%s encrypts commands but not files: to PROT P it said %d %s",
		    h->host, code, said);
	return ask_features(h);
}

/* Asks the program for what the call did not bring. *secret stays NULL without a
 * callback. */
static int
ask_secret(struct ferry *h, int code, char **secret)
{
	if (*secret || !h->secret_cb)
		return 0;
	*secret = h->secret_cb(code, h->secret_user);
	if (!*secret)
		return fail(h, FERRY_ELOGIN, 0, "%s wants %s, and none was given",
		    h->host, code == 332 ? "an account" : "a password");
	return control_check(h, code == 332 ? "account" : "password", *secret);
}

static int
send_password(struct ferry *h)
{
	int r = ask_secret(h, 331, &h->op.secret);

	if (r < 0)
		return r;
	return op_send(h, LOGIN_PASS, "PASS", h->op.secret ? h->op.secret : "ferry@");
}

static int
send_account(struct ferry *h)
{
	int r = ask_secret(h, 332, &h->op.account);

	if (r < 0)
		return r;
	if (!h->op.account)
		return fail(h, FERRY_ELOGIN, 0,
		    "%s wants an account besides the password", h->host);
	return op_send(h, LOGIN_ACCT, "ACCT", h->op.account);
}

static int
login_refused(struct ferry *h)
{
	int code = h->control.reply.code;
	_cleanup_free_ char *said = safe_text(reply_text(&h->control.reply));
	_cleanup_free_ char *user = safe_text(h->op.path);

	if (!said || !user)
		return fail_memory(h);
	if (code != 530 && code != 430 && code != 532)
		return fail_reply(h);
	return fail(h, FERRY_ELOGIN, 0, "%s does not let %s in: %d %s", h->host, user,
	    code, said);
}

static int
login_reply(struct ferry *h)
{
	int code = h->control.reply.code;

	if (h->op.state == LOGIN_FEAT)
		return code == 211 ? note_features(h) : 0;
	if (h->op.state == LOGIN_PBSZ)
		return op_send(h, LOGIN_PROT, "PROT", "P");
	if (h->op.state == LOGIN_PROT)
		return prot_reply(h);
	if (code >= 200 && code < 300)
		return let_in(h);
	if (code == 331 && h->op.state == LOGIN_USER)
		return send_password(h);
	if (code == 332 && h->op.state != LOGIN_ACCT)
		return send_account(h);
	return login_refused(h);
}

static const struct op_type op_login = {
    .name = "login",
    .begin = login_begin,
    .reply = login_reply,
};

/* Secrets may be empty. */
static int
take_secret(struct ferry *h, const char *what, const char *text, char **ret)
{
	int r = text ? control_check(h, what, text) : 0;

	if (r < 0 || !text)
		return r;
	*ret = strdup(text);
	return *ret ? 0 : fail_memory(h);
}

int
ferry_login(struct ferry *h, const char *user, const char *password, const char *account)
{
	int r = op_prepare(h, &op_login, user ? user : "anonymous", NULL);

	if (r < 0)
		return r;
	r = take_secret(h, "password", password, &h->op.secret);
	if (r == 0)
		r = take_secret(h, "account", account, &h->op.account);
	if (r < 0) {
		op_release(h);
		return r;
	}
	return op_run(h);
}

/* ---------------------------------------------------------------- quit */

static int
quit_begin(struct ferry *h)
{
	int r;

	if (h->control.fd < 0)
		return 0;
	r = op_send(h, 0, "QUIT", NULL);
	control_hurry(h, QUIT_MS); /* a router may have forgotten the connection */
	return r;
}

/* Whatever the server says: we go. */
static int
quit_reply(struct ferry *h)
{
	return 0;
}

static int
quit_lost(struct ferry *h)
{
	return 0;
}

static void
quit_end(struct ferry *h, int result)
{
	control_close(h, result < 0 ? -result : 0);
}

static const struct op_type op_quit = {
    .name = "quit",
    .begin = quit_begin,
    .reply = quit_reply,
    .lost = quit_lost,
    .end = quit_end,
};

int
ferry_quit(struct ferry *h)
{
	return op_simple(h, &op_quit, NULL);
}

/* ---------------------------------------------------------------- command */

static bool
line_is(const char *line, const char *verb)
{
	size_t n = strlen(verb);

	return equal_nocase(line, verb, n) && (line[n] == ' ' || line[n] == '\0');
}

/* The line is sent as it is, split at its first blank so that a password in it is masked.
 */
static int
command_begin(struct ferry *h)
{
	char *line = h->op.path;
	char *blank = strchr(line, ' ');
	int r;

	if (blank)
		*blank = '\0';
	r = op_send(h, 0, line, blank ? blank + 1 : NULL);
	if (blank)
		*blank = ' ';
	return r;
}

/* Commands at which the server drops the data connection that MODE B has kept open. */
static bool
ends_data(const char *line)
{
	static const char *const verbs[] = {
	    "MODE", "REIN", "PASV", "EPSV", "PORT", "EPRT", "ABOR"};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (line_is(line, verbs[i]))
			return true;
	return false;
}

/* What the caller may have changed behind our back. */
static int
command_reply(struct ferry *h)
{
	const char *line = h->op.path;
	int code = h->control.reply.code;

	if (line_is(line, "TYPE") || line_is(line, "REIN"))
		h->type = 0;
	if (line_is(line, "MODE") || line_is(line, "REIN"))
		h->coding.now = FERRY_CODING_AUTO;
	if (ends_data(line))
		data_close(h, 0, false);
	if (line_is(line, "USER") || line_is(line, "REIN"))
		h->logged_in = false;
	if (code == 230 &&
	    (line_is(line, "USER") || line_is(line, "PASS") || line_is(line, "ACCT")))
		h->logged_in = true;
	return 0;
}

static const struct op_type op_command = {
    .name = "command",
    .begin = command_begin,
    .reply = command_reply,
};

/* What would change the encryption behind our back. */
static bool
meddles(const struct ferry *h, const char *line)
{
	static const char *const verbs[] = {
	    "CCC", "PROT", "PBSZ", "REIN", "MIC", "CONF", "ENC"};

	if (line_is(line, "AUTH") || line_is(line, "ADAT"))
		return true;
	for (size_t i = 0; h->control.tls && i < ARRAY_LEN(verbs); i++)
		if (line_is(line, verbs[i]))
			return true;
	return false;
}

int
ferry_command(struct ferry *h, const char *line)
{
	if (line && meddles(h, line))
		return fail(h, FERRY_EINVAL, 0,
		    "%.*s is not sent as it is: how the connection is encrypted is "
		    "settled "
		    "when it is made, and stays so until its end",
		    (int)strcspn(line, " "), line);
	return op_simple(h, &op_command, line ? line : "");
}
