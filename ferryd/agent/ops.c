/*
 * Requests of a worker, one function each. See ops.h.
 */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ascii.h"
#include "facts.h"
#include "jail.h"
#include "lister.h"
#include "path.h"
#include "row.h"
#include "upload.h"

/* Largest file whose line ends are counted for SIZE in TYPE A: every byte of it must be
 * read. */
#define ASCII_SIZE_MAX (64ULL << 20)
/* Files over this are read ahead. */
#define READAHEAD_MIN (128 * 1024)
/* The most that messages.def lets go along with an answer. */
#define INLINED_MAX 16384
/* After so many milliseconds a row of files is answered with those that are read. */
#define ROW_MS 2
/* Longest message file that is shown. */
#define MESSAGE_MAX 4096

/* One request on its way: what every function below needs. */
struct request {
	struct channel *channel;
	struct grant *grant;
	const struct store *store;
	const struct msg *msg;
	const char *path; /* NULL for requests without one */
	const char *why;  /* the rule that was broken, with -FERRY_EPROTO */
};

/* ---- rights ---- */

static const struct {
	uint32_t right;
	const char *what;
} right_words[] = {
    {RIGHT_READ, "reading"},
    {RIGHT_LIST, "listing directories"},
    {RIGHT_CREATE, "creating files"},
    {RIGHT_REPLACE, "changing files"},
    {RIGHT_DELETE, "deleting"},
    {RIGHT_RENAME, "renaming"},
    {RIGHT_MKDIR, "making directories"},
    {RIGHT_RMDIR, "removing directories"},
    {RIGHT_CHMOD, "changing permissions"},
    {RIGHT_MTIME, "setting times"},
};

/* True when the grant has the right; else the answer says what is not allowed. */
static bool
permitted(const struct request *q, uint32_t right, struct answer *a)
{
	if (grant_has(q->grant, right))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(right_words); i++) {
		if ((right & right_words[i].right) == 0)
			continue;
		answer_fail(
		    a, EACCES, "%s is not allowed for this account", right_words[i].what);
		return false;
	}
	answer_fail(a, EACCES, "that is not allowed for this account");
	return false;
}

/* May this grant see the file's content? Asked about what has been opened, not about a
 * name. */
static bool
may_read(const struct request *q, const struct stat *st)
{
	return grant_has(q->grant, RIGHT_PRIVATE) || (st->st_mode & S_IROTH) != 0;
}

static bool
readable(const struct request *q, const struct stat *st, struct answer *a)
{
	if (may_read(q, st))
		return true;
	answer_fail(a, EACCES, "'%s' is not readable for everybody", path_base(q->path));
	return false;
}

static int
fail_path(const struct request *q, int error, struct answer *a)
{
	return answer_fail_path(a, error, q->grant->root, q->path);
}

/* ---- reading ---- */

/* A small file goes along with the answer: that costs less than a descriptor does. One
 * that has just become shorter does not. */
static bool
inlined(struct answer *a, uint64_t offset, size_t n)
{
	uint8_t bytes[INLINED_MAX];

	if (pread(a->fd, bytes, n, (off_t)offset) != (ssize_t)n ||
	    buf_append(&a->text, bytes, n) < 0)
		return false;
	fd_closep(&a->fd);
	return true;
}

