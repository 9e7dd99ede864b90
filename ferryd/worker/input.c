/*
 * The queue of command lines of one session. Bytes only: it knows no verb. What was in it
 * is wiped before the memory goes, since one of the lines is a password.
 */
#include "input.h"

#include <ferry/ferry.h>
#include <string.h>

#define INPUT_TOO_LONG UINT16_MAX

_Static_assert(INPUT_LINE_MAX < INPUT_TOO_LONG, "a line's length fits its two bytes");

void
input_free(struct input *in)
{
	buf_wipe(&in->lines);
	in->count = 0;
}

static int
push(struct input *in, uint16_t length, const void *p, size_t n)
{
	uint8_t *room;
	int r;

	r = buf_reserve(&in->lines, sizeof(length) + n, &room);
	if (r < 0)
		return r;
	memcpy(room, &length, sizeof(length));
	if (n > 0)
		memcpy(room + sizeof(length), p, n);
	buf_commit(&in->lines, sizeof(length) + n);
	in->count++;
	return 0;
}

int
input_push(struct input *in, struct bytes line)
{
	return push(in, (uint16_t)line.n, line.p, line.n);
}

int
input_push_too_long(struct input *in)
{
	return push(in, INPUT_TOO_LONG, NULL, 0);
}

bool
input_peek(const struct input *in, size_t *offset, struct bytes *ret_line)
{
	uint16_t length;

	if (*offset >= buf_len(&in->lines))
		return false;
	const uint8_t *p = buf_data(&in->lines) + *offset;
	memcpy(&length, p, sizeof(length));
	p += sizeof(length);
	if (length == INPUT_TOO_LONG)
		*ret_line = (struct bytes){.p = NULL, .n = 0};
	else
		*ret_line = (struct bytes){.p = p, .n = length};
	*offset += sizeof(length) + ret_line->n;
	return true;
}

bool
input_next(struct input *in, struct bytes *ret_line)
{
	size_t used = 0;

	if (!input_peek(in, &used, ret_line))
		return false;
	buf_consume(&in->lines, used);
	in->count--;
	in->taken++;
	return true;
}

bool
input_is_full(const struct input *in)
{
	return in->count >= INPUT_FULL_LINES || buf_len(&in->lines) >= INPUT_FULL_BYTES;
}

void
input_rest(struct input *in)
{
	if (in->count == 0 && in->lines.cap > 0)
		buf_wipe(&in->lines);
}
