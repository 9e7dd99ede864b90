/*
 * The dispatcher: a line becomes a verb and its argument (RFC 959 5.3), is checked
 * against its row of verbs.def and the configuration, and runs. For session.c. Must never
 * act before the check has passed.
 */
#include "dispatch.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "cmd_copy.h"
#include "commands.h"
#include "log.h"
#include "transfer.h"

/* Commands that nobody knows, after which the client is taken for something else than
 * FTP. */
#define UNKNOWN_MAX_STRANGER 10
#define UNKNOWN_MAX_USER 50

#define VERB_ROW(verb_name, st, ar, handler, fe, he)                                     \
	{                                                                                \
	    .name = #verb_name,                                                          \
	    .state = VERB_##st,                                                          \
	    .argument = VERB_##ar,                                                       \
	    .run = cmd_##handler,                                                        \
	    .feat = fe,                                                                  \
	    .help = he,                                                                  \
	},
const struct verb verbs[] = {
#define VERB(...) VERB_ROW(__VA_ARGS__)
#include "verbs.def"
#undef VERB
};
const size_t verbs_count = ARRAY_LEN(verbs);

/* Known to the RFCs, not done here: 502 instead of 500. */
static const char *const elsewhere[] = {
    "SMNT", "ADAT", "MIC", "CONF", "ENC", "LPRT", "LPSV", "MFCT"};

/* A browser or a mail program has dialled the wrong port, perhaps made to do so by
 * someone else (cross-protocol attacks): nothing that follows can be meant for us. */
static const char *const foreign[] = {
    "GET", "POST", "HEAD", "PUT", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI",
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "STARTTLS", "HOST:", "USER-AGENT:", "ACCEPT:"};

static bool
is_in(struct bytes name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (command_is(name, list[i]))
			return true;
	}
	return false;
}