static int
op_open(struct request *q, struct answer *a)
{
	uint64_t offset = q->msg->agent_open.offset;
	struct stat st;

	if (!permitted(q, RIGHT_READ, a))
		return 0;
	int r = q->store->open(q->grant->root, q->path, &a->fd, &st);
	if (r < 0)
		return fail_path(q, r, a);
	if (!readable(q, &st, a))
		return 0;
	if (offset > (uint64_t)st.st_size)
		return answer_fail(a, EINVAL,
		    "offset %" PRIu64 " is past the end (%" PRIu64 " bytes)", offset,
		    (uint64_t)st.st_size);
	answer_stat(a, &st);
	uint64_t left = (uint64_t)st.st_size - offset;
	uint32_t most = q->msg->agent_open.inlined;
	if (most > 0 && left <= most && inlined(a, offset, (size_t)left))
		return 0;
	if (offset > 0 && lseek(a->fd, (off_t)offset, SEEK_SET) < 0)
		return fail_path(q, -errno, a);
	/* A hint: what it returns does not matter. What is small is read at once. */
	if (st.st_size > READAHEAD_MIN)
		(void)posix_fadvise(a->fd, (off_t)offset, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* One file of a row: its bytes, into the answer. 1; 0: it has to be asked for alone;
 * -FERRY_ETOOBIG: no room is left. */
static int
row_add(const struct request *q, const char *path, struct answer *a)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	uint8_t *p;

	if (q->store->open(q->grant->root, path, &fd, &st) < 0 || !may_read(q, &st) ||
	    st.st_size > ROW_FILE_MAX)
		return 0;
	size_t n = (size_t)st.st_size;
	int r = row_reserve_file(&a->text, n, &p);
	if (r < 0)
		return r == -FERRY_ETOOBIG ? r : 0;
	if (pread(fd, p, n, 0) != (ssize_t)n)
		return 0;
	row_commit_file(&a->text, n);
	return 1;
}

/* A file that has taken its time must not keep those before it waiting: they go. */
static bool
row_is_late(const struct timespec *begun)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begun->tv_sec) * 1000 +
		   (now.tv_nsec - begun->tv_nsec) / 1000000 >=
	       ROW_MS;
}

/* RETRs in a row. What is wrong with one of them is told when it is asked for alone, in
 * its turn. */
static int
op_row(struct request *q, struct answer *a)
{
	struct bytes paths = q->msg->agent_row.paths;
	bool may = grant_has(q->grant, RIGHT_READ);
	struct timespec begun;
	const char *path;
	size_t last = 0;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	while ((r = row_get_path(&paths, &path)) > 0) {
		size_t before = buf_len(&a->text);

		/* The next one is most likely as large as the one before. */
		if (before > 0 && (buf_room(&a->text) < last || row_is_late(&begun)))
			return 0;
		r = may ? row_add(q, path, a) : 0;
		if (r == -FERRY_ETOOBIG)
			return 0;
		a->body.size++;
		if (r == 0)
			return 0;
		last = buf_len(&a->text) - before;
	}
	if (r == 0)
		return 0;
	q->why = "a path in a row is none";
	return r;
}

/* The line ends in fd, or a negative errno. */
static int
count_lines(int fd, uint64_t *ret_count)
{
	_cleanup_free_ uint8_t *chunk = malloc(65536);
	uint64_t seen = 0, count = 0;

	if (!chunk)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, chunk, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		seen += (uint64_t)n;
		if (seen > ASCII_SIZE_MAX)
			return -EFBIG;
		count += ascii_count_lf(chunk, (size_t)n);
	}
	*ret_count = count;
	return 0;
}

/* SIZE in TYPE A: what RETR would send (RFC 3659 4), for those who may RETR. */
static int
stat_ascii(struct request *q, struct answer *a)
{
	_cleanup_close_ int fd = -1;
	uint64_t lines = 0;
	struct stat st;

	if (!permitted(q, RIGHT_READ, a))
		return 0;
	int r = q->store->open(q->grant->root, q->path, &fd, &st);
	if (r < 0)
		return fail_path(q, r, a);
	if (!readable(q, &st, a))
		return 0;
	if ((uint64_t)st.st_size <= ASCII_SIZE_MAX)
		r = count_lines(fd, &lines);
	if ((uint64_t)st.st_size > ASCII_SIZE_MAX || r == -EFBIG)
		return answer_fail(
		    a, EFBIG, "the file is too large to count its line ends; use TYPE I");
	if (r < 0)
		return fail_path(q, r, a);
	answer_stat(a, &st);
	a->body.size += lines;
	return 0;
}

static int
op_stat(struct request *q, struct answer *a)
{
	const struct msg_agent_stat *m = &q->msg->agent_stat;
	struct stat st;

	if (m->right != 0 && !permitted(q, m->right, a))
		return 0;
	if (m->right == RIGHT_RENAME && q->path[strspn(q->path, "/")] == '\0')
		return answer_fail(
		    a, EPERM, "the root directory itself cannot be renamed");
	if (m->ascii)
		return stat_ascii(q, a);
	int r = q->store->stat(q->grant->root, q->path, !m->nofollow, &st);
	if (r < 0)
		return fail_path(q, r, a);
	answer_stat(a, &st);
	return 0;
}

