/*
 * ferry_get_many() and ferry_put_many(): several transfers as one operation. In MODE B
 * they share one data connection: commands are sent ahead of time, a window of them, and
 * replies and files keep their order. Otherwise they are single transfers, one after the
 * other, that overlap a little. Must never give a byte to another file than the one that
 * the server's reply has begun, and never let a file's failure be another's.
 */
#include "client.h"

#include <string.h>

static const struct op_type op_get_many, op_put_many;

static bool
is_many(const struct ferry *h)
{
	return h->op.type == &op_get_many || h->op.type == &op_put_many;
}

static struct many_file *
head(struct ferry *h)
{
	return &h->many.file[h->many.head];
}

static bool
asks_time(const struct ferry *h, const struct many_file *file)
{
	return h->many.times && file->mtime == INT64_MIN;
}

/* The transfer of the head begins with what is known of its file. */
static void
take_facts(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	if (h->many.head == h->many.count)
		return;
	x->want_time = asks_time(h, head(h));
	x->mtime = head(h)->mtime;
	if (x->check_size || x->upload)
		x->size = head(h)->size;
}

/* Files whose replies are still owed. */
static size_t
owed(const struct ferry *h)
{
	return h->many.sent - h->many.head;
}

bool
many_pipelines(const struct ferry *h)
{
	return is_many(h) && h->coding.now == FERRY_CODING_BLOCK;
}

/* ---------------------------------------------------------------- to the caller */

static void
tell_end(struct ferry *h, size_t index, int result)
{
	struct many *m = &h->many;

	if (h->xfer.upload)
		m->from.end(index, result, m->user);
	else
		m->to.end(index, result, m->user);
}

static int
begin_file(struct ferry *h)
{
	struct many *m = &h->many;

	if (m->begun || h->xfer.upload)
		return 0;
	m->begun = true;
	return m->to.begin(head(h)->index, h->xfer.size, h->xfer.mtime, m->user);
}

/* ferry_write_cb */
static int
write_file(const void *data, size_t n, void *user)
{
	struct ferry *h = user;
	struct many *m = &h->many;
	int r = begin_file(h);

	return r ? r : m->to.write(head(h)->index, data, n, m->user);
}

static void
end_file(struct ferry *h, int result)
{
	struct many *m = &h->many;

	if (result == 0 && begin_file(h) != 0)
		result =
		    fail(h, FERRY_ELOCAL, 0, "%s: stopped on this side", head(h)->path);
	if (result == 0)
		buf_clear(&h->error);
	tell_end(h, head(h)->index, result);
	m->begun = false;
	m->head++;
	if (m->sent < m->head)
		m->sent = m->head;
}

/* ferry_read_cb */
static int64_t
read_file(void *data, size_t max, void *user)
{
	struct ferry *h = user;

	return h->many.from.read(head(h)->index, data, max, h->many.user);
}

/* Nothing is sent for it. */
static void
drop_file(struct ferry *h, size_t at)
{
	struct many *m = &h->many;
	struct many_file *file = &m->file[at];
	size_t index = file->index;
	int r = fail(h, FERRY_ELOCAL, 0, "%s: not sent from this side", file->path);

	free(file->path);
	memmove(file, file + 1, (--m->count - at) * sizeof(*file));
	tell_end(h, index, r);
	buf_clear(&h->error);
}

/* ---------------------------------------------------------------- the caller's list */

/* A name that cannot be sent fails here, and no other file with it. */
static int
take_path(struct ferry *h, const char *path, int64_t size, int64_t mtime)
{
	struct many *m = &h->many;
	struct many_file *file = &m->file[m->count];
	size_t index = m->taken++;
	int r = *path ? control_check(h, "name", path)
		      : fail(h, FERRY_EINVAL, 0, "the name is empty");

	if (r < 0) {
		tell_end(h, index, r);
		buf_clear(&h->error);
		return 0;
	}
	*file = (struct many_file){
	    .index = index,
	    .size = size,
	    .mtime = mtime,
	    .path = strdup(path),
	};
	if (!file->path)
		return fail_memory(h);
	m->count++;
	return 0;
}

