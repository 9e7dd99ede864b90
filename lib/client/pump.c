/*
 * Bytes between the data connection and the caller, with the conversion of TYPE A and the
 * coding of MODE (coding.c) between. At most one chunk per call, so that replies and
 * ferry_abort() are seen in between. Knows nothing of ways and commands.
 */
#include "client.h"

#include <string.h>

int
pump_prepare(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	if (!x->io)
		x->io = malloc(IO_CHUNK);
	if (x->convert && !x->cooked)
		x->cooked = malloc(IO_CHUNK);
	return x->io && (x->cooked || !x->convert) ? 0 : -FERRY_ENOMEM;
}

int
pump_prepare_coding(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	bool needed = h->coding.now == FERRY_CODING_DEFLATE ||
		      (h->coding.now == FERRY_CODING_BLOCK && x->upload);

	if (needed && !x->coded)
		x->coded = malloc(IO_CHUNK);
	return x->coded || !needed ? 0 : -FERRY_ENOMEM;
}

void
pump_free(struct ferry *h)
{
	free(h->xfer.io);
	free(h->xfer.cooked);
	free(h->xfer.coded);
	h->xfer.io = h->xfer.cooked = h->xfer.coded = NULL;
}

static void
move_event(struct ferry *h, enum ferry_event_kind kind)
{
	const struct transfer *x = &h->xfer;
	struct ferry_event ev = {
	    .kind = kind,
	    .channel = FERRY_DATA,
	    .mode = h->ladder.now,
	    .upload = x->upload,
	    .bytes = x->bytes,
	    .size = x->size,
	    .wire = x->wire,
	    .text = x->verb,
	    .path = h->op.path,
	    .seconds = x->begun ? (double)(now_ms() - x->began) / 1000 : 0,
	};

	if (h->data.open) {
		event_address(&ev.local, &h->data.local);
		event_address(&ev.remote, &h->data.remote);
	}
	event_emit(h, ev);
}

void
pump_begun(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	if (x->begun)
		return;
	x->began = now_ms();
	move_event(h, FERRY_EV_TRANSFER);
	x->begun = true;
}

bool
pump_may_read(const struct ferry *h)
{
	/* which of several files it is, only a reply can tell */
	return h->coding.now != FERRY_CODING_BLOCK || h->xfer.begun;
}

bool
pump_may_write(const struct ferry *h)
{
	return h->xfer.begun || many_may_hurry(h);
}

void
pump_touch(struct ferry *h)
{
	if (h->data.open && !h->xfer.data_end)
		h->xfer.stall = deadline_in(h->timer[FERRY_TIMER_STALL]);
}

static void
progress(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	msec now = now_ms();

	pump_touch(h);
	if (x->progress && now < x->progress + PROGRESS_MS)
		return;
	x->progress = now;
	move_event(h, FERRY_EV_PROGRESS);
}

/* Nothing came, or it broke while we sent. */
static bool
is_hollow(const struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	if (x->final || x->reused || x->tls_why[0] || many_pipelines(h))
		return false;
	return x->upload ? x->data_errno != 0 : x->bytes == 0 && x->size != 0;
}

static void
await_final(struct ferry *h)
{
	unsigned reply = h->timer[FERRY_TIMER_REPLY] / 4 * 3;

	control_await(h);
	if (is_hollow(h))
		h->xfer.hollow =
		    now_ms() + (reply && reply < HOLLOW_MS ? reply : HOLLOW_MS);
}

/* The data connection has done its work, or broke: from now on the final reply is
 * awaited. */
static void
data_over(struct ferry *h, int sys_errno)
{
	struct transfer *x = &h->xfer;

	pump_begun(h);
	x->data_end = true;
	x->data_errno = sys_errno;
	x->stall = 0;
	move_event(h, FERRY_EV_PROGRESS);
	move_event(h, FERRY_EV_DATA_END);
	if (!x->final)
		await_final(h);
}

static int
fail_local(struct ferry *h)
{
	_cleanup_free_ char *path = safe_text(h->op.path ? h->op.path : h->xfer.verb);

	return fail(h, FERRY_ELOCAL, 0, "%s: stopped on this side after %llu bytes",
	    path ? path : "", (unsigned long long)h->xfer.bytes);
}

