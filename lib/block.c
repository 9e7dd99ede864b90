/*
 * Block mode, RFC 959 3.4.2: the header of a block, and a reader of blocks. Must tell the
 * same files however the bytes are cut, and must never believe a descriptor that is none.
 */
#include "block.h"

#include <assert.h>
#include <ferry/ferry.h>

#define BLOCK_FLAGS (BLOCK_EOR | BLOCK_EOF | BLOCK_SUSPECT | BLOCK_MARKER)
/* Flags that are an event at the end of their block. */
#define BLOCK_TOLD (BLOCK_EOR | BLOCK_EOF | BLOCK_MARKER)

void
block_header(uint8_t out[BLOCK_HEADER_LEN], unsigned flags, size_t n)
{
	assert(n <= BLOCK_DATA_MAX && (flags & ~(unsigned)BLOCK_FLAGS) == 0);
	out[0] = (uint8_t)flags;
	out[1] = (uint8_t)(n >> 8);
	out[2] = (uint8_t)n;
}

/* The next event that the block at its end owes, in the order of what it ends. */
static enum block_event
due_event(struct block_reader *r)
{
	static const struct {
		uint8_t flag;
		enum block_event event;
	} order[] = {
	    {BLOCK_MARKER, BLOCK_MARK},
	    {BLOCK_EOR, BLOCK_RECORD},
	    {BLOCK_EOF, BLOCK_END},
	};

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if (!(r->due & order[i].flag))
			continue;
		r->due &= (uint8_t)~order[i].flag;
		if (order[i].event == BLOCK_END)
			r->begun = false;
		return order[i].event;
	}
	return BLOCK_MORE;
}

/* One byte of a header. 0 or -FERRY_EPROTO. */
static int
take_header(struct block_reader *r, uint8_t byte)
{
	if (r->have == 0 && (byte & ~BLOCK_FLAGS))
		return -FERRY_EPROTO;
	if (!r->begun)
		r->suspect = false;
	r->begun = true;
	r->header[r->have++] = byte;
	if (r->have < BLOCK_HEADER_LEN)
		return 0;
	r->have = 0;
	r->due = r->header[0] & BLOCK_TOLD;
	r->suspect |= (r->header[0] & BLOCK_SUSPECT) != 0;
	r->left = (uint16_t)(r->header[1] << 8 | r->header[2]);
	return 0;
}

int
block_feed(struct block_reader *r, const uint8_t *p, size_t n, size_t *ret_used,
    enum block_event *ret_event, struct bytes *ret_data)
{
	enum block_event event;
	size_t used = 0;

	for (;;) {
		size_t span = n - used < r->left ? n - used : r->left;

		event = r->left == 0 ? due_event(r) : BLOCK_MORE;
		if (event != BLOCK_MORE || used == n)
			break;
		if (r->left == 0) {
			int e = take_header(r, p[used]);

			if (e < 0)
				return e;
			used++;
			continue;
		}
		r->left = (uint16_t)(r->left - span);
		used += span;
		if (!(r->due & BLOCK_MARKER)) {
			*ret_data = (struct bytes){.p = p + used - span, .n = span};
			event = BLOCK_DATA;
			break;
		}
	}
	*ret_used = used;
	*ret_event = event;
	return 0;
}

bool
block_suspect(const struct block_reader *r)
{
	return r->suspect;
}

bool
block_pending(const struct block_reader *r)
{
	return r->begun;
}