/* Those that are done with make room: the list is as long as what is under way. */
static void
forget_done(struct many *m)
{
	for (size_t i = 0; i < m->head; i++)
		free(m->file[i].path);
	memmove(m->file, m->file + m->head, (m->count - m->head) * sizeof(*m->file));
	m->count -= m->head;
	m->sent -= m->head;
	m->head = 0;
}

/* One more from the caller, behind all others. Without memory for it there is none. */
static bool
take_more(struct ferry *h)
{
	struct many *m = &h->many;
	int64_t size = -1, mtime = INT64_MIN;
	const char *path = NULL;
	struct many_file *grown;
	size_t before;

	if (h->op.aborting)
		return false;
	if (h->xfer.upload ? !m->from.more : !m->to.more)
		return false;
	forget_done(m);
	grown = reallocarray(m->file, m->count + 1, sizeof(*grown));
	if (!grown)
		return false;
	m->file = grown;
	before = m->count;
	do {
		path = h->xfer.upload ? m->from.more(m->user)
				      : m->to.more(&size, &mtime, m->user);
	} while (path && take_path(h, path, size, mtime) == 0 && m->count == before);
	buf_clear(&h->error);
	return m->count > before;
}

/* Is there a file at this place, the list's head or the first that was not sent? Uploads:
 * one that the caller could open. */
static bool
has_file(struct ferry *h, const size_t *at)
{
	struct many *m = &h->many;

	while (*at < m->count || take_more(h)) {
		struct many_file *file = &m->file[*at];

		if (!h->xfer.upload || file->opened)
			return true;
		file->opened = m->from.open(file->index, &file->size, m->user) == 0;
		if (file->opened)
			return true;
		drop_file(h, *at);
	}
	return false;
}

/* ---------------------------------------------------------------- to the server */

/* Sentences and events speak of the file at the head, whatever was sent since.
 * FERRY_AGAIN, or -FERRY_ENOMEM. */
static int
speak_of_head(struct ferry *h)
{
	struct buf *sent = &h->control.sent;

	free(h->op.path);
	h->op.path = strdup(head(h)->path);
	if (!h->op.path)
		return fail_memory(h);
	buf_clear(sent);
	buf_printf(sent, "%s %s", h->xfer.state == XFER_TIME ? "MDTM" : h->xfer.verb,
	    h->op.path);
	return FERRY_AGAIN;
}

static int
send_file(struct ferry *h, const struct many_file *file)
{
	int r = 0;

	if (asks_time(h, file))
		r = control_command(h, "MDTM", file->path);
	return r < 0 ? r : control_command(h, h->xfer.verb, file->path);
}

/* A large one fills the window by itself, and so does one whose size is not known. */
static int64_t
bytes_of_file(const struct many_file *file)
{
	return file->size >= 0 && file->size < MANY_WINDOW_BYTES ? file->size
								 : MANY_WINDOW_BYTES;
}

/* An upload cannot begin before the server's word for it, so there one command that waits
 * is as good as many. */
static bool
window_has_room(const struct ferry *h, int64_t bytes)
{
	if (h->xfer.upload)
		return owed(h) < FERRY_PUT_OPEN_MAX;
	return owed(h) < MANY_WINDOW ||
	       (owed(h) < MANY_WINDOW_MAX && bytes < MANY_WINDOW_BYTES);
}

/* Half a window at a time, so that commands share packets. */
static int
fill_window(struct ferry *h)
{
	struct many *m = &h->many;
	size_t least = h->xfer.upload ? FERRY_PUT_OPEN_MAX : MANY_WINDOW;
	size_t window = m->window > least ? m->window : least;
	int64_t bytes = 0;
	int r = 0;

	if (owed(h) > window / 2)
		return 0;
	for (size_t i = m->head; i < m->sent; i++)
		bytes += bytes_of_file(&m->file[i]);
	h->control.corked = true;
	while (r == 0 && window_has_room(h, bytes) && has_file(h, &m->sent) &&
	       buf_len(&h->control.out) < COMMAND_MAX) {
		bytes += bytes_of_file(&m->file[m->sent]);
		r = send_file(h, &m->file[m->sent++]);
	}
	m->window = owed(h);
	h->control.corked = false;
	control_flush(h);
	return r;
}