/* The text that a directory greets with, if it has one that this user may read. */
static void
read_message(struct request *q, struct answer *a)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	uint8_t *room;

	if (asprintf(&path, "%s/%s", q->path, q->grant->agent->conf->message_file) < 0) {
		path = NULL;
		return;
	}
	if (q->store->open(q->grant->root, path, &fd, &st) < 0)
		return;
	if (!grant_has(q->grant, RIGHT_PRIVATE) && !(st.st_mode & S_IROTH))
		return;
	if (buf_reserve(&a->text, MESSAGE_MAX, &room) < 0)
		return;
	ssize_t n = read(fd, room, MESSAGE_MAX);
	buf_commit(&a->text, n > 0 ? (size_t)n : 0);
}

static int
op_chdir(struct request *q, struct answer *a)
{
	const struct conf *conf = q->grant->agent->conf;
	struct stat st;
	int r = q->store->stat(q->grant->root, q->path, true, &st);

	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r == 0)
		r = q->store->access(q->grant->root, q->path, X_OK);
	if (r < 0)
		return fail_path(q, r, a);
	answer_stat(a, &st);
	if (q->msg->agent_chdir.message && conf->dirmessage_enable &&
	    conf->message_file && conf->message_file[0] != '\0')
		read_message(q, a);
	return 0;
}

static int
op_list(struct request *q, struct answer *a)
{
	if (!permitted(q, RIGHT_LIST, a))
		return 0;
	return lister_start(q->channel, q->grant, &q->msg->agent_list, q->path, a);
}

/* The directory that holds what path names, for the perm fact; a root has none. */
static struct facts_place
place_of(struct request *q)
{
	char name[NAME_MAX + 1];
	_cleanup_close_ int dir = jail_open_parent(q->grant->root, q->path, name);

	return dir < 0 ? FACTS_NOWHERE : facts_place_of(dir);
}

/* A link is shown as what it leads to, or as itself when that is nowhere. */
static int
op_facts(struct request *q, struct answer *a)
{
	uint32_t facts = q->msg->agent_facts.facts;
	int root = q->grant->root;
	_cleanup_close_ int fd = jail_open(root, q->path, O_PATH);
	struct facts f;

	if (fd == -ENOENT || fd == -ELOOP)
		fd = jail_open(root, q->path, O_PATH | O_NOFOLLOW);
	struct facts_at at = {.at = fd, .path = "", .flags = AT_EMPTY_PATH};
	int r = fd < 0 ? fd : facts_look(&f, facts, at);
	if (r < 0)
		return fail_path(q, r, a);
	facts_fill(&f, q->grant, q->path);
	facts_mlsx(&f, facts, q->grant, place_of(q), at, NULL);
	/* The path has any bytes: the worker knows how to send them. */
	if (listing_format_facts(&a->text, &f.item, facts) < 0 ||
	    buf_append_byte(&a->text, ' ') < 0 ||
	    buf_append_str(&a->text, q->path) < 0)
		return answer_fail(a, ENOMEM, "%s", answer_cause(ENOMEM));
	answer_stat(a, &f.st);
	return 0;
}

static int
op_room(struct request *q, struct answer *a)
{
	uint64_t room = 0;
	int r = q->store->room(q->grant->root, q->path, &room);

	if (r < 0)
		return fail_path(q, r, a);
	a->body.size = room > INT64_MAX ? INT64_MAX : room;
	return 0;
}

/* ---- writing ---- */

static int
op_store(struct request *q, struct answer *a)
{
	return upload_begin(q->grant, &q->msg->agent_store, q->path, a);
}

static int
op_commit(struct request *q, struct answer *a)
{
	const struct msg_agent_commit *m = &q->msg->agent_commit;
	int r = upload_end(q->grant, m->upload, m->complete, m->rest, a);

	if (r < 0) {
		q->why = "COMMIT of an upload that never was";
		return -FERRY_EPROTO;
	}
	return 0;
}

static int
change_delete(struct request *q, struct answer *a)
{
	int r = q->store->remove(q->grant->root, q->path, false);

	return r < 0 ? fail_path(q, r == -EBUSY ? -EISDIR : r, a) : 0;
}