/* ---------------------------------------------------------------- download */

static int
deliver(struct ferry *h, const uint8_t *p, size_t n)
{
	struct transfer *x = &h->xfer;

	if (n == 0)
		return 0;
	if (x->write(p, n, x->user) != 0)
		return fail_local(h);
	x->bytes += n;
	return 0;
}

static int
deliver_decoded(struct ferry *h, const uint8_t *p, size_t n)
{
	struct transfer *x = &h->xfer;

	while (n > 0) {
		size_t used, made;
		int r;

		ascii_decode(&x->decoder, p, n, &used, x->cooked, IO_CHUNK, &made);
		r = deliver(h, x->cooked, made);
		if (r < 0)
			return r;
		p += used;
		n -= used;
	}
	return 0;
}

static int
take_bytes(struct ferry *h, const uint8_t *p, size_t n)
{
	return h->xfer.convert ? deliver_decoded(h, p, n) : deliver(h, p, n);
}

static int
end_of_file(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	int r = 0;

	if (x->convert)
		r = deliver(h, x->cooked, ascii_decode_end(&x->decoder, x->cooked));
	if (r < 0)
		return r;
	data_over(h, 0);
	return FERRY_AGAIN;
}

static int
end_of_connection(struct ferry *h)
{
	int r;

	h->xfer.cut = !coding_is_whole(h);
	r = end_of_file(h);
	if (r == FERRY_AGAIN)
		data_close(h, h->xfer.cut ? FERRY_ESHORT : 0, false);
	return r;
}

/* What came, or part of it, goes to the caller. */
static int
pass_on(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	size_t at = x->io_pos;
	int r = coding_unwrap(h, take_bytes);

	x->wire += x->io_pos - at;
	if (r == 0)
		return end_of_file(h);
	if (r == FERRY_AGAIN)
		progress(h);
	return r;
}