int
many_send(struct ferry *h)
{
	int r = fill_window(h);

	if (r < 0)
		return r;
	transfer_set_state(h, h->xfer.want_time ? XFER_TIME : XFER_RUN);
	control_await(h);
	return speak_of_head(h);
}

/* ---------------------------------------------------------------- the next one's
 * questions */

/* A way that has just worked will work again. */
bool
many_goes_ahead(const struct ferry *h)
{
	return is_many(h) && h->many.ahead_wanted && !h->no_ahead && !many_pipelines(h) &&
	       h->has_worked && !h->first_why && !mode_is_active(h->worked) &&
	       h->ladder.now == h->worked && ladder_allows(h, h->worked);
}

bool
many_is_sure(const struct ferry *h)
{
	return !h->xfer.upload && many_goes_ahead(h) && h->data.fd >= 0 && !h->data.open;
}

/* The next command that the server reads makes it drop this data connection if it has
 * refused the file, and the next file's leads to another port. */
bool
many_may_hurry(const struct ferry *h)
{
	const struct data *d = &h->data;

	return h->xfer.upload && many_goes_ahead(h) && !h->no_hurry &&
	       d->last_port != 0 && d->last_port != d->remote.port;
}

static int
send_next(struct ferry *h, const char *verb, const char *path)
{
	h->many.ahead[h->many.n_ahead++] = verb;
	return control_command(h, verb, path);
}

/* Asks what transfer_begin() will ask for it. */
static int
send_questions(struct ferry *h, const struct many_file *file)
{
	int r = 0;

	if (h->xfer.check_size && file->size < 0 && ferry_has_feature(h, "SIZE"))
		r = send_next(h, "SIZE", file->path);
	if (r == 0 && asks_time(h, file))
		r = send_next(h, "MDTM", file->path);
	return r < 0 ? r : send_next(h, mode_name(h->worked), NULL);
}

/* In one write, because servers look for commands while they send a file: what they have
 * read together with RETR they leave for later, and what comes by itself some refuse. */
int
many_send_ahead(struct ferry *h)
{
	struct many *m = &h->many;
	int r;

	h->control.corked = true;
	r = control_command(h, h->xfer.verb, head(h)->path);
	if (r == 0 && (m->head + 1 < m->count || take_more(h)))
		r = send_questions(h, head(h) + 1);
	h->control.corked = false;
	control_flush(h);
	transfer_set_state(h, XFER_RUN);
	return r < 0 ? r : speak_of_head(h);
}

bool
many_was_sent(struct ferry *h, const char *verb)
{
	struct many *m = &h->many;
	struct buf *sent = &h->control.sent;

	if (m->n_ahead == 0 || strcmp(m->ahead[0], verb) != 0)
		return false;
	memmove(m->ahead, m->ahead + 1, --m->n_ahead * sizeof(*m->ahead));
	buf_clear(sent);
	buf_printf(sent, "%s", verb);
	control_await(h);
	return true;
}

/* It answers what was sent behind: this server does not keep the order. */
bool
many_is_stray(struct ferry *h, int code)
{
	struct many *m = &h->many;

	if (m->n_ahead == 0)
		return false;
	/* "data transfer in progress": perhaps */
	if (code / 100 == 4)
		h->no_ahead = true;
	if (code != 213 && code != 227 && code != 229)
		return false;
	h->no_ahead = true;
	m->n_ahead--;
	return true;
}

/* The same for the first file, where nothing but its type is to be settled before. */
static int
send_first_questions(struct ferry *h)
{
	enum ferry_coding coding;
	int r = 0;

	if (!many_goes_ahead(h) || h->control.waiting > 0 || coding_differs(h, &coding))
		return 0;
	h->control.corked = true;
	if (h->type != h->xfer.type)
		r = send_next(h, "TYPE", h->xfer.type == 'I' ? "I" : "A");
	if (r == 0)
		r = send_questions(h, head(h));
	h->control.corked = false;
	control_flush(h);
	return r;
}

