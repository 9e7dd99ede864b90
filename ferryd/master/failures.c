/*
 * The table of failures and its file. Readers see the old file or the new one, never a
 * half; the file is not worth an fsync. Must never follow a link that somebody has put in
 * its place.
 */
#include "failures.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "util.h"

static struct failure_record *
find_row(struct failures *t, const struct failure *f, struct failure_verdict v)
{
	struct failure_record *oldest = NULL;

	for (size_t i = 0; i < t->n; i++) {
		struct failure_record *r = &t->row[i];

		if (r->verdict.code == v.code &&
		    endpoint_same_address(&r->failure.peer, &f->peer))
			return r;
		if (oldest == NULL || r->last < oldest->last)
			oldest = r;
	}
	if (t->n < FAILURE_RECORDS)
		oldest = &t->row[t->n++];
	oldest->count = 0;
	return oldest;
}

struct failure_verdict
failures_add(struct failures *t, const struct failure *f, int64_t now)
{
	struct failure_verdict v = failure_judge(f);
	struct failure_record *r = find_row(t, f, v);
	uint32_t count = r->count < UINT32_MAX ? r->count + 1 : r->count;

	*r = (struct failure_record){
	    .last = now, .count = count, .failure = *f, .verdict = v};
	t->changed = true;
	return v;
}

static int
write_all(const struct failures *t, int fd)
{
	_cleanup_(buf_free)
	struct buf text = BUF_INIT((FAILURE_RECORDS + 1) * FAILURE_LINE_MAX);
	char line[FAILURE_LINE_MAX];
	int r = buf_append_str(&text, FAILURE_FILE_HEAD);

	for (size_t i = 0; i < t->n && r == 0; i++)
		r = buf_append(&text, line, failure_format(&t->row[i], line));
	if (r < 0)
		return r;
	return write(fd, buf_data(&text), buf_len(&text)) == (ssize_t)buf_len(&text)
		   ? 0
		   : -FERRY_ESYS;
}

static int
write_file(const struct failures *t, const char *path)
{
	_cleanup_(buf_free)
	struct buf name = BUF_INIT(4096 + 16);
	const char *beside;

	if (buf_printf(&name, "%s.new", path) < 0 || (beside = buf_cstr(&name)) == NULL)
		return -FERRY_ENOMEM;
	/* What a master that was killed left behind. */
	if (unlink(beside) < 0 && errno != ENOENT)
		return -FERRY_ESYS;
	_cleanup_close_ int fd =
	    open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -FERRY_ESYS;
	if (write_all(t, fd) < 0 || rename(beside, path) < 0) {
		int saved = errno;

		unlink(beside);
		errno = saved;
		return -FERRY_ESYS;
	}
	return 0;
}

void
failures_begin(struct failures *t, const char *path)
{
	t->changed = path != NULL && path[0] != '\0' && access(path, F_OK) == 0;
}

void
failures_write(struct failures *t, const char *path)
{
	if (!t->changed || path == NULL || path[0] == '\0')
		return;
	t->changed = false;
	if (write_file(t, path) == 0 || t->told)
		return;
	t->told = true;
	log_event(LOG_WARNING, 0, "failures_file=%s why=\"%s\"", path, strerror(errno));
}
