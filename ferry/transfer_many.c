/*
 * Several files of one session as one operation of libferry, down or up, for the one-shot
 * commands and the prompt. Whoever watches sees them one after the other: nothing is told
 * of a file before the one in front of it has come to its end, whatever was sent ahead.
 * Must never leave what is not the server's where a download goes.
 */
#include "transfer_many.h"

#include "own.h"

static bool
shares_connection(const struct session *s)
{
	return (s->coding == FERRY_CODING_AUTO || s->coding == FERRY_CODING_BLOCK) &&
	       ferry_has_feature(s->h, "MODE B");
}

bool
transfer_can_many(const struct session *s)
{
	return shares_connection(s) ||
	       (s->view.explain == NULL && s->view.record == NULL);
}

struct turn {
	bool ended; /* before its turn: it could not be opened, or not be sent */
	bool again; /* it is tried once more, by itself */
	int result;
	char *why;                   /* or NULL */
	struct local_source *source; /* of an upload that is open */
};

struct row {
	struct session *s;
	const struct download *down; /* these, or ... */
	const struct upload *up;
	size_t n, turn; /* whose it is */
	struct turn *files;
	const struct transfer_told *told;
	void *user;
	bool ahead;             /* streams whose commands are sent ahead */
	struct local_sink sink; /* of the download that comes */
	bool is_open;
	const char **path; /* on the server */
};

/* ---------------------------------------------------------------- one by one */

static void
begin_turn(struct row *r)
{
	if (r->turn == r->n)
		return;
	if (r->told->begins != NULL)
		r->told->begins(r->turn, r->user);
	view_begin(&r->s->view,
	    r->down != NULL ? r->down[r->turn].remote : r->up[r->turn].local, 0);
}

static void
pass_turn(struct row *r)
{
	r->turn++;
	r->s->message[0] = '\0';
	begin_turn(r);
}

static void
tell(struct row *r, size_t i, int result)
{
	const struct turn *o = &r->files[i];

	if (o->why != NULL)
		session_fail(r->s, result, "%s", o->why);
	r->told->done(i, result, r->user);
	r->s->message[0] = '\0';
}

/* These failures are the operation's: its caller tells them. */
static bool
ends_all(int result)
{
	return result == -FERRY_EABORTED || result == -FERRY_EDATA ||
	       result == -FERRY_ECLOSED || result == -FERRY_ENOMEM;
}

/* Where the next file's commands were sent ahead, that may have been it. */
static bool
is_doubtful(const struct row *r, int result)
{
	return r->ahead && (result == -FERRY_ESHORT || result == -FERRY_ETEMPORARY ||
			       result == -FERRY_EPROTO);
}

/* A file has come to its end. */
static void
settle(struct row *r, size_t i, int result)
{
	struct turn *o = &r->files[i];

	if (ends_all(result))
		return;
	o->again = is_doubtful(r, result);
	if (i == r->turn && !o->again) {
		view_end(&r->s->view);
		tell(r, i, result);
		pass_turn(r);
	} else {
		o->ended = true;
		o->result = result;
		o->why = result < 0 ? session_error(r->s, result) : NULL;
		r->s->message[0] = '\0';
	}
	for (o = &r->files[r->turn]; r->turn < r->n && o->ended; o++) {
		view_end(&r->s->view);
		if (!o->again)
			tell(r, r->turn, o->result);
		pass_turn(r);
	}
}

/* ---------------------------------------------------------------- the operation */

static void
row_free(struct row *r)
{
	for (size_t i = 0; r->files != NULL && i < r->n; i++)
		free(r->files[i].why);
	free(r->files);
	free(r->path);
}

static int
row_begin(struct row *r, struct session *s, size_t n, const struct transfer_told *told,
    void *user)
{
	*r = (struct row){.s = s, .n = n, .told = told, .user = user};
	r->files = calloc(n + 1, sizeof *r->files);
	r->path = calloc(n, sizeof *r->path);
	if (r->files == NULL || r->path == NULL) {
		row_free(r);
		return -FERRY_ENOMEM;
	}
	r->ahead = !shares_connection(s);
	s->view.moved = false;
	s->message[0] = '\0';
	return 0;
}

/* What may have failed because of those behind it. */
static void
try_again(struct row *r, size_t i, bool stopped)
{
	struct turn *o = &r->files[i];
	int rc = o->result;

	if (!stopped && ferry_is_logged_in(r->s->h)) {
		freep(&o->why);
		if (r->told->begins != NULL)
			r->told->begins(i, r->user);
		rc = r->down != NULL ? transfer_download(r->s, &r->down[i])
				     : transfer_upload(r->s, &r->up[i]);
	}
	tell(r, i, rc);
}

