/*
 * The growing byte buffer behind everything that comes from the wire. Must never hold
 * more than its maximum, and never leave a copy of its bytes behind when it moves:
 * passwords pass here.
 */
#include "buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/ferry.h>

#define BUF_FIRST_CAP 64

void
buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void
buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->base);
	*b = BUF_INIT(b->max);
}

void
buf_wipe(struct buf *b)
{
	if (!b)
		return;
	if (b->base)
		explicit_bzero(b->base, b->cap);
	buf_free(b);
}

void
buf_clear(struct buf *b)
{
	b->head = 0;
	b->tail = 0;
}

/* The allocation for n more bytes: doubled, but not past the maximum and the NUL behind
 * it. */
static size_t
next_cap(const struct buf *b, size_t n)
{
	size_t limit = b->max < SIZE_MAX ? b->max + 1 : SIZE_MAX;
	size_t need = buf_len(b) + n + 1;
	size_t cap = b->cap > limit / 2 ? limit : b->cap * 2;

	if (cap < BUF_FIRST_CAP)
		cap = BUF_FIRST_CAP < limit ? BUF_FIRST_CAP : limit;
	return cap < need ? need : cap;
}

static int
move_to_bigger(struct buf *b, size_t n)
{
	size_t len = buf_len(b), cap = next_cap(b, n);
	uint8_t *base = malloc(cap);

	if (!base)
		return -FERRY_ENOMEM;
	if (b->base) {
		memcpy(base, b->base + b->head, len);
		/* Not realloc(), which would leave the old bytes in the heap. */
		explicit_bzero(b->base, b->cap);
		free(b->base);
	}
	b->base = base;
	b->cap = cap;
	b->head = 0;
	b->tail = len;
	return 0;
}

/* Room for n bytes and a NUL behind the content. */
static int
make_room(struct buf *b, size_t n)
{
	size_t len = buf_len(b);

	if (n > buf_room(b) || n >= SIZE_MAX - len)
		return -FERRY_ETOOBIG;
	if (b->cap - b->tail > n)
		return 0;
	/* Moving down costs len: worth it when at least as much was consumed since the
	 * last move, and the only way left when the allocation has its final size. */
	if (b->cap - len > n && (b->head >= len || b->cap > b->max)) {
		memmove(b->base, b->base + b->head, len);
		b->head = 0;
		b->tail = len;
		return 0;
	}
	return move_to_bigger(b, n);
}

int
buf_reserve(struct buf *b, size_t n, uint8_t **ret_p)
{
	int r = make_room(b, n);
	if (r < 0)
		return r;

	*ret_p = b->base + b->tail;
	return 0;
}

void
buf_commit(struct buf *b, size_t used)
{
	assert(used <= buf_room(b) && used <= b->cap - b->tail);
	b->tail += used;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->head += n;
	if (b->head == b->tail)
		buf_clear(b);
}

void
buf_truncate(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->tail = b->head + n;
}

int
buf_append(struct buf *b, const void *p, size_t n)
{
	int r;

	if (n == 0)
		return 0;
	r = make_room(b, n);
	if (r < 0)
		return r;
	memcpy(b->base + b->tail, p, n);
	b->tail += n;
	return 0;
}

int
buf_append_byte(struct buf *b, uint8_t byte)
{
	return buf_append(b, &byte, 1);
}

int
buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return -FERRY_EINVAL;
	r = make_room(b, (size_t)n);
	if (r < 0)
		return r;
	vsnprintf((char *)b->base + b->tail, (size_t)n + 1, fmt, ap);
	b->tail += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

const char *
buf_cstr(struct buf *b)
{
	if (!b->base)
		return "";
	if (make_room(b, 0) < 0)
		return NULL;
	b->base[b->tail] = '\0';
	return (const char *)b->base + b->head;
}
