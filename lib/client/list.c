/*
 * Listings: raw bytes, or parsed entry by entry as the bytes come, however they are cut.
 * Nothing is collected, so a listing without end costs no memory and the callback decides
 * how long it goes on. A line has a maximum; a longer one is skipped and complained of.
 */
#include "client.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "listing.h"

static int list_reply(struct ferry *h);

static const struct op_type op_list_raw = {
    .name = "list",
    TRANSFER_OP,
    .reply = transfer_reply,
    .work = transfer_work,
    .end = transfer_end,
};

static void list_end(struct ferry *h, int result);
static int list_work(struct ferry *h, bool *ret_moved);

static const struct op_type op_list = {
    .name = "list",
    TRANSFER_OP,
    .reply = list_reply,
    .work = list_work,
    .end = list_end,
};

/* MLSD has a form of its own whatever the TYPE (RFC 3659 7.2); LIST and NLST want TYPE A.
 */
static char
listing_type(const char *verb)
{
	return equal_nocase(verb, "MLSD", sizeof("MLSD")) ? 0 : TYPE_LISTING;
}

static bool
verb_is_word(const char *verb)
{
	size_t n = strlen(verb);

	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)verb[i]) || !isalpha((unsigned char)verb[i]))
			return false;
	return n == 3 || n == 4;
}

int
ferry_list_raw(struct ferry *h, const char *verb, const char *argument,
    ferry_write_cb *cb, void *user)
{
	int r =
	    op_prepare(h, &op_list_raw, argument && *argument ? argument : NULL, verb);

	if (r < 0)
		return r;
	if (!verb || !verb_is_word(verb)) {
		op_release(h);
		return fail(
		    h, FERRY_EINVAL, 0, "a listing needs a verb like LIST or NLST");
	}
	transfer_prepare(h, h->op.path2, listing_type(verb));
	h->xfer.write = cb;
	h->xfer.user = user;
	return op_run(h);
}

/* ---------------------------------------------------------------- parsed */

static void
complain(struct ferry *h, const char *why, const char *line)
{
	struct listing_state *l = &h->listing;
	_cleanup_free_ char *safe = safe_text(line);

	if (l->warnings++ < WARNINGS_MAX)
		event_warning(h, "%s sent a line in a listing that %s: %s", h->host, why,
		    safe ? safe : "");
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* One complete line, without its line end. */
static int
take_line(struct ferry *h)
{
	struct listing_state *l = &h->listing;
	const char *line = buf_cstr(&l->line);
	size_t n = buf_len(&l->line);
	struct ferry_entry e = {0};
	int r;

	if (!line)
		return fail_memory(h);
	while (n > 0 && line[n - 1] == '\r')
		n--;
	if (n == 0)
		return 0;
	r = l->mlsx ? listing_parse_mlsx(line, n, &e)
		    : listing_parse_list(line, n, (int64_t)time(NULL), &e);
	if (r == 1)
		return 0;
	if (r == -FERRY_ENOMEM)
		return fail_memory(h);
	if (r < 0) {
		complain(h, "is not understood", line);
		return 0;
	}
	e.exact = l->mlsx;
	r = e.current || e.parent || is_dots(e.name) ? 0 : l->cb(&e, l->user);
	ferry_entry_clear(&e);
	return r;
}

static int
end_line(struct ferry *h)
{
	struct listing_state *l = &h->listing;
	int r = 0;

	if (l->skipping)
		complain(h, "is too long", buf_cstr(&l->line));
	else
		r = take_line(h);
	l->skipping = false;
	buf_clear(&l->line);
	return r;
}

/* ferry_write_cb: any cut of the listing. */
static int
take_bytes(const void *data, size_t n, void *user)
{
	struct ferry *h = user;
	struct listing_state *l = &h->listing;
	const char *p = data;

	while (n > 0) {
		const char *lf = memchr(p, '\n', n);
		size_t part = lf ? (size_t)(lf - p) : n;
		int r;

		if (!l->skipping && buf_append(&l->line, p, part) < 0)
			l->skipping = true;
		if (!lf)
			return 0;
		r = end_line(h);
		if (r != 0)
			return r;
		p += part + 1;
		n -= part + 1;
	}
	return 0;
}

static void
prepare_list(struct ferry *h)
{
	struct listing_state *l = &h->listing;

	l->mlsx = ferry_has_feature(h, "MLST") && !h->no_mlsd;
	l->skipping = false;
	l->warnings = 0;
	buf_clear(&l->line);
	transfer_prepare(h, l->mlsx ? "MLSD" : "LIST", l->mlsx ? 0 : TYPE_LISTING);
	h->xfer.write = take_bytes;
	h->xfer.user = h;
}

/* The last line may lack its line end. */
static int
last_line(struct ferry *h, int r)
{
	if (r != 0 || (buf_len(&h->listing.line) == 0 && !h->listing.skipping))
		return r;
	if (end_line(h) == 0)
		return 0;
	return fail(h, FERRY_ELOCAL, 0, "list: stopped on this side");
}

/* A name like "-R" is a name, no option of ls. */
static int
prepare_path(struct ferry *h)
{
	char *plain;

	if (!h->op.path || h->op.path[0] != '-' || h->listing.mlsx)
		return 0;
	if (asprintf(&plain, "./%s", h->op.path) < 0)
		return fail_memory(h);
	free(h->op.path);
	h->op.path = plain;
	return 0;
}

/* A server may list MLST in FEAT and still not do MLSD. */
static int
list_reply(struct ferry *h)
{
	int r = transfer_reply(h);

	if (r == -FERRY_EUNSUPPORTED && h->listing.mlsx && h->xfer.state == XFER_RUN) {
		h->no_mlsd = true;
		transfer_end(h, 0);
		prepare_list(h);
		r = prepare_path(h);
		return r < 0 ? r : transfer_begin(h);
	}
	return last_line(h, r);
}

static int
list_work(struct ferry *h, bool *ret_moved)
{
	return last_line(h, transfer_work(h, ret_moved));
}

static void
list_end(struct ferry *h, int result)
{
	transfer_end(h, result);
	buf_free(&h->listing.line);
}

int
ferry_list(struct ferry *h, const char *path, ferry_entry_cb *cb, void *user)
{
	int r = op_prepare(h, &op_list, path, NULL);

	if (r < 0)
		return r;
	prepare_list(h);
	h->listing.cb = cb;
	h->listing.user = user;
	r = prepare_path(h);
	if (r < 0) {
		op_release(h);
		return r;
	}
	return op_run(h);
}