int
many_fail_type(struct ferry *h)
{
	/* what stands behind it is answered, but not awaited in that order any more */
	if (h->many.n_ahead > 0)
		h->no_ahead = true;
	return fail_reply(h);
}

/* ---------------------------------------------------------------- one after the other */

/* The head is asked for from the beginning: MODE, SIZE, a data connection. */
static int
begin_head(struct ferry *h)
{
	int r;

	if (!has_file(h, &h->many.head))
		return 0;
	r = speak_of_head(h);
	h->many.sent = h->many.head;
	transfer_next(h);
	take_facts(h);
	if (r >= 0)
		r = send_first_questions(h);
	return r < 0 ? r : transfer_begin(h);
}

/* The data connection is lost. What was asked for behind the head is refused now, one by
 * one, and asked for again when that is over. */
static int
drain(struct ferry *h)
{
	transfer_set_state(h, XFER_IDLE);
	h->xfer.stall = 0;
	h->many.draining = true;
	buf_clear(&h->control.sent); /* which of them is answered, nobody needs to know */
	control_await(h);
	return FERRY_AGAIN;
}

static int
drained(struct ferry *h)
{
	if (h->control.waiting > 0) {
		control_await(h);
		return FERRY_AGAIN;
	}
	h->many.draining = false;
	return h->op.aborting ? fail_aborted(h) : begin_head(h);
}

/* ---------------------------------------------------------------- a file is done */

/* After this there is nobody to ask for the next file. */
static bool
ends_all(const struct ferry *h, int r)
{
	if (r == -FERRY_ENOMEM || r == -FERRY_ECLOSED || r == -FERRY_EDATA ||
	    r == -FERRY_EABORTED)
		return true;
	/* ABOR did not bring the session back in step */
	return h->xfer.state == XFER_CALM && h->control.waiting > 0;
}

static int
fail_gone(struct ferry *h)
{
	return fail(h, FERRY_ECLOSED, 0,
	    "%s closed the control connection with %zu of %zu files still to come",
	    h->host, h->many.count - h->many.head, h->many.taken);
}

/* Block mode has come to an end before the files. A file of which nothing came is not
 * lost with it. */
static void
leave_blocks(struct ferry *h, int r)
{
	const struct transfer *x = &h->xfer;
	bool no_data = x->final == 425 || x->final == 426 || x->cut || x->data_errno;

	if (x->state == XFER_RUN)
		coding_give_up(h, FERRY_CODING_BLOCK);
	if (r == 0 || !no_data || x->bytes > 0 || h->many.begun)
		end_file(h, r);
}

static int
next_file(struct ferry *h, bool keeps)
{
	struct many *m = &h->many;
	enum ferry_coding coding;

	if (!has_file(h, &m->head) && h->control.waiting == 0)
		return 0;
	if (h->control.fd < 0)
		return fail_gone(h);
	if (keeps) {
		transfer_next(h);
		take_facts(h);
		return many_send(h);
	}
	data_close(h, 0, false);
	/* as they were asked: nothing else comes between */
	if (m->head < m->count && h->control.waiting == m->n_ahead && !h->no_ahead &&
	    !coding_differs(h, &coding))
		return begin_head(h);
	m->n_ahead = 0;
	return h->control.waiting > 0 ? drain(h) : begin_head(h);
}

/* The head's transfer has come to an end, or goes on. */
static int
settle(struct ferry *h, int r)
{
	bool keeps = coding_keeps(h);

	if (r == FERRY_AGAIN || ends_all(h, r))
		return r;
	if (r == -FERRY_EPROTO)
		coding_give_up(h, FERRY_CODING_BLOCK);
	if (many_pipelines(h) && !keeps)
		leave_blocks(h, r);
	else
		end_file(h, r);
	return next_file(h, keeps);
}

/* ---------------------------------------------------------------- the operation */

static int
many_reply(struct ferry *h)
{
	enum transfer_state was = h->xfer.state;
	int r;

	if (h->many.draining)
		return h->control.reply.code < 200 ? FERRY_AGAIN : drained(h);
	if (h->control.reply.code >= 200)
		h->control.preliminary = 0;
	r = transfer_reply(h);
	/* the answer to the command behind it comes next */
	if (r == FERRY_AGAIN && was == XFER_TIME && h->xfer.state == XFER_RUN)
		r = speak_of_head(h);
	return settle(h, r);
}

