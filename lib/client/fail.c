/*
 * Failures in words: every sentence names host, place and cause, for a person who was not
 * there. Foreign bytes pass safe_text() first. Never prints.
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

/* Shown of one foreign text. */
#define SAFE_SHOWN 200

int
fail(struct ferry *h, enum ferry_error code, int sys_errno, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&h->error);
	h->sys_errno = sys_errno;
	va_start(ap, fmt);
	if (buf_vprintf(&h->error, fmt, ap) < 0)
		buf_append_str(&h->error, ferry_strerror(code));
	va_end(ap);
	return -(int)code;
}

int
fail_memory(struct ferry *h)
{
	return fail(h, FERRY_ENOMEM, ENOMEM, "out of memory");
}

char *
safe_text(const char *text)
{
	struct buf out = BUF_INIT(SAFE_SHOWN * 4 + 4);
	size_t n = strlen(text);
	char *copy;

	line_append_safe(&out, (const uint8_t *)text, n > SAFE_SHOWN ? SAFE_SHOWN : n);
	if (n > SAFE_SHOWN)
		buf_append_str(&out, "...");
	copy = buf_cstr(&out) ? strdup(buf_cstr(&out)) : NULL;
	buf_free(&out);
	return copy;
}

const char *
say_place(const struct endpoint *ep, char out[PLACE_MAX])
{
	size_t n = endpoint_format_address(ep, out);

	snprintf(out + n, PLACE_MAX - n, " port %u", ep->port);
	return out;
}

const char *
say_errno(int sys_errno, char out[ERRNO_MAX])
{
	/* GNU's strerror_r(): the text may be elsewhere, and is then constant */
	return strerror_r(sys_errno, out, ERRNO_MAX);
}

void
say_cause(char *out, size_t cap, int sys_errno, msec took)
{
	char words[ERRNO_MAX];

	if (sys_errno == ETIMEDOUT)
		snprintf(out, cap, "no answer in %.1f s", (double)took / 1000);
	else
		snprintf(out, cap, "%s", say_errno(sys_errno, words));
}

enum ferry_error
reply_error(int code)
{
	if (code >= 400 && code < 500)
		return FERRY_ETEMPORARY;
	if (code == 500 || code == 502 || code == 504)
		return FERRY_EUNSUPPORTED;
	if (code >= 500)
		return FERRY_EREFUSED;
	return FERRY_EPROTO;
}

static const char *
refusal(enum ferry_error code)
{
	switch (code) {
	case FERRY_ETEMPORARY:
		return "cannot now do";
	case FERRY_EUNSUPPORTED:
		return "does not support";
	case FERRY_EREFUSED:
		return "refused";
	default:
		return "gave a strange answer to";
	}
}

int
fail_reply(struct ferry *h)
{
	enum ferry_error code = reply_error(h->control.reply.code);
	_cleanup_free_ char *sent = safe_text(buf_cstr(&h->control.sent));
	_cleanup_free_ char *said = safe_text(reply_text(&h->control.reply));

	if (!sent || !said)
		return fail_memory(h);
	return fail(h, code, 0, "%s %s %s: %d %s", h->host, refusal(code), sent,
	    h->control.reply.code, said);
}
