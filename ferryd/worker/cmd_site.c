/*
 * SITE: what is peculiar to this server (RFC 959 4.1.3, RFC 1123 4.1.2.8).
 *
 *   SITE HELP
 *   SITE CHMOD <SP> <octal mode> <SP> <path>
 *   SITE UMASK [<SP> <octal mask>]
 *   SITE IDLE  [<SP> <seconds>]
 *   SITE UTIME <SP> <time> <SP> <path>, or <path> <atime> <mtime> <ctime> UTC
 *   SITE SYMLINK <SP> <existing> <SP> <link>     names with blanks in quotes
 *   SITE CPFR, SITE CPTO                         cmd_copy.c
 *   SITE FERRY                                   cmd_diagnosis.c
 *
 * There is no SITE EXEC and there will be none (RFC 2577 9).
 */
#include "cmd_site.h"

#include <ferry/ferry.h>
#include <string.h>

#include "answer.h"
#include "cmd_copy.h"
#include "cmd_diagnosis.h"
#include "commands.h"
#include "grant.h"
#include "listing.h"

#define MODE_MAX 07777
#define PERMISSIONS 0777
/* SITE IDLE: not shorter than this, and not longer than the server's own limit. */
#define IDLE_LOWEST 30

/* ---- CHMOD ---- */

static void
on_mode_set(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 200, "The mode is set.");
}

static void
site_chmod(struct session *s, struct bytes arg)
{
	struct bytes digits = command_word(&arg);
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHANGE};
	uint64_t mode;

	if (!s->conf->chmod_enable) {
		answer(s, 550,
		    "SITE CHMOD is switched off on this server (chmod_enable=NO).");
		return;
	}
	if (parse_octal((const char *)digits.p, digits.n, MODE_MAX, &mode) < 0 ||
	    arg.n == 0) {
		answer(s, 501, "SITE CHMOD takes an octal mode and a path.");
		return;
	}
	if (!command_path(s, arg, &path))
		return;
	m.agent_change.path = bytes_of_buf(&path);
	m.agent_change.what = CHANGE_CHMOD;
	m.agent_change.mode = (uint32_t)mode & PERMISSIONS;
	agent_ask(s, &m, on_mode_set);
	buf_free(&path);
}

/* ---- UMASK ---- */

static void
site_umask(struct session *s, struct bytes arg)
{
	uint64_t mask;

	if (arg.n == 0) {
		answer(s, 200, "The umask is %03o.", s->umask);
		return;
	}
	if (parse_octal((const char *)arg.p, arg.n, PERMISSIONS, &mask) < 0) {
		answer(s, 501, "SITE UMASK takes an octal mask up to 777.");
		return;
	}
	s->umask = (uint32_t)mask;
	answer(s, 200, "The umask is now %03o.", s->umask);
}

/* ---- IDLE ---- */

static void
site_idle(struct session *s, struct bytes arg)
{
	uint64_t longest = s->conf->idle_session_timeout, seconds;

	if (arg.n == 0) {
		answer(s, 200,
		    "The session ends after %llu s without a command (at most %llu).",
		    (unsigned long long)s->idle_seconds, (unsigned long long)longest);
		return;
	}
	if (parse_uint((const char *)arg.p, arg.n, longest, &seconds) < 0 ||
	    seconds < IDLE_LOWEST) {
		answer(s, 501, "SITE IDLE takes %d to %llu seconds.", IDLE_LOWEST,
		    (unsigned long long)longest);
		return;
	}
	s->idle_seconds = seconds;
	answer(s, 200, "The session now ends after %llu s without a command.",
	    (unsigned long long)seconds);
}

/* ---- UTIME ---- */

static void
on_time_set(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 200, "The file's time is set.");
}

/* 14 digits, or 12: without the seconds. */
static bool
read_time(struct bytes word, int64_t *ret)
{
	char text[14] = "00000000000000";

	if (word.n != 12 && word.n != 14)
		return false;
	memcpy(text, word.p, word.n);
	return listing_parse_time(text, sizeof(text), ret) == 0;
}

/* Cuts " <word>" off the end. False when there is no blank. */
static bool
cut_last(struct bytes *arg, struct bytes *ret_word)
{
	const uint8_t *blank = arg->n > 0 ? memrchr(arg->p, ' ', arg->n) : NULL;
	size_t n = blank != NULL ? (size_t)(blank - arg->p) : 0;

	if (n == 0)
		return false;
	*ret_word = (struct bytes){.p = blank + 1, .n = arg->n - n - 1};
	arg->n = n;
	return true;
}

