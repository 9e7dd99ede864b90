/*
 * Stopping a transfer: the data connection is cut, ABOR is sent with Telnet IP and Synch
 * (RFC 959 4.1.3), and replies are read until the session is in step again. RFC 959
 * promises two, one for the transfer (426 or 226) and one for ABOR (226 or 225). Some
 * servers send only one; Pure-FTPd 1.0.50 can send none. So when one stays away, NOOP is
 * sent as a mark: what comes before its answer belongs to ABOR. Not at once, because
 * servers are known that drop what they read together with ABOR.
 */
#include "client.h"

#include <stdio.h>

static msec
calm_deadline(const struct ferry *h, unsigned ms)
{
	unsigned reply = h->timer[FERRY_TIMER_REPLY];

	return now_ms() + (reply && reply < ms ? reply : ms);
}

int
abort_begin(struct ferry *h, int result, bool next_rung)
{
	struct transfer *x = &h->xfer;
	int r;

	x->stall = 0;
	x->calm_result = result;
	x->calm_next_rung = next_rung;
	data_close(h, -result, true);
	/* the final reply was there already: nothing to call off */
	if (h->control.waiting == 0)
		return result;
	transfer_set_state(h, XFER_CALM);
	control_synch(h);
	r = control_command(h, "ABOR", NULL);
	if (r < 0)
		return r;
	control_rest(h);
	x->calm_grace = CALM_GRACE_MS;
	x->calm_end = calm_deadline(h, x->calm_grace);
	return FERRY_AGAIN;
}

int
abort_swiftly(struct ferry *h, int result)
{
	int r = abort_begin(h, result, false);

	if (r != FERRY_AGAIN)
		return r;
	h->xfer.calm_grace = CALM_SWIFT_MS;
	h->xfer.calm_end = calm_deadline(h, CALM_SWIFT_MS);
	return FERRY_AGAIN;
}

/* In step again. */
static int
calm(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	char text[96];

	h->control.waiting = 0;
	x->calm_end = 0;
	if (!x->calm_next_rung)
		return x->calm_result;
	if (h->op.aborting)
		return fail_aborted(h);
	if (h->xfer.data_end) {
		transfer_restart(h);
		return ladder_failed(h, FERRY_ECLOSED, 0,
		    "it was closed at once, and the server said nothing of it");
	}
	snprintf(text, sizeof(text), "nobody called our port %u in %.1f s",
	    h->data.local.port, h->timer[FERRY_TIMER_ACCEPT] / 1000.0);
	transfer_restart(h);
	return ladder_failed(h, FERRY_ETIMEOUT, ETIMEDOUT, text);
}

/* Only NOOP is answered like this. */
static bool
answers_noop(int code)
{
	return code >= 200 && code < 300 && code != 225 && code != 226;
}

int
abort_reply(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	int code = h->control.reply.code;

	if (code < 200)
		return FERRY_AGAIN;
	control_rest(h);
	if (h->control.waiting == 0 || (x->calm_noop && answers_noop(code)))
		return calm(h);
	/* no such command: ABOR or NOOP? If NOOP, nothing more will come */
	if (x->calm_noop && (code == 500 || code == 502))
		x->calm_settled = true;
	if (!x->calm_noop || x->calm_settled)
		x->calm_end = calm_deadline(h, x->calm_grace);
	return FERRY_AGAIN;
}

static int
send_mark(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	int r = control_command(h, "NOOP", NULL);

	if (r < 0)
		return r;
	control_rest(h);
	x->calm_noop = true;
	x->calm_end = calm_deadline(h, CALM_MS);
	return FERRY_AGAIN;
}

int
abort_work(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	if (!deadline_over(x->calm_end))
		return FERRY_AGAIN;
	if (x->calm_settled)
		return calm(h);
	if (!x->calm_noop)
		return send_mark(h);
	/* replies are still owed, so the connection is closed after this step */
	if (x->calm_next_rung)
		return fail(
		    h, FERRY_ETIMEOUT, ETIMEDOUT, "%s did not answer ABOR", h->host);
	return x->calm_result;
}

int
transfer_abort(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	if (x->state == XFER_CALM) {
		x->calm_next_rung = false;
		x->calm_result = fail_aborted(h);
		return FERRY_AGAIN;
	}
	/* a transfer command may have been sent behind MDTM */
	if (x->state == XFER_RUN || (x->state == XFER_TIME && many_pipelines(h)) ||
	    h->many.n_ahead > 0)
		return abort_begin(h, fail_aborted(h), false);
	return op_abort_soon(h);
}
