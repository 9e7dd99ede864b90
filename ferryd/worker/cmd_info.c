/*
 * What the server tells about itself: RFC 959 4.1.3, RFC 2389 3.
 *
 *   SYST                      215 UNIX Type: L8
 *   FEAT                      211, one feature per line, from verbs.def
 *   HELP [<SP> <command>]     214, from verbs.def
 *   NOOP                      200
 *   STAT                      211: the session; while a transfer or a HASH runs, how far it is
 *   STAT <SP> <path>          212, 213: a listing (cmd_list.c)
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "cmd_facts.h"
#include "cmd_hash.h"
#include "cmd_list.h"
#include "cmd_site.h"
#include "commands.h"
#include "diagnosis.h"
#include "dispatch.h"
#include "grant.h"
#include "listing.h"
#include "transfer.h"
#include "work.h"

/* Names per line of HELP. */
#define HELP_COLUMNS 8

void
cmd_syst(struct session *s, struct bytes arg)
{
	answer(s, 215, "UNIX Type: L8");
}

void
cmd_noop(struct session *s, struct bytes arg)
{
	answer(s, 200, "NOOP ok.");
}

/* ---- FEAT ---- */

/* What a user must be allowed for a feature to be one. Before login nobody knows. */
static bool
has_right(const struct session *s, const struct verb *v)
{
	static const struct {
		void (*run)(struct session *s, struct bytes arg);
		uint32_t right;
	} needs[] = {
	    {cmd_mfmt, RIGHT_MTIME},
	    {cmd_hash, RIGHT_READ},
	    {cmd_xcrc, RIGHT_READ},
	    {cmd_xmd5, RIGHT_READ},
	    {cmd_xsha1, RIGHT_READ},
	    {cmd_xsha256, RIGHT_READ},
	    {cmd_xsha512, RIGHT_READ},
	};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (v->run != needs[i].run)
			continue;
		if (needs[i].right == RIGHT_READ && !s->conf->download_enable)
			return false;
		return !session_logged_in(s) || (s->rights & needs[i].right) != 0;
	}
	return true;
}

/* Nothing is listed that does not work (RFC 2389 3.2). */
static bool
works_here(const struct session *s, const struct verb *v)
{
	const struct conf *conf = s->conf;

	if ((v->run == cmd_pasv || v->run == cmd_epsv) && !conf->pasv_enable)
		return false;
	if (v->run == cmd_pasv && s->local.family != AF_INET)
		return false;
	if ((v->run == cmd_port || v->run == cmd_eprt) && !conf->port_enable)
		return false;
	if ((v->run == cmd_auth || v->run == cmd_pbsz || v->run == cmd_prot) &&
	    !conf->ssl_enable)
		return false;
	if (v->run == cmd_mfmt && !conf->mfmt_enable)
		return false;
	if (v->run == cmd_mff && !mff_works(s))
		return false;
	return has_right(s, v) && dispatch_permits(s, v);
}

/* " type*;size*;modify;": all facts there are, those now shown with a star (RFC
 * 3659 7.8). */
static void
mlst_feature(struct answer *a)
{
	answer_text(a, " ");
	for (unsigned bit = 1; bit <= FACT_ALL; bit <<= 1) {
		const char *name = (FACT_ALL & bit) != 0 ? listing_fact_name(bit) : NULL;

		if (name != NULL && name[0] != '\0')
			answer_text(
			    a, "%s%s;", name, (a->s->facts & bit) != 0 ? "*" : "");
	}
}

/* Block mode has no name in any RFC on FEAT: it looks like its sibling. */
static void
feature_block_mode(struct answer *a)
{
	answer_line(a, ANSWER_INNER);
	answer_text(a, "MODE B");
}

/* Lines of FEAT whose end depends on the session. */
static const struct {
	void (*run)(struct session *s, struct bytes arg);
	void (*tell)(struct answer *a);
} features[] = {
    {cmd_mlst, mlst_feature},
    {cmd_hash, hash_feature},
    {cmd_mff, mff_feature},
    {cmd_mode, feature_block_mode},
};

static void
feature(struct answer *a, const struct verb *v)
{
	answer_line(a, ANSWER_INNER);
	answer_text(a, "%s", v->feat);
	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		if (features[i].run == v->run)
			features[i].tell(a);
	}
}

void
cmd_feat(struct session *s, struct bytes arg)
{
	struct answer a;

	answer_begin(&a, s, 211);
	answer_line(&a, ANSWER_MORE);
	answer_text(&a, "Features:");
	for (size_t i = 0; i < verbs_count; i++) {
		if (verbs[i].feat != NULL && works_here(s, &verbs[i]))
			feature(&a, &verbs[i]);
	}
	if (diagnosis_works(s) && dispatch_permits(s, verb_find(bytes_of("SITE")))) {
		answer_line(&a, ANSWER_INNER);
		answer_text(&a, "FERRY-DIAG");
	}
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "End");
	answer_send(&a);
}

