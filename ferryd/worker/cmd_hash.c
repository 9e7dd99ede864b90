/*
 * Checksums of files: draft-bryan-ftpext-hash, and the X commands that came before it.
 *
 *   HASH <SP> <file>                         213 SHA-256 0-49 <hex> <file>
 *   OPTS <SP> HASH [<SP> <algorithm>]        200 SHA-256
 *   XCRC, XMD5, XSHA, XSHA1, XSHA256, XSHA512
 *        <SP> <file> [<SP> <start> [<SP> <end>]]    250 <hex>
 *
 * RANG chooses the bytes for HASH, its end counted in. The X commands have numbers of
 * their own: bytes from start on, up to but without end; an end of 0 is that of the file.
 * Their file may be quoted ("" is a quote in it); one that is not quoted is tried as a
 * whole before numbers are cut off its end, since a name may end in one.
 *
 * The bytes are those of TYPE I (draft 3), whatever is set. The agent opens the file for
 * those who may read it, a thread of the pool reads it (work.h); ABOR ends it.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "cmd_hash.h"
#include "commands.h"
#include "digest.h"
#include "work.h"

static void
forget_name(struct session *s)
{
	free(s->pending);
	s->pending = NULL;
}

/* ---- the answer ---- */

static void
answer_hash(struct session *s, const char *hex)
{
	const struct aim *aim = &s->aim;
	uint64_t last = aim->length > 0 ? aim->first + aim->length - 1 : aim->first;
	struct answer a;

	if (aim->numbered) {
		answer(s, 250, "%s", hex);
		return;
	}
	answer_begin(&a, s, 213);
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "%s %llu-%llu %s ", digest_name(aim->digest),
	    (unsigned long long)aim->first, (unsigned long long)last, hex);
	answer_line_of_name(&a, bytes_of(s->pending));
	answer_send(&a);
}

static void
on_hashed(struct work *k, enum work_end end, int error, void *user)
{
	struct session *s = user;
	char hex[DIGEST_TEXT_MAX];

	if (end == WORK_DONE && digest_end(s->hash, hex) == 0)
		answer_hash(s, hex);
	else if (end == WORK_CANCELLED)
		answer(s, 426, "Aborted after %llu bytes.",
		    (unsigned long long)work_bytes(k));
	else
		answer(s, 451, "Reading failed after %llu bytes: %s.",
		    (unsigned long long)work_bytes(k),
		    error != 0 ? strerror(error) : "the file has become shorter");
	forget_name(s);
	session_work_end(s);
	session_done(s);
}

/* ---- the start ---- */

/* The range within a file of that size. False: it begins behind the end. */
static bool
fit_range(struct aim *aim, uint64_t size)
{
	uint64_t limit = aim->limit < size ? aim->limit : size;

	if (aim->first > size || (aim->first == size && size > 0))
		return false;
	aim->length = limit > aim->first ? limit - aim->first : 0;
	return true;
}

static void
begin(struct session *s, int *fd)
{
	struct work_plan plan = {
	    .from = fd_take(fd),
	    .to = -1,
	    .offset = s->aim.first,
	    .length = s->aim.length,
	    .on_end = on_hashed,
	};

	if (digest_new(s->aim.digest, &plan.digest) < 0) {
		close(plan.from);
		forget_name(s);
		answer(s, 451, "%s cannot be computed now.", digest_name(s->aim.digest));
		return;
	}
	s->hash = plan.digest;
	if (session_work(s, &plan))
		return;
	s->hash = NULL;
	forget_name(s);
	answer(s, 451, "Out of memory.");
}

static void ask_open(struct session *s, struct bytes name);
static bool cut_numbers(struct bytes *name, struct aim *aim);

/* Nothing has the whole name: perhaps the end of it was numbers. */
static bool
try_shorter(struct session *s)
{
	struct bytes name = bytes_of(s->pending);

	if (!s->aim.numbered || s->aim.named || !cut_numbers(&name, &s->aim))
		return false;
	s->aim.named = true;
	ask_open(s, name);
	return true;
}

static void
on_opened(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error == ENOENT && try_shorter(s))
		return;
	if (a->error != 0 || !command_is_file(*fd))
		answer_failure(s, a, a->error == EISDIR ? 553 : 550);
	else if (!fit_range(&s->aim, a->size))
		answer(
		    s, 551, "The file has %llu bytes only.", (unsigned long long)a->size);
	else if (session_may_work(s)) { /* others may have begun meanwhile */
		begin(s, fd);
		return;
	}
	forget_name(s);
}

