/*
 * Small files in MODE B that leave together: the blocks of all that are here in one send,
 * their replies in another. See ahead.h. Must never tell the end of a file that the data
 * connection has not taken, nor wait for a command that has not come yet.
 */
#include "ahead.h"

#include <ferry/ferry.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "dispatch.h"
#include "encoder.h"
#include "path.h"
#include "row.h"
#include "session.h"
#include "transfer.h"

/* Bytes sent at once: a row of files, also when TYPE A doubles the last of them. */
#define SHEAF_MAX (64 * 1024)
#define SHEAF_FILES (1 + ROW_FILES)

struct sheaf {
	unsigned count;
	struct {
		const char *path;
		uint64_t size; /* that is told */
		size_t end;    /* of its blocks in bytes */
	} files[SHEAF_FILES];
	size_t n;
	uint8_t bytes[SHEAF_MAX];
};

/* False: there is no room. */
static bool
sheaf_add(struct sheaf *h, const char *path, struct bytes file, bool ascii)
{
	const struct coding coding = {.mode = CODING_BLOCK, .ascii = ascii};
	struct encoder e;
	size_t used, made;

	if (h->count == SHEAF_FILES || SHEAF_MAX - h->n < ENCODER_ROOM ||
	    encoder_init(&e, &coding) < 0)
		return false;
	bool whole = encoder_run(&e, file.p, file.n, true, &used, h->bytes + h->n,
			 SHEAF_MAX - h->n, &made) == 1;
	encoder_free(&e);
	if (!whole)
		return false;
	h->n += made;
	h->files[h->count].path = path;
	h->files[h->count].size = file.n;
	h->files[h->count].end = h->n;
	h->count++;
	return true;
}

/* The file of the transfer, and those behind it. */
static bool
sheaf_fill(struct session *s, uint64_t size, struct sheaf *h)
{
	struct transfer *t = s->transfer;
	struct bytes file = {.p = t->content, .n = t->length};
	const char *path;
	bool may_gather;

	h->count = 0;
	h->n = 0;
	if (!sheaf_add(h, t->path, file, t->ascii))
		return false;
	h->files[0].size = size;
	may_gather = ahead_peek(s, 0, &path, &file) && conn_gathers(s->data.conn);
	while (may_gather && ahead_peek(s, h->count - 1, &path, &file) &&
	       sheaf_add(h, path, file, t->ascii))
		continue;
	return true;
}

/* The command of the sheaf's next file runs: it is the next of the queue. */
static bool
take_up(struct session *s, const char *path, uint64_t size, bool ascii)
{
	_cleanup_(buf_free)
	struct buf name = BUF_INIT(PATH_TEXT_MAX + 1);
	struct bytes line;

	if (!input_next(&s->input, &line))
		return false;
	s->last_active = uv_now(s->worker->loop);
	dispatch_log(s, line);
	if (buf_append_str(&name, path) < 0 || !transfer_prepare(s, TRANSFER_FILE, &name))
		return false;
	s->transfer->ascii = ascii;
	s->transfer->length = size;
	return true;
}

/* The connection has taken the bytes of this file up to n: the others when it can. */
static bool
send_rest(struct session *s, const uint8_t *p, size_t n, size_t sent)
{
	struct transfer *t = s->transfer;
	uint8_t *rest = (uint8_t *)bytes_dup((struct bytes){.p = p, .n = n});

	if (rest == NULL)
		return false;
	free(t->content);
	t->content = rest;
	t->content_n = n;
	t->bytes = sent;
	t->begun_before = true;
	transfer_begin(s);
	return true;
}

/* So many bytes of the sheaf are on their way. False: memory is out, or what ran is not
 * what was sent, and client and server are out of step. */
static bool
sheaf_tell(struct session *s, const struct sheaf *h, size_t sent)
{
	bool ascii = s->transfer->ascii;

	for (unsigned i = 0; i < h->count; i++) {
		size_t begin = i > 0 ? h->files[i - 1].end : 0, end = h->files[i].end;
		bool last = i + 1 == h->count;

		if (i > 0 && !take_up(s, h->files[i].path, h->files[i].size, ascii))
			return false;
		retr_answer_sending(s, 125, h->files[i].size);
		/* What TLS has taken of the others leaves with the last. */
		if (end > sent || (last && conn_has_unsent(s->data.conn))) {
			size_t at = end < sent ? end : sent;

			return send_rest(s, h->bytes + at, end - at, at - begin);
		}
		transfer_sent(s, end - begin);
	}
	return true;
}

bool
ahead_send(struct session *s, uint64_t size)
{
	const struct transfer *t = s->transfer;
	struct sheaf h;
	size_t sent = 0;

	if (t->mode != CODING_BLOCK || t->content == NULL || s->data.state != DATA_KEPT ||
	    s->aborts > 0 || !sheaf_fill(s, size, &h))
		return false;
	/* Full or broken: the pump waits, or finds out. */
	if (conn_send(s->data.conn, h.bytes, h.n, &sent) != 0)
		return false;
	if (!sheaf_tell(s, &h, sent))
		s->doomed = true;
	else if (s->data.state == DATA_KEPT)
		data_keep(s);
	return true;
}