/* ---- HELP ---- */

static void
help_all(struct session *s)
{
	struct answer a;
	size_t shown = 0;

	answer_begin(&a, s, 214);
	answer_line(&a, ANSWER_MORE);
	answer_text(&a, "These commands are known:");
	for (size_t i = 0; i < verbs_count; i++) {
		if (!dispatch_permits(s, &verbs[i]))
			continue;
		if (shown++ % HELP_COLUMNS == 0)
			answer_line(&a, ANSWER_INNER);
		answer_text(&a, " %-5s", verbs[i].name);
	}
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "HELP <command> tells how one is written.");
	answer_send(&a);
}

void
cmd_help(struct session *s, struct bytes arg)
{
	struct bytes rest = arg;
	struct bytes name = command_word(&rest);
	const struct verb *v = verb_find(name);

	if (arg.n == 0)
		help_all(s);
	else if (v == NULL)
		answer(s, 501, "That command is not known.");
	else if (v->run == cmd_site)
		site_help(s);
	else
		answer(s, 214, "%s", v->help);
}

/* ---- STAT ---- */

static void
tell_data(struct answer *a, const struct session *s)
{
	static const char *const words[] = {
	    [DATA_NONE] = "No data connection.",
	    [DATA_CLAIMING] = "Passive: waiting for the port.",
	    [DATA_LISTENING] = "Passive: waiting for the client to connect.",
	    [DATA_ADDRESSED] = "Active: the client's port is known.",
	    [DATA_BINDING] = "Active: connecting to the client.",
	    [DATA_DIALLING] = "Active: connecting to the client.",
	    [DATA_OPEN] = "The data connection is open.",
	    [DATA_KEPT] = "The data connection is open for the next file.",
	    [DATA_SECURING] = "TLS begins on the data connection.",
	};

	answer_line(a, ANSWER_INNER);
	answer_text(a, "%s", words[s->data.state]);
}

static void
tell_transfer(struct answer *a, const struct session *s)
{
	const struct transfer *t = s->transfer;

	answer_line(a, ANSWER_INNER);
	answer_text(a, "%s ", t->kind == TRANSFER_UPLOAD ? "Receiving" : "Sending");
	answer_safe(a, bytes_of(t->path));
	answer_text(a, ": %llu bytes so far.", (unsigned long long)transfer_bytes(s));
}

static void
tell_user(struct answer *a, const struct session *s)
{
	answer_line(a, ANSWER_INNER);
	if (!session_logged_in(s)) {
		answer_text(a, "Not logged in.");
		return;
	}
	answer_text(a, "Logged in as ");
	answer_safe(a, bytes_of(s->user));
	answer_line(a, ANSWER_INNER);
	answer_text(a, "TYPE: %s, STRU: F, MODE: %c", s->ascii ? "A N" : "I", s->mode);
	answer_line(a, ANSWER_INNER);
	answer_text(a, "%llu bytes received, %llu bytes sent before, idle limit %llu s",
	    (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out,
	    (unsigned long long)s->idle_seconds);
}

void
cmd_stat(struct session *s, struct bytes arg)
{
	char peer[ENDPOINT_TEXT_MAX];
	struct answer a;

	if (arg.n > 0) {
		if (session_logged_in(s))
			list_on_control(s, arg);
		else
			answer(s, 530, "Please log in with USER and PASS.");
		return;
	}
	endpoint_format_address(&s->peer, peer);
	answer_begin(&a, s, 211);
	answer_line(&a, ANSWER_MORE);
	answer_text(&a, "Ferry FTP server status:");
	answer_line(&a, ANSWER_INNER);
	answer_text(&a, "Connected from %s", peer);
	if (s->conf->ssl_enable) {
		answer_line(&a, ANSWER_INNER);
		answer_text(&a, "Control connection: %s, data connections: %s",
		    conn_tls(s->control) != NULL ? "TLS" : "clear",
		    s->private ? "TLS" : "clear");
	}
	tell_user(&a, s);
	tell_data(&a, s);
	if (s->state == SESSION_TRANSFER && s->transfer != NULL)
		tell_transfer(&a, s);
	if (s->state == SESSION_WORKING) {
		answer_line(&a, ANSWER_INNER);
		answer_text(&a, "%s: %llu bytes so far.",
		    s->hash != NULL ? "Computing a checksum" : "Copying",
		    (unsigned long long)work_bytes(s->work));
	}
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "End of status.");
	answer_send(&a);
}
