/*
 * The codec: messages.def makes one writer and one reader per message, and the table that
 * tells who may send it to whom. Numbers are in host order (the peer is a process on this
 * machine).
 *
 *   u16 version | u16 type | u32 id | fields...      TEXT and BYTES: u16 length | bytes
 */
#include "msg.h"

#include <ferry/ferry.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- primitives: after the first failure they do nothing, so callers check once, at the
 * end ---- */

struct writer {
	uint8_t *p;
	size_t len;
	bool failed;
};

struct reader {
	const uint8_t *p;
	size_t left;
	const char *why; /* the first rule that was broken, or NULL */
};

static void
put_raw(struct writer *w, const void *p, size_t n)
{
	if (w->failed || n > WIRE_MAX - w->len) {
		w->failed = true;
		return;
	}
	if (n > 0)
		memcpy(w->p + w->len, p, n);
	w->len += n;
}

static void
put_number(struct writer *w, uint64_t value, size_t width, uint64_t min, uint64_t max)
{
	uint8_t b1 = (uint8_t)value;
	uint16_t b2 = (uint16_t)value;
	uint32_t b4 = (uint32_t)value;

	if (value < min || value > max)
		w->failed = true;
	else if (width == 1)
		put_raw(w, &b1, 1);
	else if (width == 2)
		put_raw(w, &b2, 2);
	else if (width == 4)
		put_raw(w, &b4, 4);
	else
		put_raw(w, &value, 8);
}

static void
put_bytes(struct writer *w, struct bytes b, size_t min, size_t max, bool text)
{
	if (b.n < min || b.n > max || (text && b.n > 0 && memchr(b.p, 0, b.n) != NULL)) {
		w->failed = true;
		return;
	}
	put_number(w, b.n, 2, 0, UINT16_MAX);
	put_raw(w, b.p, b.n);
}

static void
get_raw(struct reader *r, void *ret, size_t n)
{
	memset(ret, 0, n);
	if (r->why != NULL)
		return;
	if (n > r->left) {
		r->why = "shorter than its fields";
		return;
	}
	memcpy(ret, r->p, n);
	r->p += n;
	r->left -= n;
}

static uint64_t
get_number(struct reader *r, size_t width, uint64_t min, uint64_t max)
{
	uint64_t value = 0;
	uint8_t b1;
	uint16_t b2;
	uint32_t b4;

	switch (width) {
	case 1:
		get_raw(r, &b1, 1);
		value = b1;
		break;
	case 2:
		get_raw(r, &b2, 2);
		value = b2;
		break;
	case 4:
		get_raw(r, &b4, 4);
		value = b4;
		break;
	default:
		get_raw(r, &value, 8);
	}
	if (r->why == NULL && (value < min || value > max))
		r->why = "a number out of range";
	return value;
}

static struct bytes
get_bytes(struct reader *r, size_t min, size_t max, bool text)
{
	size_t n = get_number(r, 2, 0, UINT16_MAX);
	struct bytes b = {.p = r->p, .n = n};

	if (r->why == NULL && (n < min || n > max))
		r->why = "a text of forbidden length";
	if (r->why == NULL && n > r->left)
		r->why = "shorter than its fields";
	if (r->why == NULL && text && n > 0 && memchr(b.p, 0, n) != NULL)
		r->why = "a text with a NUL";
	if (r->why != NULL)
		return (struct bytes){0};
	r->p += n;
	r->left -= n;
	return b;
}

/* ---- one writer and one reader per message ---- */

#define PUT_U8(field, min, max) put_number(w, m->field, 1, min, max);
#define PUT_U16(field, min, max) put_number(w, m->field, 2, min, max);
#define PUT_U32(field, min, max) put_number(w, m->field, 4, min, max);
#define PUT_U64(field, min, max) put_number(w, m->field, 8, min, max);
#define PUT_I64(field) put_number(w, (uint64_t)m->field, 8, 0, UINT64_MAX);
#define PUT_TEXT(field, min, max) put_bytes(w, m->field, min, max, true);
#define PUT_BYTES(field, min, max) put_bytes(w, m->field, min, max, false);

#define MESSAGE(NAME, name, ...)                                                         \
	static void put_##name(struct writer *w, const struct msg *whole)                \
	{                                                                                \
		const struct msg_##name *m = &whole->name;                               \
		(void)m;                                                                 \
		FIELDS_##name(PUT_U8, PUT_U16, PUT_U32, PUT_U64, PUT_I64, PUT_TEXT,      \
		    PUT_BYTES)(void) w;                                                  \
	}
#include "messages.def"
#undef MESSAGE

