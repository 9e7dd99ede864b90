/*
 * TYPE A in stream mode: LF to CR LF and back, for both ends of a transfer. Must give the
 * same bytes however the stream is cut, and must never touch a CR or LF that stands alone
 * on the wire.
 */
#include "ascii.h"

#include <assert.h>
#include <string.h>

/* Bytes from in up to the next mark, at most n and at most room. */
static size_t
run_before(const uint8_t *in, size_t n, size_t room, uint8_t mark)
{
	size_t span = n < room ? n : room;
	const uint8_t *hit = memchr(in, mark, span);

	return hit ? (size_t)(hit - in) : span;
}

void
ascii_encode(struct ascii_encoder *e, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	size_t used = 0, made = 0;

	assert(cap >= 2);
	if (e->owe_lf) {
		out[made++] = '\n';
		e->owe_lf = false;
	}
	while (used < n && made < cap) {
		size_t run = run_before(in + used, n - used, cap - made, '\n');

		memcpy(out + made, in + used, run);
		used += run;
		made += run;
		if (used == n || made == cap)
			break;
		out[made++] = '\r';
		used++;
		if (made < cap)
			out[made++] = '\n';
		else
			e->owe_lf = true;
	}
	*ret_used = used;
	*ret_made = made;
}

void
ascii_decode(struct ascii_decoder *d, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	size_t used = 0, made = 0;

	assert(cap >= 2);
	while (used < n && made < cap) {
		size_t run;

		if (d->held_cr) {
			bool line_end = in[used] == '\n';

			out[made++] = line_end ? '\n' : '\r';
			used += line_end;
			d->held_cr = false;
			continue;
		}
		run = run_before(in + used, n - used, cap - made, '\r');
		memcpy(out + made, in + used, run);
		used += run;
		made += run;
		if (used < n && in[used] == '\r') {
			d->held_cr = true;
			used++;
		}
	}
	*ret_used = used;
	*ret_made = made;
}

size_t
ascii_decode_end(struct ascii_decoder *d, uint8_t *out)
{
	if (!d->held_cr)
		return 0;
	d->held_cr = false;
	out[0] = '\r';
	return 1;
}

uint64_t
ascii_count_lf(const uint8_t *p, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += p[i] == '\n';
	return count;
}
