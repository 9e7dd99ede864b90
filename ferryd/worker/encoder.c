/*
 * TYPE and MODE of what is sent. See encoder.h. Must give the same file however its bytes
 * come, and must never end one that has not ended.
 */
#include "encoder.h"

#include <assert.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "deflate.h"

#define TEXT_CHUNK (16 * 1024)

int
encoder_init(struct encoder *e, const struct coding *coding)
{
	*e = (struct encoder){.coding = *coding};
	if (coding->mode != CODING_DEFLATE)
		return 0;
	e->packer = deflate_packer_new(coding->level);
	if (coding->ascii)
		e->text = malloc(TEXT_CHUNK);
	if (e->packer != NULL && (e->text != NULL || !coding->ascii))
		return 0;
	encoder_free(e);
	return -FERRY_ENOMEM;
}

void
encoder_free(struct encoder *e)
{
	deflate_packer_free(e->packer);
	free(e->text);
	e->packer = NULL;
	e->text = NULL;
}

/* TYPE alone. True: of what is behind `last` nothing is missing. */
static bool
convert(struct encoder *e, const uint8_t *in, size_t n, bool last, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	if (e->coding.ascii) {
		ascii_encode(&e->lines, in, n, ret_used, out, cap, ret_made);
	} else {
		*ret_used = *ret_made = n < cap ? n : cap;
		memcpy(out, in, *ret_made);
	}
	return last && *ret_used == n && !e->lines.owe_lf;
}

/* One block. The last one that has data also ends the file. */
static bool
frame(struct encoder *e, const uint8_t *in, size_t n, bool last, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	size_t room = cap - BLOCK_HEADER_LEN, made;

	if (room > BLOCK_DATA_MAX)
		room = BLOCK_DATA_MAX;
	bool end = convert(e, in, n, last, ret_used, out + BLOCK_HEADER_LEN, room, &made);
	*ret_made = 0;
	if (made > 0 || end) {
		block_header(out, end ? BLOCK_EOF : 0, made);
		*ret_made = BLOCK_HEADER_LEN + made;
	}
	return end;
}

/* TYPE A in MODE Z: the packer's input is what has been converted. */
static bool
pack_text(struct encoder *e, const uint8_t *in, size_t n, bool last, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	size_t used = 0, made = 0;
	bool end;

	*ret_used = 0;
	if (e->text_used == e->text_len) {
		e->text_used = 0;
		ascii_encode(
		    &e->lines, in, n, ret_used, e->text, TEXT_CHUNK, &e->text_len);
	}
	end =
	    deflate_pack(e->packer, e->text + e->text_used, e->text_len - e->text_used,
		last && *ret_used == n && !e->lines.owe_lf, &used, out, cap, &made) == 1;
	e->text_used += used;
	*ret_made = made;
	return end;
}

static bool
step(struct encoder *e, const uint8_t *in, size_t n, bool last, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	switch (e->coding.mode) {
	case CODING_BLOCK:
		return frame(e, in, n, last, ret_used, out, cap, ret_made);
	case CODING_DEFLATE:
		if (e->coding.ascii)
			return pack_text(e, in, n, last, ret_used, out, cap, ret_made);
		return deflate_pack(
			   e->packer, in, n, last, ret_used, out, cap, ret_made) == 1;
	case CODING_STREAM:
		break;
	}
	return convert(e, in, n, last, ret_used, out, cap, ret_made);
}

int
encoder_run(struct encoder *e, const uint8_t *in, size_t n, bool last, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	size_t used = 0, made = 0, more_used, more_made;
	bool end;

	assert(cap >= ENCODER_ROOM);
	do {
		end = step(e, in + used, n - used, last, &more_used, out + made,
		    cap - made, &more_made);
		used += more_used;
		made += more_made;
	} while (!end && (more_used > 0 || more_made > 0) && cap - made >= ENCODER_ROOM);
	*ret_used = used;
	*ret_made = made;
	return end ? 1 : 0;
}

size_t
encoder_break(const struct encoder *e, uint8_t *out)
{
	if (e->coding.mode != CODING_BLOCK)
		return 0;
	block_header(out, BLOCK_EOF | BLOCK_SUSPECT, 0);
	return BLOCK_HEADER_LEN;
}