const struct verb *
verb_find(struct bytes name)
{
	/* Letters differ from their capitals in this bit: most rows are told from it. */
	int first = name.n > 0 ? name.p[0] & ~0x20 : '\0';

	for (size_t i = 0; i < verbs_count; i++) {
		if (verbs[i].name[0] == first && command_is(name, verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

/* "ABOR", or "LIST" and "-la /": one blank between, further ones belong to the argument.
 */
static struct bytes
split(struct bytes line, struct command *ret)
{
	struct bytes arg = line;
	struct bytes name = command_word(&arg);

	ret->verb = verb_find(name);
	/* "PWD " is a PWD. */
	ret->arg = arg.n > 0 ? arg : (struct bytes){0};
	return name;
}

bool
dispatch_is_secret(struct bytes line)
{
	struct command cmd;

	if (line.p == NULL)
		return false;
	split(line, &cmd);
	return cmd.verb != NULL &&
	       (cmd.verb->run == cmd_pass || cmd.verb->run == cmd_acct);
}

/* ---- the check ---- */

/* Is name in "RETR, STOR,LIST"? */
static bool
list_has(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (*list != '\0') {
		list += strspn(list, ", \t");
		size_t len = strcspn(list, ", \t");
		if (len == n && equal_nocase(list, name, n))
			return true;
		list += len;
	}
	return false;
}

bool
dispatch_permits(const struct session *s, const struct verb *v)
{
	const struct conf *conf = s->conf;

	/* Both lists are about what a user may do after login; everyone may leave. */
	if (!session_logged_in(s) || v->run == cmd_quit)
		return true;
	if (conf->cmds_denied != NULL && list_has(conf->cmds_denied, v->name))
		return false;
	return conf->cmds_allowed == NULL || conf->cmds_allowed[0] == '\0' ||
	       list_has(conf->cmds_allowed, v->name);
}

static bool
is_blank(struct bytes arg)
{
	for (size_t i = 0; i < arg.n; i++) {
		if (arg.p[i] != ' ')
			return false;
	}
	return true;
}

static int
check_argument(const struct verb *v, struct bytes arg, const char **ret_text)
{
	if (arg.n > 0 && memchr(arg.p, '\0', arg.n) != NULL) {
		*ret_text = "A NUL cannot be part of an argument.";
		return 501;
	}
	if (v->argument == VERB_NONE && !is_blank(arg)) {
		*ret_text = "This command takes no argument.";
		return 501;
	}
	if ((v->argument == VERB_PATH || v->argument == VERB_TEXT) && arg.n == 0) {
		*ret_text = "This command needs an argument.";
		return 501;
	}
	return 0;
}

/* "PROPFIND /x HTTP/1.1": whatever the method, no command of ours ends like this. */
static bool
is_http(struct bytes line)
{
	static const char end[] = " HTTP/1.";
	const size_t n = sizeof(end) - 1;

	return line.n > n + 1 &&
	       equal_nocase((const char *)line.p + line.n - n - 1, end, n);
}

/* What a load balancer says ahead of its client: version 1, and a line that only the
 * beginning of version 2 has. */
static bool
is_proxy_header(struct bytes line)
{
	return (line.n > 6 && memcmp(line.p, "PROXY ", 6) == 0) ||
	       (line.n == 1 && line.p[0] == '\0');
}

static int
check_unknown(
    const struct session *s, struct bytes line, struct bytes name, const char **ret_text)
{
	unsigned max = session_logged_in(s) ? UNKNOWN_MAX_USER : UNKNOWN_MAX_STRANGER;

	if (is_in(name, foreign, ARRAY_LEN(foreign)) || is_http(line)) {
		*ret_text = "This is an FTP server. Goodbye.";
		return 421;
	}
	if (s->unknown >= max) {
		*ret_text = "Too many unknown commands. Goodbye.";
		return 421;
	}
	if (is_proxy_header(line) && !session_logged_in(s)) {
		*ret_text = "I take no PROXY header from your address.";
		return 500;
	}
	if (is_in(name, elsewhere, ARRAY_LEN(elsewhere))) {
		*ret_text = "This command is not implemented here.";
		return 502;
	}
	*ret_text = "Unknown command. HELP lists what there is.";
	return 500;
}

int
dispatch_check(const struct session *s, struct bytes line, struct command *ret,
    const char **ret_text)
{
	if (line.p == NULL) {
		*ret = (struct command){0};
		*ret_text = "The line was too long.";
		return 500;
	}
	struct bytes name = split(line, ret);
	if (ret->verb == NULL)
		return check_unknown(s, line, name, ret_text);
	if (ret->verb->state == VERB_USER && !session_logged_in(s)) {
		*ret_text = "Please log in with USER and PASS.";
		return 530;
	}
	if (!dispatch_permits(s, ret->verb)) {
		*ret_text = "Permission denied: this command is switched off here.";
		return 550;
	}
	return check_argument(ret->verb, ret->arg, ret_text);
}

/* ---- the act ---- */

void
dispatch_log(const struct session *s, struct bytes line)
{
	char peer[ENDPOINT_TEXT_MAX], shown[1024], text[1280];

	if (!s->conf->log_ftp_protocol || line.p == NULL)
		return;
	if (dispatch_is_secret(line))
		snprintf(shown, sizeof(shown), "%.4s ***", (const char *)line.p);
	else
		log_escape(line.p, line.n, shown, sizeof(shown));
	endpoint_format_address(&s->peer, peer);
	snprintf(text, sizeof(text), "FTP command: Client \"%s\", \"%s\"", peer, shown);
	log_line(LOG_KIND_PROTOCOL, LOG_INFO, s->id, text);
}

/* RNTO follows RNFR at once, PASS follows USER at once (RFC 959 4.1.1, 4.1.3): any other
 * command between them forgets the first. */
static void
forget_first_halves(struct session *s, const struct verb *v)
{
	if (v == NULL || v->run != cmd_rnto) {
		free(s->rename_from);
		s->rename_from = NULL;
	}
	if (v == NULL || v->run != cmd_site)
		copy_forget(s);
	/* HOST refuses to come behind a USER, and so must know of it. */
	if ((v == NULL || (v->run != cmd_pass && v->run != cmd_host)) &&
	    !session_logged_in(s)) {
		free(s->user);
		s->user = NULL;
	}
}

static bool
is_abort(const struct command *cmd)
{
	return cmd->verb != NULL && cmd->verb->run == cmd_abor && is_blank(cmd->arg);
}

static void
refuse(struct session *s, const struct command *cmd, int code, const char *text)
{
	if (code == 421) {
		session_close(s, code, "%s", text);
		return;
	}
	if (cmd->verb == NULL)
		s->unknown++;
	answer(s, code, "%s", text);
}

static void
run(struct session *s, const struct command *cmd)
{
	if (s->state == SESSION_READY) {
		s->verb = cmd->verb;
		s->after_transfer &= cmd->verb->run == cmd_abor;
		session_show(s, session_logged_in(s) ? SLOT_COMMAND : SLOT_LOGIN,
		    cmd->verb->name,
		    cmd->verb->argument == VERB_PATH ? cmd->arg : (struct bytes){0});
	}
	cmd->verb->run(s, cmd->arg);
	if (s->state == SESSION_READY)
		session_show(s, session_logged_in(s) ? SLOT_IDLE : SLOT_LOGIN, "",
		    (struct bytes){0});
}

/* The administrator has forgotten one side of it. */
static void
note_proxy(struct session *s, struct bytes line)
{
	if (line.p != NULL && is_proxy_header(line) && !session_logged_in(s) &&
	    !s->proxied)
		log_event(LOG_NOTICE, s->id,
		    "proxy header=unexpected why=\"proxy_protocol_from does not have "
		    "this "
		    "address: H09\"");
}

void
dispatch_line(struct session *s, struct bytes line)
{
	struct command cmd;
	const char *text;

	dispatch_log(s, line);
	int code = dispatch_check(s, line, &cmd, &text);
	if (cmd.verb == NULL)
		note_proxy(s, line);
	forget_first_halves(s, cmd.verb);
	/* It may have been the transfer that REST and RANG were for. */
	if (line.p == NULL) {
		s->rest = 0;
		s->ranged = false;
	}
	if (is_abort(&cmd) && s->aborts > 0)
		s->aborts--;
	if (code != 0)
		refuse(s, &cmd, code, text);
	else
		run(s, &cmd);
	/* The queue's memory is ours until the next line is pushed. */
	if (dispatch_is_secret(line))
		explicit_bzero((void *)(uintptr_t)line.p, line.n);
}

bool
dispatch_urgent(struct session *s, struct bytes line)
{
	struct command cmd;
	const char *text;

	int code = dispatch_check(s, line, &cmd, &text);
	if (code == 0 && cmd.verb->run == cmd_quit)
		s->quitting = true;
	if (is_abort(&cmd)) {
		/* It acts now and is answered in its place. */
		s->aborts++;
		if (s->state == SESSION_TRANSFER)
			transfer_abort(s);
		if (s->state == SESSION_WORKING)
			session_work_abort(s);
		return false;
	}
	if (code != 0 || !input_is_empty(&s->input) ||
	    (s->state != SESSION_TRANSFER && s->state != SESSION_WORKING))
		return false;
	/* Who asks without reading the answers waits for them. */
	if (conn_is_full(s->control))
		return false;
	if (cmd.verb->run != cmd_noop && (cmd.verb->run != cmd_stat || cmd.arg.n > 0))
		return false;
	dispatch_log(s, line);
	run(s, &cmd);
	return true;
}
