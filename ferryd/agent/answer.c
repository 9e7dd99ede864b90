/*
 * Answers and the words of failure. See answer.h.
 */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "grant.h"
#include "jail.h"
#include "line.h"
#include "path.h"

/* As the WORKER_ANSWER row of messages.def. */
#define ANSWER_TEXT_MAX 65000

void
answer_init(struct answer *a)
{
	*a = (struct answer){.text = BUF_INIT(ANSWER_TEXT_MAX), .fd = -1};
}

void
answer_clear(struct answer *a)
{
	buf_free(&a->text);
	fd_closep(&a->fd);
}

static uint8_t
type_of(mode_t mode)
{
	if (S_ISREG(mode))
		return TYPE_FILE;
	if (S_ISDIR(mode))
		return TYPE_DIRECTORY;
	return S_ISLNK(mode) ? TYPE_LINK : TYPE_OTHER;
}

void
answer_stat(struct answer *a, const struct stat *st)
{
	a->body.type = type_of(st->st_mode);
	a->body.size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
	a->body.mtime = st->st_mtim.tv_sec;
	a->body.mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
}

static const struct {
	int error;
	const char *cause;
} causes[] = {
    {EACCES, "permission denied"},
    {EAGAIN, "too busy just now, try again"},
    {EBADF, "this login has ended"},
    {EBUSY, "it is in use, or the root directory itself"},
    {EDQUOT, "the disk quota is used up"},
    {EEXIST, "that name exists already"},
    {EFBIG, "the file would be too large"},
    {EINVAL, "that cannot be done here"},
    {EIO, "the disk reports an error"},
    {EISDIR, "is a directory"},
    {ELOOP, "too many symbolic links"},
    {EMFILE, "too many files are open"},
    {EMLINK, "too many links to it"},
    {ENAMETOOLONG, "the name is too long"},
    {ENFILE, "too many files are open"},
    {ENOENT, "no such file or directory"},
    {ENOMEM, "out of memory"},
    {ENOSPC, "no space is left"},
    {ENOTDIR, "is not a directory"},
    {ENOTEMPTY, "the directory is not empty"},
    {EOPNOTSUPP, "is not a regular file"},
    {EPERM, "that belongs to another user"},
    {ERANGE, "the file system cannot keep that time"},
    {EROFS, "the file system is read-only"},
    {ETXTBSY, "the file is being run as a program"},
    {EXDEV, "cannot be moved to another file system"},
};

const char *
answer_cause(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (causes[i].error == error)
			return causes[i].cause;
	return "the file system refused it";
}

int
answer_fail(struct answer *a, int error, const char *fmt, ...)
{
	_cleanup_(buf_free)
	struct buf raw = BUF_INIT(2 * PATH_TEXT_MAX);
	va_list ap;

	if (error < 0)
		error = -error;
	buf_clear(&a->text);
	fd_closep(&a->fd);
	a->body =
	    (struct msg_worker_answer){.error = error > 0 && error < 4096 ? error : EIO};
	va_start(ap, fmt);
	int r = buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	/* Without memory the number must do. */
	if (r == 0)
		line_append_safe(&a->text, buf_data(&raw), buf_len(&raw));
	return 0;
}

/* The component that ends at n, cut to what a reply can show. */
static struct bytes
component_before(const char *path, size_t n)
{
	size_t start;

	while (n > 0 && path[n - 1] == '/')
		n--;
	for (start = n; start > 0 && path[start - 1] != '/'; start--)
		;
	if (n - start > PATH_NAME_MAX)
		n = start + PATH_NAME_MAX;
	return (struct bytes){(const uint8_t *)path + start, n - start};
}

/* The component at n could not be reached, because of itself or of the directory before
 * it. */
static int
fail_component(struct answer *a, int error, const char *path, size_t n)
{
	struct bytes at = component_before(path, n);
	struct bytes before =
	    component_before(path, (size_t)(at.p - (const uint8_t *)path));
	bool last = path[n + strspn(path + n, "/")] == '\0';
	int len = (int)at.n, before_len = (int)before.n;

	if (error == ENOENT && !last)
		return answer_fail(
		    a, error, "part of the path, '%.*s', does not exist", len, at.p);
	if (error == ENOTDIR)
		return answer_fail(a, error,
		    "part of the path, '%.*s', is not a directory", before_len, before.p);
	if (error == EACCES && before_len > 0)
		return answer_fail(a, error, "you may not enter the directory '%.*s'",
		    before_len, before.p);
	return answer_fail(a, error, "'%.*s': %s", len, at.p, answer_cause(error));
}

int
answer_fail_path(struct answer *a, int error, int root, const char *path)
{
	struct bytes base = component_before(path, strlen(path));
	size_t n = 0;
	int found = 0;

	if (error < 0)
		error = -error;
	if (error == ENOENT || error == ENOTDIR || error == EACCES)
		n = jail_find_fault(root, path, &found);
	if (n > 0 && found == error)
		return fail_component(a, error, path, n);
	if (base.n == 0)
		return answer_fail(a, error, "%s", answer_cause(error));
	return answer_fail(
	    a, error, "'%.*s': %s", (int)base.n, base.p, answer_cause(error));
}