static int
change_rmdir(struct request *q, struct answer *a)
{
	int r = q->store->remove(q->grant->root, q->path, true);

	if (r == -EBUSY)
		return answer_fail(
		    a, EPERM, "it is in use, or the root directory itself");
	if (r == -EEXIST)
		r = -ENOTEMPTY; /* POSIX lets a file system say either */
	return r < 0 ? fail_path(q, r, a) : 0;
}

static int
change_mkdir(struct request *q, struct answer *a)
{
	const struct msg_agent_change *m = &q->msg->agent_change;
	int r = q->store->make(q->grant->root, q->path, m->mode & 0777 & ~m->umask);

	return r < 0 ? fail_path(q, r, a) : 0;
}

static int
change_chmod(struct request *q, struct answer *a)
{
	uint32_t mode = q->msg->agent_change.mode;

	if (mode & ~0777U)
		return answer_fail(
		    a, EINVAL, "only the permission bits 000 to 777 can be set");
	int r = q->store->set_mode(q->grant->root, q->path, mode);
	return r < 0 ? fail_path(q, r, a) : 0;
}

static int
change_mtime(struct request *q, struct answer *a)
{
	struct stat st;
	int r =
	    q->store->set_mtime(q->grant->root, q->path, q->msg->agent_change.mtime, &st);

	if (r < 0)
		return fail_path(q, r, a);
	answer_stat(a, &st);
	return 0;
}

/* All of the facts or none: the mode, which can be taken back, comes first. The rights
 * depend on what is asked for. */
static int
change_facts(struct request *q, struct answer *a)
{
	uint8_t facts = q->msg->agent_change.facts;
	int root = q->grant->root;
	struct stat before;
	int r;

	if ((facts & CHANGE_FACT_MODIFY) && !permitted(q, RIGHT_MTIME, a))
		return 0;
	if ((facts & CHANGE_FACT_MODE) && !permitted(q, RIGHT_CHMOD, a))
		return 0;
	r = q->store->stat(root, q->path, true, &before);
	if (r < 0)
		return fail_path(q, r, a);
	if (facts & CHANGE_FACT_MODE)
		change_chmod(q, a);
	if (a->body.error == 0 && (facts & CHANGE_FACT_MODIFY))
		change_mtime(q, a);
	if (a->body.error != 0 && (facts & CHANGE_FACT_MODE))
		(void)q->store->set_mode(root, q->path, before.st_mode & 0777);
	return 0;
}

/* right 0: the function asks. */
static const struct {
	uint32_t right;
	int (*run)(struct request *q, struct answer *a);
} changes[] = {
    [CHANGE_DELETE] = {RIGHT_DELETE, change_delete},
    [CHANGE_RMDIR] = {RIGHT_RMDIR, change_rmdir},
    [CHANGE_MKDIR] = {RIGHT_MKDIR, change_mkdir},
    [CHANGE_CHMOD] = {RIGHT_CHMOD, change_chmod},
    [CHANGE_MTIME] = {RIGHT_MTIME, change_mtime},
    [CHANGE_FACTS] = {0, change_facts},
};

static int
op_change(struct request *q, struct answer *a)
{
	uint8_t what = q->msg->agent_change.what;

	if (what >= ARRAY_LEN(changes)) {
		q->why = "unknown change";
		return -FERRY_EPROTO;
	}
	return permitted(q, changes[what].right, a) ? changes[what].run(q, a) : 0;
}

static int
op_link(struct request *q, struct answer *a)
{
	_cleanup_free_ char *link = bytes_dup(q->msg->agent_link.link);

	if (!permitted(q, RIGHT_CREATE, a))
		return 0;
	if (!link)
		return answer_fail(a, ENOMEM, "%s", answer_cause(ENOMEM));
	if (link[0] != '/') {
		q->why = "path is not absolute";
		return -FERRY_EPROTO;
	}
	int r = q->store->link(q->grant->root, q->path, link);
	if (r == -ELOOP)
		return answer_fail(
		    a, r, "a directory on the way to '%s' is a link", path_base(link));
	struct stat st;
	if (r < 0 && q->store->stat(q->grant->root, q->path, false, &st) < 0)
		return fail_path(q, r, a);
	return r < 0 ? answer_fail_path(a, r, q->grant->root, link) : 0;
}

