/*
 * Files and directories without a data connection: facts, names, the working directory.
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

#include "listing.h"

static bool
is_positive(const struct ferry *h)
{
	return h->control.reply.code >= 200 && h->control.reply.code < 300;
}

/* ---------------------------------------------------------------- one command each */

static int
chdir_begin(struct ferry *h)
{
	return op_send(h, 0, "CWD", h->op.path);
}

static const struct op_type op_chdir = {.name = "chdir", .begin = chdir_begin};

int
ferry_chdir(struct ferry *h, const char *path)
{
	return op_simple(h, &op_chdir, path ? path : "");
}

static int
chdir_up_begin(struct ferry *h)
{
	return op_send(h, 0, "CDUP", NULL);
}

static const struct op_type op_chdir_up = {.name = "chdir_up", .begin = chdir_up_begin};

int
ferry_chdir_up(struct ferry *h)
{
	return op_simple(h, &op_chdir_up, NULL);
}

static int
rmdir_begin(struct ferry *h)
{
	return op_send(h, 0, "RMD", h->op.path);
}

static const struct op_type op_rmdir = {.name = "rmdir", .begin = rmdir_begin};

int
ferry_rmdir(struct ferry *h, const char *path)
{
	return op_simple(h, &op_rmdir, path ? path : "");
}

static int
delete_begin(struct ferry *h)
{
	return op_send(h, 0, "DELE", h->op.path);
}

static const struct op_type op_delete = {.name = "delete", .begin = delete_begin};

int
ferry_delete(struct ferry *h, const char *path)
{
	return op_simple(h, &op_delete, path ? path : "");
}

/* ---------------------------------------------------------------- rename */

enum rename_state {
	RENAME_FROM, /* RNFR sent; ended by 350 or a refusal */
	RENAME_TO,   /* RNTO sent */
};

static int
rename_begin(struct ferry *h)
{
	return op_send(h, RENAME_FROM, "RNFR", h->op.path);
}

static int
rename_reply(struct ferry *h)
{
	if (h->op.state == RENAME_TO)
		return is_positive(h) ? 0 : fail_reply(h);
	if (h->control.reply.code / 100 != 3)
		return fail_reply(h);
	return op_send(h, RENAME_TO, "RNTO", h->op.path2);
}

static const struct op_type op_rename = {
    .name = "rename",
    .begin = rename_begin,
    .reply = rename_reply,
};

int
ferry_rename(struct ferry *h, const char *from, const char *to)
{
	int r = op_prepare(h, &op_rename, from ? from : "", to ? to : "");

	return r < 0 ? r : op_run(h);
}

/* ---------------------------------------------------------------- 257 */

int
parse_257(const char *text, char **ret)
{
	const char *p = strchr(text, '"');
	char *path, *out;

	if (!p)
		return -FERRY_EPROTO;
	path = out = malloc(strlen(p));
	if (!path)
		return -FERRY_ENOMEM;
	for (p++; *p; p++) {
		/* a quote in the path is doubled, a single one ends it */
		if (*p == '"' && *++p != '"') {
			*out = '\0';
			*ret = path;
			return 0;
		}
		*out++ = *p;
	}
	free(path);
	return -FERRY_EPROTO;
}

/* The path of this reply; a NUL in it would make it another one. */
static int
reply_path(struct ferry *h, char **ret)
{
	struct buf *text = &h->control.reply.text;

	if (memchr(buf_data(text), '\0', buf_len(text)))
		return -FERRY_EPROTO;
	return parse_257(reply_text(&h->control.reply), ret);
}

static int
pwd_begin(struct ferry *h)
{
	return op_send(h, 0, "PWD", NULL);
}

static int
pwd_reply(struct ferry *h)
{
	int r;

	if (!is_positive(h))
		return fail_reply(h);
	r = reply_path(h, h->op.ret_text);
	if (r == -FERRY_ENOMEM)
		return fail_memory(h);
	if (r < 0)
		return fail(
		    h, FERRY_EPROTO, 0, "%s answered PWD without a quoted path", h->host);
	return 0;
}

static const struct op_type op_pwd = {
    .name = "pwd", .begin = pwd_begin, .reply = pwd_reply};

int
ferry_pwd(struct ferry *h, char **ret_path)
{
	int r = op_prepare(h, &op_pwd, NULL, NULL);

	if (r < 0)
		return r;
	h->op.ret_text = ret_path;
	return op_run(h);
}

static int
mkdir_begin(struct ferry *h)
{
	return op_send(h, 0, "MKD", h->op.path);
}

static int
mkdir_reply(struct ferry *h)
{
	char *made = NULL;

	if (!is_positive(h))
		return fail_reply(h);
	/* many servers say 257 without the path: the directory is there all the same */
	if (h->op.ret_text && reply_path(h, &made) == -FERRY_ENOMEM)
		return fail_memory(h);
	if (h->op.ret_text)
		*h->op.ret_text = made;
	return 0;
}

