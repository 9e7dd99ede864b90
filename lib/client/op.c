/*
 * Operations: begun, driven by ferry_step(), ended. The one place where control input
 * meets the operation that waits for it. Nothing here blocks except op_run() in blocking
 * use, in poll().
 */
#include "client.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>

#define FDS_MAX 4 /* promised by ferry_poll() */

static void
wipe_string(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void
op_release(struct ferry *h)
{
	struct op *op = &h->op;

	if (op->type && op->type->end)
		op->type->end(h, -FERRY_EABORTED);
	wipe_string(&op->path); /* ferry_command() may have sent a password */
	free(op->path2);
	free(op->kept);
	wipe_string(&op->secret);
	wipe_string(&op->account);
	ferry_entry_clear(&op->entry);
	*op = (struct op){0};
}

static int
take_string(struct ferry *h, const char *text, char **ret)
{
	int r;

	if (!text)
		return 0;
	if (!*text)
		return fail(h, FERRY_EINVAL, 0, "the name is empty");
	r = control_check(h, "name", text);
	if (r < 0)
		return r;
	*ret = strdup(text);
	return *ret ? 0 : fail_memory(h);
}

int
op_prepare(
    struct ferry *h, const struct op_type *type, const char *path, const char *path2)
{
	int r;

	if (h->op.type || h->stepping)
		return fail(h, FERRY_ESTATE, 0,
		    "%s: another operation is not finished yet", type->name);
	if (!type->offline && h->control.fd < 0)
		return fail(h, FERRY_ESTATE, 0, "%s: there is no connection", type->name);
	buf_clear(&h->error);
	h->sys_errno = 0;
	r = take_string(h, path, &h->op.path);
	if (r == 0)
		r = take_string(h, path2, &h->op.path2);
	if (r < 0) {
		op_release(h);
		return r;
	}
	h->op.type = type;
	return 0;
}

/* The operation is over. */
static int
finish(struct ferry *h, int result)
{
	const struct op_type *type = h->op.type;

	h->op.type = NULL;
	if (type->end)
		type->end(h, result);
	op_release(h);
	atomic_store(&h->abort_wanted, 0);
	if (h->control.fd < 0) {
		h->connected = h->logged_in = false;
		data_close(h, 0, false); /* MODE B: it may be open between transfers */
	}
	if (result == 0) {
		buf_clear(&h->error);
		h->sys_errno = 0;
	}
	return result;
}

int
op_send(struct ferry *h, int state, const char *verb, const char *arg)
{
	int r = many_was_sent(h, verb) ? 0 : control_command(h, verb, arg);

	if (r < 0)
		return r;
	h->op.state = state;
	return FERRY_AGAIN;
}

/* ---------------------------------------------------------------- replies */

/* The reply becomes the last one and an event. */
static int
note_reply(struct ferry *h)
{
	struct reply *reply = &h->control.reply;

	event_emit(h, (struct ferry_event){
			  .kind = FERRY_EV_REPLY,
			  .code = reply->code,
			  .text = buf_cstr(&reply->text),
			  .command = buf_cstr(&h->control.sent),
		      });
	if (reply->code == 421) {
		buf_clear(&h->control.goodbye);
		buf_append(
		    &h->control.goodbye, buf_data(&reply->text), buf_len(&reply->text));
	}
	if (h->op.keep_reply)
		return 0;
	h->reply_code = reply->code;
	buf_clear(&h->reply_text);
	if (buf_append(&h->reply_text, buf_data(&reply->text), buf_len(&reply->text)) < 0)
		return fail_memory(h);
	return 0;
}

/* RFC 959 5.4: nothing is sent unasked. Such a reply must not become the answer to a
 * later command, so it is shown and dropped. 421 is the one exception. */
static int
drop_unasked(struct ferry *h)
{
	if (h->control.reply.code != 421)
		event_warning(h, "%s sent a reply that answers no command", h->host);
	if (++h->control.unasked > UNASKED_MAX) {
		h->control.broken = true;
		return fail(h, FERRY_EPROTO, 0,
		    "%s keeps sending replies that answer nothing", h->host);
	}
	return FERRY_AGAIN;
}

static int
preliminary(struct ferry *h)
{
	if (++h->control.preliminary > PRELIMINARY_MAX)
		return fail(h, FERRY_EPROTO, 0,
		    "%s keeps saying %d and never comes to an end", h->host,
		    h->control.reply.code);
	control_await(h);
	if (h->op.type->preliminary)
		return h->op.type->reply(h);
	return FERRY_AGAIN;
}

int
fail_aborted(struct ferry *h)
{
	return fail(h, FERRY_EABORTED, 0, "%s was stopped", h->op.type->name);
}

int
op_abort_soon(struct ferry *h)
{
	msec soon = now_ms() + ABORT_REPLY_MS;

	if (h->control.waiting == 0)
		return fail_aborted(h);
	if (!h->control.deadline || h->control.deadline > soon)
		h->control.deadline = soon;
	return FERRY_AGAIN;
}

static int
dispatch(struct ferry *h)
{
	struct control *c = &h->control;
	int r = note_reply(h);

	if (r < 0)
		return r;
	if (!h->op.type || c->waiting == 0)
		return drop_unasked(h);
	if (c->reply.code < 200)
		return preliminary(h);
	c->waiting--;
	if (c->waiting == 0)
		control_rest(h);
	if (h->op.aborting && !h->op.type->abort)
		return fail_aborted(h);
	if (h->op.type->reply)
		return h->op.type->reply(h);
	return c->reply.code < 300 ? 0 : fail_reply(h);
}

/* ---------------------------------------------------------------- a step */

static int
fail_lost(struct ferry *h, int sys_errno)
{
	_cleanup_free_ char *sent = safe_text(buf_cstr(&h->control.sent));
	_cleanup_free_ char *bye = safe_text(buf_cstr(&h->control.goodbye));
	char place[PLACE_MAX], words[ERRNO_MAX];

	if (!sent || !bye)
		return fail_memory(h);
	return fail(h, FERRY_ECLOSED, sys_errno,
	    "%s (%s) closed the control connection%s%s%s%s%s%s", h->host,
	    say_place(&h->control.remote, place), *sent ? " after " : "", sent,
	    sys_errno ? ": " : "", sys_errno ? say_errno(sys_errno, words) : "",
	    *bye ? ", saying: " : "", bye);
}

static int
lost(struct ferry *h, int sys_errno)
{
	bool awaited = h->control.waiting > 0 || !h->op.type;
	int r;

	control_close(h, sys_errno || awaited ? FERRY_ECLOSED : 0);
	if (h->op.type && h->op.type->lost) {
		r = h->op.type->lost(h);
		if (r != -FERRY_ECLOSED)
			return r;
	}
	return fail_lost(h, sys_errno);
}

/* Bytes before replies, once the server has begun: so that the 226 of a small file is
 * told after its bytes, and a refusal is judged knowing what came. */
static bool
data_first(const struct ferry *h)
{
	return h->xfer.state == XFER_RUN && h->xfer.begun;
}

static int
step_control(struct ferry *h, bool *ret_moved)
{
	for (int i = 0; i < REPLIES_PER_ROUND && h->control.fd >= 0; i++) {
		int sys_errno = 0;
		bool got = false;
		int r;

		if (transfer_holds_replies(h))
			return FERRY_AGAIN;
		r = tls_is_shaking(h->control.tls) ? 0
						   : control_next(h, &got, &sys_errno);

		if (r == FERRY_EOF)
			return lost(h, sys_errno);
		if (r < 0)
			return r;
		if (!got)
			return FERRY_AGAIN;
		*ret_moved = true;
		r = dispatch(h);
		if (r != FERRY_AGAIN || data_first(h))
			return r;
	}
	return FERRY_AGAIN;
}

/* All was sent and the server says nothing: has it come there? */
static int
fail_late_end(struct ferry *h, const char *sent)
{
	unsigned left = h->xfer.upload ? data_unsent(h) : 0;

	if (left > 0)
		return fail(h, FERRY_ESTALLED, ETIMEDOUT,
		    "%s: the last %u of %llu bytes sent never arrived, and %s said "
		    "nothing in %.1f s",
		    sent, left, (unsigned long long)h->xfer.wire, h->host,
		    h->timer[FERRY_TIMER_REPLY] / 1000.0);
	return fail(h, FERRY_ETIMEOUT, ETIMEDOUT,
	    "%s: the data connection ended after %llu bytes, but %s did not confirm "
	    "it in %.1f s",
	    sent, (unsigned long long)h->xfer.bytes, h->host,
	    h->timer[FERRY_TIMER_REPLY] / 1000.0);
}

static int
fail_late_reply(struct ferry *h)
{
	_cleanup_free_ char *sent = safe_text(buf_cstr(&h->control.sent));
	char place[PLACE_MAX];

	if (!sent)
		return fail_memory(h);
	if (h->op.aborting)
		return fail_aborted(h);
	ladder_lost(h, FERRY_ETIMEOUT);
	if (h->xfer.data_end)
		return fail_late_end(h, sent);
	return fail(h, FERRY_ETIMEOUT, ETIMEDOUT, "%s (%s) did not answer %s in %.1f s",
	    h->host, say_place(&h->control.remote, place), *sent ? sent : "the call",
	    (double)(now_ms() - h->control.since) / 1000);
}

static int
step_abort(struct ferry *h)
{
	if (h->op.aborting || !atomic_load(&h->abort_wanted))
		return FERRY_AGAIN;
	h->op.aborting = true;
	return h->op.type->abort ? h->op.type->abort(h) : op_abort_soon(h);
}

static int
step_work(struct ferry *h, bool *ret_moved)
{
	return h->op.type->work ? h->op.type->work(h, ret_moved) : FERRY_AGAIN;
}

static int
round_once(struct ferry *h, bool *ret_moved)
{
	int r = step_abort(h);

	if (r == FERRY_AGAIN && data_first(h)) {
		r = step_work(h, ret_moved);
		if (*ret_moved)
			return r;
	}
	if (r == FERRY_AGAIN)
		r = step_control(h, ret_moved);
	if (r == FERRY_AGAIN && !data_first(h))
		r = step_work(h, ret_moved);
	if (r == FERRY_AGAIN && deadline_over(h->control.deadline))
		r = fail_late_reply(h);
	return r;
}

/* The session is out of step: late or forged replies would become the answers to later
 * commands. */
static bool
ruins_session(const struct ferry *h, int r)
{
	return r < 0 && (h->control.waiting > 0 || h->control.broken);
}

static int
step(struct ferry *h)
{
	int r = FERRY_AGAIN;
	bool moved = true;

	for (int i = 0; i < STEP_ROUNDS && moved && r == FERRY_AGAIN; i++) {
		moved = false;
		r = round_once(h, &moved);
	}
	/* bytes may flow for hours: the control connection is heard all the same */
	if (r == FERRY_AGAIN && moved)
		r = step_control(h, &moved);
	h->more = r == FERRY_AGAIN && moved;
	return r;
}

/* No operation runs: what the server says or does unasked. */
static int
step_idle(struct ferry *h)
{
	bool moved = false;
	int r = step_control(h, &moved);

	h->more = moved;
	if (r == FERRY_AGAIN)
		return 0;
	if (h->control.fd >= 0)
		control_close(h, -r);
	return r;
}

/* An eventfd that ferry_abort() wrote to. */
static void
drain_wake(struct ferry *h)
{
	uint64_t n;
	int fd = atomic_load(&h->wake_fd);

	if (fd >= 0 && read(fd, &n, sizeof(n)) < 0)
		return;
}

static int
step_guarded(struct ferry *h)
{
	int r;

	h->stepping = true;
	if (h->op.type) {
		r = step(h);
		if (ruins_session(h, r) && h->control.fd >= 0)
			control_close(h, -r);
		if (r != FERRY_AGAIN)
			r = finish(h, r);
	} else {
		r = step_idle(h);
	}
	h->stepping = false;
	return r;
}

int
ferry_step(struct ferry *h)
{
	if (h->stepping)
		return -FERRY_ESTATE;
	drain_wake(h);
	return step_guarded(h);
}

/* What the server said since the last operation ends before this one begins: a reply that
 * was sent ahead must not answer our first command. */
static int
clear_the_line(struct ferry *h)
{
	int r = FERRY_AGAIN;
	bool moved = true;

	/* bounded: too many of them break the connection */
	while (h->control.fd >= 0 && moved && r == FERRY_AGAIN) {
		moved = false;
		r = step_control(h, &moved);
	}
	h->reply_code = 0;
	buf_clear(&h->reply_text);
	return r;
}

static int
begin(struct ferry *h)
{
	int r;

	h->stepping = true;
	r = h->op.type->offline ? FERRY_AGAIN : clear_the_line(h);
	if (r == FERRY_AGAIN)
		r = h->op.type->begin(h);
	if (r != FERRY_AGAIN) {
		if (ruins_session(h, r) && h->control.fd >= 0)
			control_close(h, -r);
		r = finish(h, r);
	}
	h->stepping = false;
	return r;
}

int
op_run(struct ferry *h)
{
	int r;

	if (atomic_load(&h->wake_fd) < 0)
		atomic_store(&h->wake_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	atomic_store(&h->abort_wanted, 0);
	h->more = true;
	r = begin(h);
	if (r == FERRY_AGAIN && h->event_driven)
		return r;
	while (r == FERRY_AGAIN) {
		struct pollfd fds[FDS_MAX];
		int timeout;
		size_t n = ferry_poll(h, fds, FDS_MAX, &timeout);

		/* whatever poll() says, EINTR too: the step finds out what there is to do
		 */
		poll(fds, n, timeout);
		r = ferry_step(h);
	}
	return r;
}

int
op_simple(struct ferry *h, const struct op_type *type, const char *path)
{
	int r = op_prepare(h, type, path, NULL);

	return r < 0 ? r : op_run(h);
}

void
ferry_abort(struct ferry *h)
{
	int saved = errno;
	int fd = atomic_load(&h->wake_fd);
	uint64_t one = 1;

	atomic_store(&h->abort_wanted, 1);
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: it is readable already */
	errno = saved;
}

/* ---------------------------------------------------------------- waiting */

struct waits {
	struct pollfd fds[FDS_MAX];
	size_t count;
	msec until;
};

static void
wait_fd(struct waits *w, int fd, short events)
{
	if (fd < 0)
		return;
	assert(w->count < FDS_MAX);
	w->fds[w->count++] = (struct pollfd){.fd = fd, .events = events};
}

static void
wait_until(struct waits *w, msec deadline)
{
	if (deadline && (!w->until || deadline < w->until))
		w->until = deadline;
}

static void
wait_dial(struct ferry *h, struct waits *w)
{
	bool room = false;

	if (h->lookup) {
		wait_fd(w, lookup_fd(h->lookup), POLLIN);
		wait_until(w, h->lookup_deadline);
	}
	for (size_t i = 0; i < DIAL_SLOTS; i++) {
		wait_fd(w, h->dial.slot[i].fd, POLLOUT);
		if (h->dial.slot[i].fd < 0)
			room = true;
		else
			wait_until(w, h->dial.slot[i].deadline);
	}
	if (room && h->dial.next < h->dial.to.count)
		wait_until(w, h->dial.next_start);
}

static void
wait_data(struct ferry *h, struct waits *w)
{
	const struct data *d = &h->data;
	const struct transfer *x = &h->xfer;
	bool moving = x->state == XFER_RUN && d->open && !x->data_end;

	/* before the transfer command nobody is let in, so nobody is waited for */
	if (x->state == XFER_RUN)
		wait_fd(w, d->listener, POLLIN);
	if (d->fd >= 0 && !d->open)
		wait_fd(w, d->fd, POLLOUT);
	else if (moving && tls_is_shaking(d->tls))
		wait_fd(w, d->fd, d->tls->wants);
	else if (moving && !x->upload && pump_may_read(h))
		wait_fd(w, d->fd, data_events(h, POLLIN));
	else if (moving && x->upload && pump_may_write(h))
		wait_fd(w, d->fd, data_events(h, POLLOUT));
	wait_until(w, d->deadline);
	wait_until(w, x->stall);
	wait_until(w, x->hollow);
	wait_until(w, x->calm_end);
}

static int
timeout_of(const struct ferry *h, const struct waits *w)
{
	bool input = control_has_input(h) || tls_pending(h->control.tls);
	msec left;

	if (h->more || (input && !transfer_holds_replies(h)) ||
	    (h->op.type && !h->op.aborting && atomic_load(&h->abort_wanted)))
		return 0;
	if (!w->until)
		return -1;
	left = w->until - now_ms();
	if (left < 0)
		return 0;
	return left > INT_MAX - 1 ? INT_MAX : (int)left + 1;
}

size_t
ferry_poll(struct ferry *h, struct pollfd *fds, size_t n, int *ret_timeout_ms)
{
	struct waits w = {.count = 0};

	if (h->op.type) {
		wait_fd(&w, atomic_load(&h->wake_fd), POLLIN);
		wait_dial(h, &w);
		wait_data(h, &w);
		wait_until(&w, h->control.deadline);
	}
	if (h->control.fd >= 0 &&
	    (!transfer_holds_replies(h) || buf_len(&h->control.out) > 0))
		wait_fd(&w, h->control.fd, control_events(h));
	if (n > w.count)
		n = w.count;
	memcpy(fds, w.fds, n * sizeof(*fds));
	*ret_timeout_ms = timeout_of(h, &w);
	return n;
}