/* Which end is to blame, in words. */
static int
fail_rename(struct request *q, int r, const char *to, struct answer *a)
{
	struct stat st;

	if (r == -EEXIST && !grant_has(q->grant, RIGHT_REPLACE))
		return answer_fail(a, r,
		    "'%s' exists, and changing files is not allowed for this account",
		    path_base(to));
	if (r == -EBUSY)
		return answer_fail(
		    a, EPERM, "the root directory itself cannot be renamed");
	if (r == -EINVAL)
		return answer_fail(a, r, "a directory cannot be moved into itself");
	if (r == -EISDIR || r == -EEXIST || r == -ENOTEMPTY)
		return answer_fail(a, r, "'%s' is a directory", path_base(to));
	if (q->store->stat(q->grant->root, q->path, false, &st) < 0)
		return fail_path(q, r, a);
	return answer_fail_path(a, r, q->grant->root, to);
}

/* Overwriting what has the new name takes its content away just as STOR over it does, so
 * it needs the same right, RIGHT_REPLACE. (In vsftpd one option, anon_other_write_enable,
 * grants both.) */
static int
op_rename(struct request *q, struct answer *a)
{
	_cleanup_free_ char *to = bytes_dup(q->msg->agent_rename.to);

	if (!permitted(q, RIGHT_RENAME, a))
		return 0;
	if (!to)
		return answer_fail(a, ENOMEM, "%s", answer_cause(ENOMEM));
	if (to[0] != '/') {
		q->why = "path is not absolute";
		return -FERRY_EPROTO;
	}
	int r = q->store->rename(
	    q->grant->root, q->path, to, grant_has(q->grant, RIGHT_REPLACE));
	return r < 0 ? fail_rename(q, r, to, a) : 0;
}

/* ---- the table ---- */

#define OP(NAME, name, path)                                                             \
	[MSG_AGENT_##NAME] = {op_##name, offsetof(struct msg, agent_##name.grant),       \
	    offsetof(struct msg, agent_##name.path)}

/* Where a request's grant and path are; path 0: it has none. */
static const struct op {
	int (*run)(struct request *q, struct answer *a);
	size_t grant, path;
} ops[MSG_TYPES] = {
    OP(OPEN, open, path),
    OP(STAT, stat, path),
    OP(CHDIR, chdir, path),
    OP(LIST, list, path),
    OP(FACTS, facts, path),
    OP(STORE, store, path),
    OP(CHANGE, change, path),
    OP(RENAME, rename, from),
    OP(ROOM, room, path),
    OP(LINK, link, path),
    [MSG_AGENT_COMMIT] = {op_commit, offsetof(struct msg, agent_commit.grant), 0},
    [MSG_AGENT_ROW] = {op_row, offsetof(struct msg, agent_row.grant), 0},
};

static void
grant_unrefp(struct grant **g)
{
	grant_unref(*g);
}

static int
ops_run(struct request *q, const struct op *op, struct answer *a)
{
	_cleanup_free_ char *path = NULL;

	if (op->path != 0) {
		path =
		    bytes_dup(*(const struct bytes *)((const char *)q->msg + op->path));
		if (!path)
			return answer_fail(a, ENOMEM, "%s", answer_cause(ENOMEM));
		if (path[0] != '/') {
			q->why = "path is not absolute";
			return -FERRY_EPROTO;
		}
	}
	q->path = path;
	return op->run(q, a);
}

int
ops_serve(struct channel *c, const struct msg *m, struct answer *a, const char **ret_why)
{
	const struct op *op = m->type < MSG_TYPES ? &ops[m->type] : NULL;
	_cleanup_(grant_unrefp)
	struct grant *grant = NULL;
	uint32_t number;
	int r;

	if (!op || !op->run) {
		*ret_why = "not a request of a worker";
		return -FERRY_EPROTO;
	}
	memcpy(&number, (const char *)m + op->grant, sizeof(number));
	r = grants_find(c->agent->grants, number, c, &grant);
	if (r == -EBADF)
		return answer_fail(a, EBADF, "%s", answer_cause(EBADF));
	if (r < 0) {
		*ret_why = "a grant that is not the worker's";
		return -FERRY_EPROTO;
	}
	struct request q = {
	    .channel = c,
	    .grant = grant,
	    .store = c->agent->store,
	    .msg = m,
	};
	r = ops_run(&q, op, a);
	if (r < 0)
		*ret_why = q.why;
	return r;
}
