/*
 * Any bytes through the line reader, cut in different ways: the same events, and never
 * more than the maximum. Any bytes as a name: one line that reads back as the same name.
 * As text for people: nothing that drives a terminal, and nothing lost.
 */
#include <assert.h>
#include <string.h>

#include "line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put(struct buf *log, const void *p, size_t n)
{
	int r = buf_append(log, p, n);

	assert(r == 0);
}

static void
note(struct buf *log, const struct line_reader *lr, enum line_event event)
{
	struct bytes text = line_text(lr);
	size_t n = event == LINE_READY ? text.n : 0;

	assert(n <= lr->text.max);
	if (event == LINE_MORE)
		return;
	put(log, &event, sizeof(event));
	put(log, &n, sizeof(n));
	put(log, text.p, n);
	if (event == LINE_ANSWER)
		put(log, lr->answer, sizeof(lr->answer));
}

/* The events of data fed in pieces of step bytes. */
static void
run(const uint8_t *data, size_t size, size_t step, size_t max, enum line_flags flags,
    struct buf *log)
{
	struct line_reader lr;
	bool pending;

	line_init(&lr, max, flags);
	while (size > 0) {
		size_t n = size < step ? size : step, used = 0;
		enum line_event event = LINE_MORE;
		int r = line_feed(&lr, data, n, &used, &event);

		assert(
		    r == 0 && used > 0 && used <= n && (event != LINE_MORE || used == n));
		assert(lr.text.cap <= max + 1);
		note(log, &lr, event);
		data += used;
		size -= used;
	}
	pending = line_pending(&lr);
	put(log, &pending, sizeof(pending));
	line_free(&lr);
}

static void
check_cuts(
    const uint8_t *data, size_t size, size_t step, size_t max, enum line_flags flags)
{
	struct buf whole = BUF_INIT(1 << 24), cut = BUF_INIT(1 << 24);

	run(data, size, SIZE_MAX, max, flags, &whole);
	run(data, size, 1, max, flags, &cut);
	assert(buf_len(&whole) == buf_len(&cut));
	assert(memcmp(buf_data(&whole), buf_data(&cut), buf_len(&cut)) == 0);
	buf_clear(&cut);
	run(data, size, step, max, flags, &cut);
	assert(buf_len(&whole) == buf_len(&cut));
	assert(memcmp(buf_data(&whole), buf_data(&cut), buf_len(&cut)) == 0);
	buf_free(&whole);
	buf_free(&cut);
}

static void
check_name(const uint8_t *name, size_t n)
{
	struct buf out = BUF_INIT(2 * n + 2);
	enum line_event event = LINE_MORE;
	struct line_reader lr;
	size_t used = 0;
	int r = line_append_name(&out, name, n, false);

	assert(r == 0);
	put(&out, "\r\n", 2);
	line_init(&lr, n, LINE_STRICT);
	r = line_feed(&lr, buf_data(&out), buf_len(&out), &used, &event);
	assert(r == 0 && event == LINE_READY && used == buf_len(&out));
	assert(line_text(&lr).n == n && memcmp(line_text(&lr).p, name, n) == 0);
	line_free(&lr);
	buf_free(&out);
}

/* Undoes line_append_safe(). */
static size_t
unescape(const uint8_t *p, size_t n, uint8_t *out)
{
	size_t made = 0;

	for (size_t i = 0; i < n; made++) {
		if (p[i] != '\\') {
			out[made] = p[i++];
		} else if (p[i + 1] == '\\') {
			out[made] = '\\';
			i += 2;
		} else {
			out[made] = (uint8_t)((p[i + 1] - '0') << 6 |
					      (p[i + 2] - '0') << 3 | (p[i + 3] - '0'));
			i += 4;
		}
	}
	return made;
}

static void
check_safe(const uint8_t *text, size_t n)
{
	struct buf out = BUF_INIT(4 * n);
	uint8_t *back = malloc(4 * n + 1);
	int r = line_append_safe(&out, text, n);

	assert(r == 0 && back);
	for (size_t i = 0; i < buf_len(&out); i++) {
		uint8_t c = buf_data(&out)[i];

		assert(c >= 0x20 && c != 0x7f);
		/* U+0080 to U+009F */
		assert(c != 0xc2 || buf_data(&out)[i + 1] >= 0xa0);
	}
	assert(unescape(buf_data(&out), buf_len(&out), back) == n);
	assert(memcmp(back, text, n) == 0);
	free(back);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 1 << 16)
		return 0;
	check_cuts(data + 2, size - 2, data[1] % 16 + 1, data[0] >> 1,
	    data[0] & 1 ? LINE_LENIENT : LINE_STRICT);
	check_name(data, size);
	check_safe(data, size);
	return 0;
}