static int
many_work(struct ferry *h, bool *ret_moved)
{
	return settle(h, transfer_work(h, ret_moved));
}

/* Those that the caller holds open: the one under way, and the one that stood behind it.
 */
static void
end_opened(struct ferry *h, int result)
{
	struct many *m = &h->many;

	for (size_t i = m->head; i < m->count && m->file[i].opened; i++)
		tell_end(h, m->file[i].index, i == m->head ? result : -FERRY_EABORTED);
}

static void
many_end(struct ferry *h, int result)
{
	struct many *m = &h->many;

	if (m->begun)
		end_file(h, result);
	if (h->xfer.upload)
		end_opened(h, result);
	transfer_end(h, result);
	for (size_t i = 0; i < m->count; i++)
		free(m->file[i].path);
	free(m->file);
	*m = (struct many){.file = NULL};
}

static const struct op_type op_get_many = {
    .name = "get",
    .preliminary = true,
    .begin = begin_head,
    .reply = many_reply,
    .work = many_work,
    .lost = transfer_lost,
    .abort = transfer_abort,
    .end = many_end,
};

static const struct op_type op_put_many = {
    .name = "put",
    .preliminary = true,
    .begin = begin_head,
    .reply = many_reply,
    .work = many_work,
    .lost = transfer_lost,
    .abort = transfer_abort,
    .end = many_end,
};

static int
take_paths(struct ferry *h, const char *const *paths, size_t n)
{
	struct many *m = &h->many;
	int r = 0;

	m->file = calloc(n ? n : 1, sizeof(*m->file));
	if (!m->file)
		return fail_memory(h);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_path(h, paths[i], m->to.sizes ? m->to.sizes[i] : -1,
		    m->to.mtimes ? m->to.mtimes[i] : INT64_MIN);
	m->several = n > 1 || m->to.more || m->from.more;
	return r;
}

static int
run(struct ferry *h, const char *const *paths, size_t n)
{
	int r;

	h->xfer.convert = !h->binary;
	h->xfer.user = h;
	h->stepping = true; /* no other operation in end() */
	r = take_paths(h, paths, n);
	h->stepping = false;
	if (r < 0) {
		op_release(h);
		return r;
	}
	return op_run(h);
}

/* One of the two operations, without its files yet. */
static int
prepare(struct ferry *h, const struct op_type *type, const char *verb, void *user)
{
	int r = op_prepare(h, type, NULL, NULL);

	if (r < 0)
		return r;
	transfer_prepare(h, verb, h->binary ? 'I' : 'A');
	h->many = (struct many){.user = user};
	return 0;
}

/* The caller may have been built with an older or a newer struct. */
static void
take_known(void *ours, size_t size, const void *theirs, size_t known)
{
	memcpy(ours, theirs, known < size ? known : size);
}

int
ferry_get_many(struct ferry *h, const char *const *paths, size_t n,
    const struct ferry_many *many, void *user)
{
	struct many *m = &h->many;
	int r = prepare(h, &op_get_many, "RETR", user);

	if (r < 0)
		return r;
	take_known(&m->to, sizeof(m->to), many, many->struct_size);
	m->times = m->to.times && ferry_has_feature(h, "MDTM");
	m->ahead_wanted = m->to.ahead;
	h->xfer.check_size = h->binary;
	h->xfer.write = write_file;
	return run(h, paths, n);
}

int
ferry_put_many(struct ferry *h, const char *const *paths, size_t n,
    const struct ferry_put_many *many, void *user)
{
	struct many *m = &h->many;
	int r = prepare(h, &op_put_many, "STOR", user);

	if (r < 0)
		return r;
	take_known(&m->from, sizeof(m->from), many, many->struct_size);
	m->ahead_wanted = m->from.ahead;
	h->xfer.upload = true;
	h->xfer.read = read_file;
	return run(h, paths, n);
}
