/*
 * Events: the one stream of what happens on the wire, from which all views are made. Also
 * the clock. Never shows a password: control.c masks it before it comes here.
 */
#include "client.h"

#include <stdio.h>
#include <time.h>

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

msec
now_ms(void)
{
	return (msec)(now_ns() / 1000000u);
}

msec
deadline_in(unsigned ms)
{
	return ms ? now_ms() + ms : 0;
}

bool
deadline_over(msec deadline)
{
	return deadline && now_ms() >= deadline;
}

void
event_emit(struct ferry *h, struct ferry_event ev)
{
	if (!h->event_cb)
		return;
	ev.struct_size = sizeof(ev);
	ev.time = (double)(now_ns() - h->born_ns) / 1e9;
	h->event_cb(&ev, h->event_user);
}

void
event_text(struct ferry *h, enum ferry_event_kind kind, const char *text)
{
	event_emit(h, (struct ferry_event){.kind = kind, .text = text});
}

void
event_warning(struct ferry *h, const char *fmt, ...)
{
	struct buf text = BUF_INIT(ERROR_TEXT_MAX);
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (r == 0)
		event_text(h, FERRY_EV_WARNING, buf_cstr(&text));
	buf_free(&text);
}

void
event_address(struct sockaddr_storage *out, const struct endpoint *ep)
{
	if (ep && ep->family)
		endpoint_to_sockaddr(ep, out);
}
