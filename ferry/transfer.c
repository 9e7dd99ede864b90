/*
 * Transfers of files. The promise of local.h holds on every way out: an incomplete
 * download never takes the name of the old file.
 */
#include "transfer.h"

#include "own.h"
#include "safe.h"

int
transfer_fail_local(struct session *s, int rc, const char *name, const char *why)
{
	_cleanup_free_ char *safe = safe_string(name);

	return session_fail(s, rc, "%s: %s", safe == NULL ? "" : safe, why);
}

/* How much of the remote file is there already? 0: go on at *offset; 1: all of it. */
static int
check_resume(struct session *s, const struct download *d, uint64_t have)
{
	uint64_t size;
	int rc = session_run(s, ferry_size(s->h, d->remote, &size));

	if (rc == -FERRY_EUNSUPPORTED)
		return 0; /* the server will tell at the end */
	if (rc < 0)
		return rc;
	if (have == size)
		return 1;
	if (have > size)
		return transfer_fail_local(s, -FERRY_ELOCAL, d->local,
		    "is longer than the file on the server: not continued");
	return 0;
}

static void
fetch_mtime(struct session *s, const struct download *d, struct local_sink *sink)
{
	int64_t mtime;

	if (!d->keep_time || sink->stream != NULL || !ferry_has_feature(s->h, "MDTM"))
		return;
	if (session_run(s, ferry_mtime(s->h, d->remote, &mtime)) == 0)
		sink->mtime = mtime;
}

/* There was no data connection with the server: what came, came from somebody else, and
 * must not be gone on with. What has left us cannot be taken back, so then it is not
 * tried again. */
static int
drop_foreign(struct session *s, struct local_sink *sink, uint64_t offset)
{
	_cleanup_free_ char *why = NULL;

	if (s->view.data_bytes == 0 || local_sink_rewind(sink, offset))
		return -FERRY_EDATA;
	why = session_error(s, -FERRY_EDATA);
	return session_fail(s, -FERRY_ESHORT, "%s; what came was not the server's",
	    why == NULL ? "" : why);
}

static int
download_into(
    struct session *s, const struct download *d, struct local_sink *sink, uint64_t offset)
{
	int rc = 0;

	if (d->resume && offset > 0)
		rc = check_resume(s, d, offset);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	view_begin(&s->view, d->remote, offset);
	rc = session_run(s, ferry_get(s->h, d->remote, offset, local_sink_write, sink));
	view_end(&s->view);
	if (rc == 0)
		fetch_mtime(s, d, sink);
	return rc;
}

/* The part stays: say how to go on with it. */
static void
mention_part(struct session *s, int rc, const struct local_sink *sink)
{
	_cleanup_free_ char *why = session_error(s, rc), *part = safe_string(sink->part);

	session_fail(s, rc,
	    "%s (what came is kept in %s; -c or reget goes on from there)",
	    why == NULL ? "" : why, part == NULL ? "" : part);
}

int
transfer_close_sink(struct session *s, const struct download *d, struct local_sink *sink,
    uint64_t offset, int rc)
{
	if (rc == -FERRY_EDATA)
		rc = drop_foreign(s, sink, offset);
	if (rc == -FERRY_ELOCAL && *sink->error != '\0')
		transfer_fail_local(s, rc, d->local, sink->error);
	if (rc < 0 && local_sink_has_part(sink))
		mention_part(s, rc, sink);
	if (local_sink_close(sink, rc == 0) < 0 && rc == 0)
		rc = transfer_fail_local(s, -FERRY_ELOCAL, d->local, sink->error);
	return rc;
}

static void
plan(struct session *s, const char *verb, const char *path)
{
	view_plan(&s->view, ferry_get_mode(s->h), verb, path);
}

static int
end(struct session *s, int rc)
{
	_cleanup_free_ char *why = rc < 0 ? session_error(s, rc) : NULL;

	view_outcome(&s->view, rc, why);
	return rc;
}

int
transfer_download(struct session *s, const struct download *d)
{
	struct local_sink sink;
	uint64_t offset;
	int rc;

	s->message[0] = '\0';
	s->view.moved = false;
	plan(s, "RETR", d->remote);
	rc = local_sink_open(&sink, d->local, d->who, d->resume, &offset);
	if (rc < 0)
		return end(s, transfer_fail_local(s, rc, d->local, sink.error));
	rc = download_into(s, d, &sink, offset);
	return end(s, transfer_close_sink(s, d, &sink, offset, rc));
}

/* ---------------------------------------------------------------- up */

/* Where the server's part ends, for put -c. 1: nothing is left to send. */
static int
skip_sent(struct session *s, const struct upload *u, struct local_source *src,
    uint64_t *ret_offset)
{
	uint64_t size;
	int rc = session_run(s, ferry_size(s->h, u->remote, &size));

	if (rc == -FERRY_EREFUSED)
		return 0; /* nothing is there yet */
	if (rc < 0)
		return rc;
	if (src->size < 0 || size > (uint64_t)src->size)
		return transfer_fail_local(s, -FERRY_ELOCAL, u->local,
		    src->size < 0
			? "only a file can be continued"
			: "is shorter than the file on the server: not continued");
	if (size == (uint64_t)src->size)
		return 1;
	*ret_offset = size;
	return 0;
}

static int
upload_from(struct session *s, const struct upload *u, struct local_source *src)
{
	uint64_t offset = 0;
	int rc = 0;

	if (u->resume)
		rc = skip_sent(s, u, src, &offset);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (offset > 0 && local_source_skip(src, offset) < 0)
		return transfer_fail_local(s, -FERRY_ELOCAL, u->local, src->error);
	int64_t left = src->size < 0 ? -1 : src->size - (int64_t)offset;
	view_begin(&s->view, u->local, offset);
	rc = session_run(
	    s, ferry_put(s->h, u->remote, u->how, offset, left, local_source_read, src));
	view_end(&s->view);
	if (rc == -FERRY_ELOCAL && *src->error != '\0')
		transfer_fail_local(s, rc, u->local, src->error);
	/* what was read from a pipe cannot be read again */
	return rc == -FERRY_EDATA && src->size < 0 && s->view.data_bytes > 0
		   ? -FERRY_ESHORT
		   : rc;
}

int
transfer_upload(struct session *s, const struct upload *u)
{
	static const char *const verbs[] = {
	    [FERRY_PUT_STORE] = "STOR",
	    [FERRY_PUT_APPEND] = "APPE",
	    [FERRY_PUT_UNIQUE] = "STOU",
	};
	struct local_source src;
	int rc;

	s->message[0] = '\0';
	s->view.moved = false;
	plan(s, verbs[u->how], u->remote);
	rc = local_source_open(&src, u->local, u->who);
	if (rc < 0)
		return end(s, transfer_fail_local(s, rc, u->local, src.error));
	rc = upload_from(s, u, &src);
	local_source_close(&src);
	return end(s, rc);
}