static void
ask_open(struct session *s, struct bytes name)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_OPEN};

	if (!command_file(s, name, 553, &path)) {
		forget_name(s);
		return;
	}
	m.agent_open.path = bytes_of_buf(&path);
	agent_ask(s, &m, on_opened);
	buf_free(&path);
}

/* arg is kept: HASH repeats it, the X commands may have to look at its end again. */
static void
hash(struct session *s, struct bytes arg, struct bytes name)
{
	if (!s->conf->download_enable)
		answer(s, 556, "Downloads are switched off on this server.");
	else if (session_may_work(s) && command_keep(s, arg))
		ask_open(s, name);
}

void
cmd_hash(struct session *s, struct bytes arg)
{
	s->aim = (struct aim){.digest = s->digest, .limit = UINT64_MAX};
	if (s->ranged) {
		s->aim.first = s->range_first;
		s->aim.limit = s->range_last + 1;
	}
	s->ranged = false;
	hash(s, arg, arg);
}

/* ---- the X commands ---- */

/* Takes a number off the end, "name 12"; the blank before it goes with it. */
static bool
cut_number(struct bytes *name, uint64_t *ret)
{
	const uint8_t *blank = name->n > 0 ? memrchr(name->p, ' ', name->n) : NULL;
	size_t at = blank != NULL ? (size_t)(blank - name->p) : 0;

	if (at == 0 ||
	    parse_uint((const char *)blank + 1, name->n - at - 1, INT64_MAX, ret) < 0)
		return false;
	name->n = at;
	return true;
}

static void
set_limit(struct aim *aim, uint64_t end)
{
	aim->limit = end > 0 ? end : UINT64_MAX;
}

/* "name start end" or "name start". */
static bool
cut_numbers(struct bytes *name, struct aim *aim)
{
	uint64_t last = 0, before = 0;

	if (!cut_number(name, &last))
		return false;
	if (!cut_number(name, &before)) {
		aim->first = last;
		return true;
	}
	aim->first = before;
	set_limit(aim, last);
	return true;
}

/* What stands behind a quoted name. */
static bool
read_numbers(struct bytes arg, struct aim *aim)
{
	struct bytes first = command_word(&arg);
	uint64_t end = 0;

	if (first.n == 0)
		return arg.n == 0;
	if (parse_uint((const char *)first.p, first.n, INT64_MAX, &aim->first) < 0)
		return false;
	if (arg.n > 0 && parse_uint((const char *)arg.p, arg.n, INT64_MAX, &end) < 0)
		return false;
	set_limit(aim, end);
	return true;
}

static void
hash_numbered(struct session *s, struct bytes arg, enum digest_kind digest)
{
	struct bytes rest = arg;
	struct buf name = BUF_INIT(INPUT_LINE_MAX);

	s->aim = (struct aim){.digest = digest, .limit = UINT64_MAX, .numbered = true};
	s->aim.named = arg.p[0] == '"';
	if (!s->aim.named)
		hash(s, arg, arg);
	else if (!command_quoted(&rest, &name) || !read_numbers(rest, &s->aim))
		answer(s, 501, "It is written: \"<file>\" [<start> [<end>]].");
	else
		hash(s, arg, bytes_of_buf(&name));
	buf_free(&name);
}

void
cmd_xcrc(struct session *s, struct bytes arg)
{
	hash_numbered(s, arg, DIGEST_CRC32);
}

void
cmd_xmd5(struct session *s, struct bytes arg)
{
	hash_numbered(s, arg, DIGEST_MD5);
}

void
cmd_xsha1(struct session *s, struct bytes arg)
{
	hash_numbered(s, arg, DIGEST_SHA1);
}

void
cmd_xsha256(struct session *s, struct bytes arg)
{
	hash_numbered(s, arg, DIGEST_SHA256);
}

void
cmd_xsha512(struct session *s, struct bytes arg)
{
	hash_numbered(s, arg, DIGEST_SHA512);
}

/* ---- OPTS HASH, FEAT ---- */

void
hash_opts(struct session *s, struct bytes arg)
{
	if (arg.n > 0 && !digest_find(arg, &s->digest))
		answer(s, 501, "That algorithm is not known; FEAT lists those that are.");
	else
		answer(s, 200, "%s", digest_name(s->digest));
}

void
hash_feature(struct answer *a)
{
	for (int i = 0; i < DIGEST_COUNT; i++)
		answer_text(a, "%s%s%s", i > 0 ? ";" : " ",
		    digest_name((enum digest_kind)i),
		    a->s->digest == (enum digest_kind)i ? "*" : "");
}
