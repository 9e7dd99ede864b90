/*
 * The session: connect and greeting, login, FEAT, QUIT, a raw command.
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

#define FTP_PORT 21
#define HOST_MAX 255 /* RFC 1035 2.3.4 */

void
session_reset(struct ferry *h)
{
	h->connected = h->logged_in = false;
	h->type = 0;
	h->no_epsv = h->no_pasv = h->no_mlsd = false;
	h->has_worked = false;
	coding_reset(h);
	buf_clear(&h->features);
	buf_clear(&h->control.goodbye);
	buf_clear(&h->control.sent);
}

/* ---------------------------------------------------------------- connect */

enum connect_state {
	CONNECT_RESOLVE, /* the name is looked up; ended by its answer or its timer */
	CONNECT_DIAL, /* addresses are tried; ended by the first that answers, or the last
		       */
	CONNECT_GREETING /* connected; ended by the greeting */
};

static int
dialling(struct ferry *h, bool *ret_moved)
{
	int r = dial_work(h, ret_moved);

	if (r != 0)
		return r;
	*ret_moved = true;
	h->op.state = CONNECT_GREETING;
	h->control.waiting = 1;
	control_await(h);
	return FERRY_AGAIN;
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
	case CONNECT_GREETING:
		break;
	}
	return FERRY_AGAIN;
}

/* 220 is ready; 120 (wait) is no final reply; anything else is a refusal. */
static int
connect_reply(struct ferry *h)
{
	_cleanup_free_ char *said = NULL;
	int code = h->control.reply.code;

	if (code >= 200 && code < 300) {
		h->connected = true;
		return 0;
	}
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
	h->port = port ? port : FTP_PORT;
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
	LOGIN_FEAT, /* logged in; FEAT sent */
};

static int
login_begin(struct ferry *h)
{
	h->logged_in = false;
	return op_send(h, LOGIN_USER, "USER", h->op.path);
}

/* "211-Features:" LF " MLST type*;" LF ... LF "211 End" (RFC 2389 3.2). */
static void
note_features(struct ferry *h)
{
	struct reply *reply = &h->control.reply;
	const char *line = buf_cstr(&reply->text);

	buf_clear(&h->features);
	while (line && (line = strchr(line, '\n'))) {
		size_t n;

		line++;
		if (*line != ' ')
			continue;
		line += strspn(line, " ");
		n = strcspn(line, "\r\n");
		while (n > 0 && line[n - 1] == ' ')
			n--;
		buf_append(&h->features, line, n);
		buf_append_byte(&h->features, '\n');
	}
}

static int
ask_features(struct ferry *h)
{
	h->logged_in = true;
	h->op.keep_reply = true;
	return op_send(h, LOGIN_FEAT, "FEAT", NULL);
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

	if (h->op.state == LOGIN_FEAT) {
		if (code == 211)
			note_features(h);
		return 0;
	}
	if (code >= 200 && code < 300)
		return ask_features(h);
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
	if (h->control.fd < 0)
		return 0;
	return op_send(h, 0, "QUIT", NULL);
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

int
ferry_command(struct ferry *h, const char *line)
{
	return op_simple(h, &op_command, line ? line : "");
}