/* "<path> <atime> <mtime> <ctime> UTC": only the second can be set and matters. */
static bool
cut_times(struct bytes *arg, int64_t *ret_when)
{
	struct bytes path = *arg, word;
	int64_t unused, when;

	if (!cut_last(&path, &word) || !command_is(word, "UTC") ||
	    !cut_last(&path, &word) || !read_time(word, &unused) ||
	    !cut_last(&path, &word) || !read_time(word, &when) ||
	    !cut_last(&path, &word) || !read_time(word, &unused))
		return false;
	*arg = path;
	*ret_when = when;
	return true;
}

static void
site_utime(struct session *s, struct bytes arg)
{
	struct bytes path = arg, word;
	int64_t when;

	if (!s->conf->mfmt_enable) {
		answer(s, 550,
		    "Setting times is switched off on this server (mfmt_enable=NO).");
		return;
	}
	if (!cut_times(&path, &when)) {
		word = command_word(&path);
		if (path.n == 0 || !read_time(word, &when)) {
			answer(s, 501, "SITE UTIME takes YYYYMMDDhhmm[ss] and a path.");
			return;
		}
	}
	file_set_time(s, path, when, on_time_set);
}

/* ---- SYMLINK ---- */

static void
on_linked(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 200, "The link is made.");
}

/* The agent is asked for both as absolute paths. */
static void
ask_link(struct session *s, struct bytes to, struct bytes link)
{
	struct buf path, link_path;
	struct msg m = {.type = MSG_AGENT_LINK};

	if (!command_path(s, to, &path))
		return;
	if (command_path(s, link, &link_path)) {
		m.agent_link.path = bytes_of_buf(&path);
		m.agent_link.link = bytes_of_buf(&link_path);
		agent_ask(s, &m, on_linked);
		buf_free(&link_path);
	}
	buf_free(&path);
}

static void
site_symlink(struct session *s, struct bytes arg)
{
	struct buf to = BUF_INIT(INPUT_LINE_MAX), link = BUF_INIT(INPUT_LINE_MAX);

	if (command_quoted(&arg, &to) && command_quoted(&arg, &link) && arg.n == 0)
		ask_link(s, bytes_of_buf(&to), bytes_of_buf(&link));
	else
		answer(s, 501,
		    "SITE SYMLINK takes what is there and the link's name; put names "
		    "with blanks in \"quotes\".");
	buf_free(&to);
	buf_free(&link);
}

/* ---- the table ---- */

static void
site_help_row(struct session *s, struct bytes arg)
{
	site_help(s);
}

static const struct {
	const char *name;
	void (*run)(struct session *s, struct bytes arg);
	const char *help;
} rows[] = {
    {"HELP", site_help_row, "SITE HELP"},
    {"CHMOD", site_chmod, "SITE CHMOD <octal mode> <path>"},
    {"UMASK", site_umask, "SITE UMASK [<octal mask>]"},
    {"IDLE", site_idle, "SITE IDLE [<seconds>]"},
    {"UTIME", site_utime, "SITE UTIME <YYYYMMDDhhmm[ss]> <path>"},
    {"SYMLINK", site_symlink, "SITE SYMLINK <existing path> <link>"},
    {"CPFR", site_cpfr, "SITE CPFR <file>"},
    {"CPTO", site_cpto, "SITE CPTO <name of the copy>"},
    {"FERRY", site_ferry,
	"SITE FERRY WHOAMI | LASTDATA | LASTPORT | INFO | PROBE <port> | BLOB <bytes>"},
};

void
site_help(struct session *s)
{
	struct answer a;

	answer_begin(&a, s, 214);
	answer_line(&a, ANSWER_MORE);
	answer_text(&a, "SITE knows:");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		answer_line(&a, ANSWER_INNER);
		answer_text(&a, "%s", rows[i].help);
	}
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "End");
	answer_send(&a);
}

void
cmd_site(struct session *s, struct bytes arg)
{
	struct bytes name = command_word(&arg);

	if (!command_is(name, "CPTO"))
		copy_forget(s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (command_is(name, rows[i].name)) {
			rows[i].run(s, arg);
			return;
		}
	}
	answer(s, 500, "SITE does not know that. SITE HELP lists what it knows.");
}