#define GET_U8(field, min, max) m->field = (uint8_t)get_number(r, 1, min, max);
#define GET_U16(field, min, max) m->field = (uint16_t)get_number(r, 2, min, max);
#define GET_U32(field, min, max) m->field = (uint32_t)get_number(r, 4, min, max);
#define GET_U64(field, min, max) m->field = get_number(r, 8, min, max);
#define GET_I64(field) m->field = (int64_t)get_number(r, 8, 0, UINT64_MAX);
#define GET_TEXT(field, min, max) m->field = get_bytes(r, min, max, true);
#define GET_BYTES(field, min, max) m->field = get_bytes(r, min, max, false);

#define MESSAGE(NAME, name, ...)                                                         \
	static void get_##name(struct reader *r, struct msg *whole)                      \
	{                                                                                \
		struct msg_##name *m = &whole->name;                                     \
		(void)m;                                                                 \
		FIELDS_##name(GET_U8, GET_U16, GET_U32, GET_U64, GET_I64, GET_TEXT,      \
		    GET_BYTES)(void) r;                                                  \
	}
#include "messages.def"
#undef MESSAGE

/* ---- the table ---- */

struct row {
	const char *name;
	unsigned from, to; /* enum role, or several */
	size_t min_fds, max_fds;
	void (*put)(struct writer *w, const struct msg *m);
	void (*get)(struct reader *r, struct msg *m);
};

#define MESSAGE(NAME, name_, from_, to_, min_, max_)                                     \
	[MSG_##NAME] = {                                                                 \
	    .name = #NAME,                                                               \
	    .from = from_,                                                               \
	    .to = to_,                                                                   \
	    .min_fds = min_,                                                             \
	    .max_fds = max_,                                                             \
	    .put = put_##name_,                                                          \
	    .get = get_##name_,                                                          \
	},
static const struct row rows[MSG_TYPES] = {
#include "messages.def"
};
#undef MESSAGE

/* NULL and *ret_why when such a message may not go that way. */
static const struct row *
row_permitted(
    unsigned type, enum role from, enum role to, size_t nfds, const char **ret_why)
{
	const struct row *row = &rows[type < MSG_TYPES ? type : MSG_NONE];

	if (row->name == NULL)
		*ret_why = "an unknown type";
	else if ((row->from & from) == 0)
		*ret_why = "a type that this sender may not send";
	else if ((row->to & to) == 0)
		*ret_why = "a type that this receiver does not take";
	else if (nfds < row->min_fds || nfds > row->max_fds)
		*ret_why = "a wrong number of descriptors";
	else
		return row;
	return NULL;
}

const char *
msg_name(enum msg_type type)
{
	return type < MSG_TYPES && rows[type].name != NULL ? rows[type].name : "?";
}

int
msg_encode(const struct msg *m, enum role from, enum role to, size_t nfds, uint8_t *out,
    size_t *ret_len)
{
	struct writer w = {.p = out};
	const char *why;
	const struct row *row = row_permitted(m->type, from, to, nfds, &why);

	if (row == NULL)
		return -FERRY_EINVAL;
	put_number(&w, WIRE_VERSION, 2, 0, UINT16_MAX);
	put_number(&w, m->type, 2, 0, UINT16_MAX);
	put_number(&w, m->id, 4, 0, UINT32_MAX);
	row->put(&w, m);
	if (w.failed)
		return -FERRY_EINVAL;
	*ret_len = w.len;
	return 0;
}

int
msg_decode(const uint8_t *p, size_t n, enum role from, enum role to, size_t nfds,
    struct msg *ret, const char **ret_why)
{
	struct reader r = {.p = p, .left = n};
	struct msg m = {0};
	unsigned version = (unsigned)get_number(&r, 2, 0, UINT16_MAX);
	unsigned type = (unsigned)get_number(&r, 2, 0, UINT16_MAX);
	const struct row *row = NULL;

	m.id = (uint32_t)get_number(&r, 4, 0, UINT32_MAX);
	if (r.why == NULL && version != WIRE_VERSION)
		r.why = "another version of the protocol";
	if (r.why == NULL)
		row = row_permitted(type, from, to, nfds, &r.why);
	if (row != NULL) {
		m.type = type;
		row->get(&r, &m);
	}
	if (r.why == NULL && r.left > 0)
		r.why = "longer than its fields";
	if (r.why != NULL) {
		*ret_why = r.why;
		return -FERRY_EPROTO;
	}
	*ret = m;
	return 0;
}

struct bytes
bytes_of(const char *s)
{
	return (struct bytes){.p = (const uint8_t *)s, .n = s != NULL ? strlen(s) : 0};
}

char *
bytes_dup(struct bytes b)
{
	char *s = malloc(b.n + 1);

	if (s == NULL)
		return NULL;
	if (b.n > 0)
		memcpy(s, b.p, b.n);
	s[b.n] = '\0';
	return s;
}