static const struct op_type op_mkdir = {
    .name = "mkdir",
    .begin = mkdir_begin,
    .reply = mkdir_reply,
};

int
ferry_mkdir(struct ferry *h, const char *path, char **ret_path)
{
	int r = op_prepare(h, &op_mkdir, path ? path : "", NULL);

	if (r < 0)
		return r;
	h->op.ret_text = ret_path;
	return op_run(h);
}

/* ---------------------------------------------------------------- SIZE and the times */

/* "213 1234" */
static int
reply_size(struct ferry *h, uint64_t *ret)
{
	const char *text = reply_text(&h->control.reply);

	if (parse_uint(text, strcspn(text, " "), INT64_MAX, ret) < 0)
		return fail(
		    h, FERRY_EPROTO, 0, "%s answered SIZE without a number", h->host);
	return 0;
}

static int
reply_time(struct ferry *h, int64_t *ret)
{
	const char *text = reply_text(&h->control.reply);

	if (listing_parse_time(text, strcspn(text, " "), ret) < 0)
		return fail(
		    h, FERRY_EPROTO, 0, "%s answered MDTM without a time", h->host);
	return 0;
}

enum size_state {
	SIZE_TYPE, /* TYPE sent: the size depends on it (RFC 3659 4) */
	SIZE_SIZE, /* SIZE sent */
};

static int
size_begin(struct ferry *h)
{
	char wanted = h->binary ? 'I' : 'A';

	if (h->type == wanted)
		return op_send(h, SIZE_SIZE, "SIZE", h->op.path);
	return op_send(h, SIZE_TYPE, "TYPE", h->binary ? "I" : "A");
}

static int
size_reply(struct ferry *h)
{
	uint64_t size;
	int r;

	if (!is_positive(h))
		return fail_reply(h);
	if (h->op.state == SIZE_TYPE) {
		h->type = h->binary ? 'I' : 'A';
		return op_send(h, SIZE_SIZE, "SIZE", h->op.path);
	}
	r = reply_size(h, &size);
	if (r == 0)
		*h->op.ret_u64 = size;
	return r;
}

static const struct op_type op_size = {
    .name = "size", .begin = size_begin, .reply = size_reply};

int
ferry_size(struct ferry *h, const char *path, uint64_t *ret_size)
{
	int r = op_prepare(h, &op_size, path ? path : "", NULL);

	if (r < 0)
		return r;
	h->op.ret_u64 = ret_size;
	return op_run(h);
}

static int
mtime_begin(struct ferry *h)
{
	return op_send(h, 0, "MDTM", h->op.path);
}

static int
mtime_reply(struct ferry *h)
{
	int64_t mtime;
	int r;

	if (!is_positive(h))
		return fail_reply(h);
	r = reply_time(h, &mtime);
	if (r == 0)
		*h->op.ret_i64 = mtime;
	return r;
}

static const struct op_type op_mtime = {
    .name = "mtime",
    .begin = mtime_begin,
    .reply = mtime_reply,
};

int
ferry_mtime(struct ferry *h, const char *path, int64_t *ret_mtime)
{
	int r = op_prepare(h, &op_mtime, path ? path : "", NULL);

	if (r < 0)
		return r;
	h->op.ret_i64 = ret_mtime;
	return op_run(h);
}

static int
set_mtime_begin(struct ferry *h)
{
	struct buf arg = BUF_INIT(COMMAND_MAX);
	char when[16];
	int r;

	listing_format_time((time_t)h->op.number, when);
	r = buf_printf(&arg, "%s %s", when, h->op.path);
	r = r < 0 ? fail_memory(h) : op_send(h, 0, "MFMT", buf_cstr(&arg));
	buf_free(&arg);
	return r;
}

static const struct op_type op_set_mtime = {
    .name = "set_mtime", .begin = set_mtime_begin};

/* The years 0 to 9999, which is what fourteen digits can say. */
#define TIME_MIN INT64_C(-62167219200)
#define TIME_MAX INT64_C(253402300799)

int
ferry_set_mtime(struct ferry *h, const char *path, int64_t mtime)
{
	int r = op_prepare(h, &op_set_mtime, path ? path : "", NULL);

	if (r < 0)
		return r;
	if (mtime < TIME_MIN || mtime > TIME_MAX) {
		op_release(h);
		return fail(
		    h, FERRY_EINVAL, 0, "the time is outside the years 0 to 9999");
	}
	h->op.number = mtime;
	return op_run(h);
}

/* ---------------------------------------------------------------- stat */

/* Without MLST: SIZE tells a file, CWD a directory. */
enum stat_state {
	STAT_MLST, /* MLST sent; 5xx for the command itself: go on with TYPE */
	STAT_TYPE, /* TYPE I sent: SIZE in TYPE A is refused by many */
	STAT_SIZE, /* SIZE sent: positive means a file */
	STAT_MDTM, /* MDTM sent; failure is harmless */
	STAT_PWD,  /* not a file: PWD sent, to find back */
	STAT_CWD,  /* CWD path sent: positive means a directory */
	STAT_BACK, /* CWD to where we were sent */
};