static int
pump_in(struct ferry *h, bool *ret_moved)
{
	struct transfer *x = &h->xfer;
	ssize_t n;

	if (coding_has_more(h)) {
		*ret_moved = true;
		return pass_on(h);
	}
	n = data_recv(h, x->io, IO_CHUNK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return FERRY_AGAIN;
	*ret_moved = true;
	if (n < 0) {
		data_over(h, errno);
		data_close(h, FERRY_ESHORT, false);
		return FERRY_AGAIN;
	}
	if (n == 0)
		return end_of_connection(h);
	pump_begun(h);
	control_rest(h);
	x->io_pos = 0;
	x->io_len = (size_t)n;
	return pass_on(h);
}

/* ---------------------------------------------------------------- upload */

static int
fail_source(struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	return fail(h, FERRY_ESHORT, 0,
	    "the upload had to have %lld bytes, but here are %s%llu: it was stopped",
	    (long long)x->size, x->source_end ? "only " : "at least ",
	    (unsigned long long)x->bytes);
}

/* Bytes from the caller behind those in io. */
static int
read_source(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	size_t room = IO_CHUNK - x->io_len;
	int64_t n = x->read(x->io + x->io_len, room, x->user);

	if (n < 0 || (uint64_t)n > room)
		return fail_local(h);
	x->io_len += (size_t)n;
	x->bytes += (uint64_t)n;
	x->source_end = n == 0;
	return 0;
}

/* More bytes from the caller into io. Where they are all that was announced, their end is
 * asked for at once, so that it can go with them. */
static int
refill(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	int64_t n;
	int r;

	x->io_pos = x->io_len = 0;
	r = read_source(h);
	n = (int64_t)x->io_len;
	if (r == 0 && n > 0 && n < IO_CHUNK && x->bytes == (uint64_t)x->size)
		r = read_source(h);
	if (r < 0)
		return r;
	pump_touch(h); /* the time the caller took is not the server's */
	if (x->size >= 0 &&
	    (x->bytes > (uint64_t)x->size || (n == 0 && x->bytes != (uint64_t)x->size)))
		return fail_source(h);
	return 0;
}

/* Bytes that wait in one of the buffers; what is used of them is added to *pos. */
struct part {
	const uint8_t *p;
	size_t *pos;
	size_t n;
};

/* What of the file is to be sent now, as TYPE wants it. Empty when the caller has to be
 * asked first. */
static struct part
file_part(struct transfer *x)
{
	size_t used, made;

	if (!x->convert)
		return (struct part){
		    x->io + x->io_pos, &x->io_pos, x->io_len - x->io_pos};
	if (x->cooked_pos == x->cooked_len) {
		ascii_encode(&x->encoder, x->io + x->io_pos, x->io_len - x->io_pos, &used,
		    x->cooked, IO_CHUNK, &made);
		x->io_pos += used;
		x->cooked_pos = 0;
		x->cooked_len = made;
	}
	return (struct part){
	    x->cooked + x->cooked_pos, &x->cooked_pos, x->cooked_len - x->cooked_pos};
}

/* The same as MODE wants it. FERRY_AGAIN, or an error. */
static int
wire_part(struct ferry *h, struct part *ret)
{
	struct transfer *x = &h->xfer;

	if (h->coding.now != FERRY_CODING_DEFLATE &&
	    h->coding.now != FERRY_CODING_BLOCK) {
		*ret = file_part(x);
		return FERRY_AGAIN;
	}
	while (x->coded_pos == x->coded_len && !x->coded_end) {
		struct part in = file_part(x);
		size_t used, after = x->convert ? x->io_pos : x->io_pos + in.n;
		int r;

		if (in.n == 0 && !x->source_end)
			break;
		r = coding_wrap(
		    h, in.p, in.n, x->source_end && after == x->io_len, &used);
		if (r < 0)
			return r;
		*in.pos += used;
	}
	*ret = (struct part){
	    x->coded + x->coded_pos, &x->coded_pos, x->coded_len - x->coded_pos};
	return FERRY_AGAIN;
}

/* All is sent. false: the end itself is not out yet. */
static bool
end_of_upload(struct ferry *h)
{
	/* closed for good when the reply is there: bytes that the server may have sent us,
	 * unread, would turn our end of file into a reset */
	if (h->coding.now != FERRY_CODING_BLOCK && data_finish(h) == FERRY_AGAIN)
		return false;
	data_over(h, 0);
	return true;
}

/* 0: something was sent; FERRY_AGAIN: no room. A broken connection ends the data, not the
 * transfer: the server's reply will say why. */
static int
send_some(struct ferry *h, const uint8_t *p, size_t n, size_t *pos)
{
	ssize_t sent = data_send(h, p, n);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return FERRY_AGAIN;
	if (sent < 0) {
		data_over(h, errno);
		return FERRY_AGAIN;
	}
	*pos += (size_t)sent;
	h->xfer.wire += (uint64_t)sent;
	return 0;
}

static int
pump_out(struct ferry *h, bool *ret_moved)
{
	struct transfer *x = &h->xfer;

	while (!x->data_end) {
		struct part part;
		int r = wire_part(h, &part);

		if (r < 0)
			return r;
		if (part.n > 0) {
			r = send_some(h, part.p, part.n, part.pos);
			if (r != 0)
				return r;
			*ret_moved = true;
			progress(h);
			continue;
		}
		if (x->source_end) {
			if (!end_of_upload(h))
				return FERRY_AGAIN;
			*ret_moved = true;
			return FERRY_AGAIN;
		}
		if (*ret_moved)
			return FERRY_AGAIN;
		r = refill(h);
		if (r < 0)
			return r;
		*ret_moved = true;
	}
	return FERRY_AGAIN;
}

/* The handshake came to nothing: the server's reply will say more. */
static int
not_secure(struct ferry *h)
{
	data_over(h, EPROTO);
	data_close(h, FERRY_ETLS, false);
	return FERRY_AGAIN;
}

int
pump_work(struct ferry *h, bool *ret_moved)
{
	int r = data_secure(h, ret_moved);

	if (r != 0)
		return r == -FERRY_ETLS ? not_secure(h) : r;
	if (!h->xfer.upload)
		return pump_may_read(h) ? pump_in(h, ret_moved) : FERRY_AGAIN;
	if (!pump_may_write(h))
		return FERRY_AGAIN;
	pump_begun(h);
	return pump_out(h, ret_moved);
}
