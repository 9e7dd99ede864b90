/*
 * See transfer_model.h. Which connection carried a file is not asked: one of the last two
 * did, and their contents tell.
 */
#include "transfer_model.h"

#include "worker_world.h"

#include "far.h"
#include "session.h"
#include "transfer.h"

/* The bytes of a file from there on. */
static struct wire_sum
sum_of_file(int fd, off_t at)
{
	static uint8_t bytes[65536];
	struct wire_sum sum = {0};
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		wire_sum_add(&sum, bytes, (size_t)n);
		at += n;
	}
	return sum;
}

void
transfer_model_init(struct transfer_model *m, const struct world *w,
    const struct far *far, bool forgiving)
{
	*m = (struct transfer_model){
	    .w = w,
	    .far = far,
	    .forgiving = forgiving,
	    .opened = {{.fd = -1}, {.fd = -1}},
	};
}

/* ---- uploads ---- */

/* Could this connection have brought the whole file? In MODE B the file says itself where
 * it ends. Whether it was under TLS the session knows, and not the client, who may do a
 * handshake that nobody wants. */
static bool
is_whole(const struct transfer_model *m, const struct wire *w, const struct session *s)
{
	const struct transfer *t = s->transfer;
	bool forgiven = s->private && w->secure && !w->whole && m->forgiving;

	if (t->mode == CODING_BLOCK || forgiven)
		return true;
	if (t->mode != CODING_STREAM || t->ascii)
		return wire_has_brought(w, s->private, NULL);
	struct wire_sum stored = sum_of_file(m->w->stored, 0);
	return wire_has_brought(w, s->private, &stored);
}

/* The agent has been told that an upload is complete. */
static void
check_upload(const struct transfer_model *m, const struct session *s)
{
	if (!is_whole(m, &m->far->data, s) && !is_whole(m, &m->far->last, s))
		fail_msg("an upload is complete that is not what was sent");
}

static const struct world_file *
file_of(const struct world *w, const char *path)
{
	for (size_t i = 0; i < WORLD_FILES; i++) {
		if (strcmp(w->files[i].path, path) == 0)
			return &w->files[i];
	}
	return NULL;
}

static void
note_opened(struct transfer_model *m, const struct session *s)
{
	const struct transfer *t = s->transfer;
	bool listing = t->kind == TRANSFER_LISTING;
	const struct world_file *file = listing ? NULL : file_of(m->w, m->w->asked_path);

	m->opened[0] = m->opened[1];
	m->opened[1] = (struct opened){
	    .listing = listing,
	    .secure = s->private,
	    .block = t->mode == CODING_BLOCK,
	    .plain = !t->ascii && t->mode == CODING_STREAM && !t->ranged,
	    .fd = file != NULL ? file->fd : -1,
	    .offset = m->w->asked_offset,
	};
}

void
transfer_model_answer(struct transfer_model *m, const struct session *s, bool with_file)
{
	const struct transfer *t = s != NULL ? s->transfer : NULL;

	if (t != NULL && m->w->commits != m->commits)
		check_upload(m, s);
	m->commits = m->w->commits;
	if (t != NULL && with_file &&
	    (t->kind == TRANSFER_FILE || t->kind == TRANSFER_LISTING))
		note_opened(m, s);
}

/* ---- downloads ---- */

/* A client that plays tricks on TLS need not understand what comes. */
static bool
is_tricky(const struct wire *w, bool secure)
{
	return (secure && w->odd) || w->spoiled;
}

/* Its end came, in order, or would have: the client closed without looking. */
static bool
has_ended(const struct wire *w, bool secure)
{
	return !secure || w->unread || is_tricky(w, secure) || (w->secure && w->notified);
}

static bool
has_arrived(const struct opened *o, const struct wire *w)
{
	if (!o->plain || is_tricky(w, o->secure) || w->unread)
		return has_ended(w, o->secure);
	struct wire_sum sum = sum_of_file(o->fd, (off_t)o->offset);
	return wire_sum_same(o->secure ? &w->heard : &w->came, &sum) &&
	       has_ended(w, o->secure);
}

/* The server says that the client has the file: then it has, to the end. */
static void
check_download(const struct transfer_model *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->opened); i++) {
		const struct opened *o = &m->opened[i];

		if (o->fd >= 0 && (o->block || has_arrived(o, &m->far->data) ||
				      has_arrived(o, &m->far->last)))
			return;
	}
	fail_msg("a download is complete that did not arrive");
}

/* The same of a listing: at least its end. */
static void
check_listing(const struct transfer_model *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->opened); i++) {
		const struct opened *o = &m->opened[i];

		if (o->listing && (has_ended(&m->far->data, o->secure) ||
				      has_ended(&m->far->last, o->secure)))
			return;
	}
	fail_msg("a listing is complete and has no end");
}

void
transfer_model_final(const struct transfer_model *m, const char *verb, int code)
{
	if (code < 300 && strcmp(verb, "RETR") == 0)
		check_download(m);
	if (code == 226 && (strcmp(verb, "LIST") == 0 || strcmp(verb, "MLSD") == 0))
		check_listing(m);
}
