/*
 * Bytes between the data connection and the caller, with the conversion of TYPE A. At
 * most one chunk per call, so that replies and ferry_abort() are seen in between. Knows
 * nothing of modes and commands.
 */
#include "client.h"

#include <string.h>

int
pump_prepare(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	x->io = malloc(IO_CHUNK);
	if (x->convert)
		x->cooked = malloc(IO_CHUNK);
	return x->io && (x->cooked || !x->convert) ? 0 : -FERRY_ENOMEM;
}

void
pump_free(struct ferry *h)
{
	free(h->xfer.io);
	free(h->xfer.cooked);
	h->xfer.io = h->xfer.cooked = NULL;
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
		control_await(h);
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
end_of_file(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	int r = 0;

	if (x->convert)
		r = deliver(h, x->cooked, ascii_decode_end(&x->decoder, x->cooked));
	if (r < 0)
		return r;
	data_over(h, 0);
	data_close(h, 0, false);
	return FERRY_AGAIN;
}

static int
pump_in(struct ferry *h, bool *ret_moved)
{
	struct transfer *x = &h->xfer;
	ssize_t n = data_recv(h, x->io, IO_CHUNK);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return FERRY_AGAIN;
	*ret_moved = true;
	if (n < 0) {
		data_over(h, errno);
		data_close(h, FERRY_ESHORT, false);
		return FERRY_AGAIN;
	}
	if (n == 0)
		return end_of_file(h);
	pump_begun(h);
	control_rest(h);
	x->wire += (uint64_t)n;
	r = x->convert ? deliver_decoded(h, x->io, (size_t)n)
		       : deliver(h, x->io, (size_t)n);
	if (r < 0)
		return r;
	progress(h);
	return FERRY_AGAIN;
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

/* More bytes from the caller into io. */
static int
refill(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	int64_t n = x->read(x->io, IO_CHUNK, x->user);

	if (n < 0 || n > IO_CHUNK)
		return fail_local(h);
	x->io_pos = 0;
	x->io_len = (size_t)n;
	x->bytes += (uint64_t)n;
	x->source_end = n == 0;
	pump_touch(h); /* the time the caller took is not the server's */
	if (x->size >= 0 &&
	    (x->bytes > (uint64_t)x->size || (n == 0 && x->bytes != (uint64_t)x->size)))
		return fail_source(h);
	return 0;
}

/* What is to be sent now; *ret_n is 0 when the caller has to be asked first. */
static uint8_t *
pending(struct transfer *x, size_t **ret_pos, size_t *ret_n)
{
	size_t used, made;

	if (!x->convert) {
		*ret_pos = &x->io_pos;
		*ret_n = x->io_len - x->io_pos;
		return x->io + x->io_pos;
	}
	if (x->cooked_pos == x->cooked_len) {
		ascii_encode(&x->encoder, x->io + x->io_pos, x->io_len - x->io_pos, &used,
		    x->cooked, IO_CHUNK, &made);
		x->io_pos += used;
		x->cooked_pos = 0;
		x->cooked_len = made;
	}
	*ret_pos = &x->cooked_pos;
	*ret_n = x->cooked_len - x->cooked_pos;
	return x->cooked + x->cooked_pos;
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
		size_t *pos;
		size_t n;
		uint8_t *p = pending(x, &pos, &n);
		int r;

		if (n > 0) {
			r = send_some(h, p, n, pos);
			if (r != 0)
				return r;
			*ret_moved = true;
			progress(h);
			continue;
		}
		if (x->source_end) {
			/* closed for good when the reply is there: bytes that the server
			 * may have sent us, unread, would turn our end of file into a
			 * reset */
			if (data_finish(h) == FERRY_AGAIN)
				return FERRY_AGAIN;
			data_over(h, 0);
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
		return pump_in(h, ret_moved);
	return h->xfer.begun ? pump_out(h, ret_moved) : FERRY_AGAIN;
}