static const char *
last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* The entry is complete: it becomes the caller's. */
static int
stat_done(struct ferry *h)
{
	struct ferry_entry *e = &h->op.entry;

	free(e->name);
	e->name = strdup(last_component(h->op.path));
	if (!e->name)
		return fail_memory(h);
	*h->op.ret_entry = *e;
	*e = (struct ferry_entry){0};
	return 0;
}

static int
stat_size(struct ferry *h)
{
	return op_send(h, STAT_SIZE, "SIZE", h->op.path);
}

static int
stat_without_mlst(struct ferry *h)
{
	h->op.entry = (struct ferry_entry){
	    .struct_size = sizeof(h->op.entry),
	    .size = -1,
	    .mtime = INT64_MIN,
	    .mode = -1,
	};
	if (h->type == 'I')
		return stat_size(h);
	return op_send(h, STAT_TYPE, "TYPE", "I");
}

static int
stat_begin(struct ferry *h)
{
	if (ferry_has_feature(h, "MLST"))
		return op_send(h, STAT_MLST, "MLST", h->op.path);
	return stat_without_mlst(h);
}

/* "250-Listing x" LF " type=file;size=1; x" LF "250 End": the line that begins with a
 * blank (RFC 3659 7.2); some servers put the code there instead. */
static int
parse_mlst(const char *text, struct ferry_entry *ret)
{
	int r = -FERRY_EPROTO;

	for (const char *line = text; *line && r == -FERRY_EPROTO;) {
		size_t n = strcspn(line, "\n");
		size_t skip = line[0] == ' ' ? 1 : n > 4 ? 4 : 0;

		if (skip)
			r = listing_parse_mlsx(line + skip, n - skip, ret);
		line += n + (line[n] == '\n');
	}
	return r;
}

static int
mlst_reply(struct ferry *h)
{
	const char *text = buf_cstr(&h->control.reply.text);
	int r;

	if (!is_positive(h)) {
		if (reply_error(h->control.reply.code) == FERRY_EUNSUPPORTED)
			return stat_without_mlst(h);
		return fail_reply(h);
	}
	r = text ? parse_mlst(text, &h->op.entry) : -FERRY_ENOMEM;
	if (r == -FERRY_ENOMEM)
		return fail_memory(h);
	if (r < 0)
		return fail(
		    h, FERRY_EPROTO, 0, "%s answered MLST without facts", h->host);
	return stat_done(h);
}

static int
stat_size_reply(struct ferry *h)
{
	uint64_t size;
	int r;

	if (!is_positive(h))
		return op_send(h, STAT_PWD, "PWD", NULL);
	r = reply_size(h, &size);
	if (r < 0)
		return r;
	h->op.entry.type = FERRY_ENTRY_FILE;
	h->op.entry.size = (int64_t)size;
	return op_send(h, STAT_MDTM, "MDTM", h->op.path);
}

static int
stat_mdtm_reply(struct ferry *h)
{
	const char *text = reply_text(&h->control.reply);

	if (is_positive(h))
		(void)listing_parse_time(text, strcspn(text, " "), &h->op.entry.mtime);
	return stat_done(h);
}

static int
stat_pwd_reply(struct ferry *h)
{
	if (!is_positive(h) || reply_path(h, &h->op.kept) < 0)
		return fail_reply(h);
	return op_send(h, STAT_CWD, "CWD", h->op.path);
}

static int
stat_cwd_reply(struct ferry *h)
{
	if (!is_positive(h))
		return fail_reply(h);
	h->op.entry.type = FERRY_ENTRY_DIRECTORY;
	return op_send(h, STAT_BACK, "CWD", h->op.kept);
}

static int
stat_reply(struct ferry *h)
{
	switch ((enum stat_state)h->op.state) {
	case STAT_MLST:
		return mlst_reply(h);
	case STAT_TYPE:
		if (is_positive(h))
			h->type = 'I';
		return stat_size(h);
	case STAT_SIZE:
		return stat_size_reply(h);
	case STAT_MDTM:
		return stat_mdtm_reply(h);
	case STAT_PWD:
		return stat_pwd_reply(h);
	case STAT_CWD:
		return stat_cwd_reply(h);
	case STAT_BACK:
		return is_positive(h) ? stat_done(h) : fail_reply(h);
	}
	return -FERRY_ESTATE;
}

static const struct op_type op_stat = {
    .name = "stat", .begin = stat_begin, .reply = stat_reply};

int
ferry_stat(struct ferry *h, const char *path, struct ferry_entry *ret)
{
	int r = op_prepare(h, &op_stat, path ? path : "", NULL);

	if (r < 0)
		return r;
	h->op.ret_entry = ret;
	return op_run(h);
}