static int
row_end(struct row *r, int rc, size_t *ret_tried)
{
	_cleanup_free_ char *why = rc < 0 ? session_error(r->s, rc) : NULL;
	bool any = false;

	view_end(&r->s->view);
	view_outcome(&r->s->view, rc, why);
	for (size_t i = 0; i < r->n; i++)
		if (r->files[i].again) {
			try_again(r, i, rc == -FERRY_EABORTED);
			any = true;
		}
	if (any && rc < 0)
		session_fail(r->s, rc, "%s", why == NULL ? "" : why);
	row_free(r);
	*ret_tried = r->turn;
	return rc;
}

/* ---------------------------------------------------------------- down */

static int
arrival_begin(size_t i, int64_t size, int64_t mtime, void *user)
{
	struct row *r = user;
	const struct download *d = &r->down[i];
	uint64_t offset;

	if (local_sink_open(&r->sink, d->local, d->who, false, &offset) < 0)
		return transfer_fail_local(r->s, -1, d->local, r->sink.error);
	r->is_open = true;
	if (d->keep_time && r->sink.stream == NULL)
		r->sink.mtime = mtime;
	return 0;
}

static int
arrival_write(size_t i, const void *data, size_t n, void *user)
{
	struct row *r = user;

	return local_sink_write(data, n, &r->sink);
}

static void
arrival_end(size_t i, int result, void *user)
{
	struct row *r = user;

	if (r->is_open)
		result = transfer_close_sink(r->s, &r->down[i], &r->sink, 0, result);
	r->is_open = false;
	settle(r, i, result);
}

int
transfer_download_many(struct session *s, const struct download *d, size_t n,
    const struct transfer_told *told, void *user, size_t *ret_tried)
{
	struct row r;
	int rc = row_begin(&r, s, n, told, user);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		r.path[i] = d[i].remote;
	r.down = d;
	/* what has gone out on standard output is not taken back */
	r.ahead = r.ahead && d->who != LOCAL_TYPED;
	const struct ferry_many many = {
	    .struct_size = sizeof many,
	    .times = d->keep_time,
	    .begin = arrival_begin,
	    .write = arrival_write,
	    .end = arrival_end,
	    .ahead = r.ahead,
	};
	view_plan(&s->view, ferry_get_mode(s->h), "RETR", d->remote);
	view_many(&s->view, n);
	begin_turn(&r);
	rc = session_run(s, ferry_get_many(s->h, r.path, n, &many, &r));
	/* the handle was given up (^C twice) */
	if (r.is_open)
		arrival_end(r.turn, rc, &r);
	return row_end(&r, rc, ret_tried);
}

/* ---------------------------------------------------------------- up */

static int
departure_open(size_t i, int64_t *ret_size, void *user)
{
	struct row *r = user;
	struct local_source *source = malloc(sizeof *source);
	const struct upload *u = &r->up[i];

	if (source == NULL)
		return -1;
	if (local_source_open(source, u->local, u->who) < 0) {
		transfer_fail_local(r->s, -1, u->local, source->error);
		free(source);
		return -1;
	}
	r->files[i].source = source;
	*ret_size = source->size;
	return 0;
}

static int64_t
departure_read(size_t i, void *data, size_t max, void *user)
{
	const struct row *r = user;

	return local_source_read(data, max, r->files[i].source);
}

static void
departure_close(struct row *r, size_t i, int result)
{
	struct local_source *source = r->files[i].source;

	if (source == NULL)
		return;
	if (result == -FERRY_ELOCAL && *source->error != '\0')
		transfer_fail_local(r->s, result, r->up[i].local, source->error);
	local_source_close(source);
	free(source);
	r->files[i].source = NULL;
}

static void
departure_end(size_t i, int result, void *user)
{
	struct row *r = user;

	departure_close(r, i, result);
	settle(r, i, result);
}

int
transfer_upload_many(struct session *s, const struct upload *u, size_t n,
    const struct transfer_told *told, void *user, size_t *ret_tried)
{
	struct row r;
	int rc = row_begin(&r, s, n, told, user);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		r.path[i] = u[i].remote;
	r.up = u;
	const struct ferry_put_many many = {
	    .struct_size = sizeof many,
	    .open = departure_open,
	    .read = departure_read,
	    .end = departure_end,
	    .ahead = r.ahead,
	};
	view_plan(&s->view, ferry_get_mode(s->h), "STOR", u->remote);
	view_many(&s->view, n);
	begin_turn(&r);
	rc = session_run(s, ferry_put_many(s->h, r.path, n, &many, &r));
	for (size_t i = 0; i < n; i++)
		departure_close(&r, i, rc);
	return row_end(&r, rc, ret_tried);
}
