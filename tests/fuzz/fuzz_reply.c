/*
 * Any bytes as a server's replies, through the line reader as the client has it: the same
 * replies however the input is cut, each with a code, begun and ended by it, and within
 * the limits.
 */
#include <assert.h>
#include <string.h>

#include "line.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_BYTES 1000

static void
check_complete(struct reply *r)
{
	const uint8_t *text = buf_data(&r->text);

	assert(r->code >= 100 && r->code <= 599 && !r->open && r->lines > 0);
	assert((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0') == r->code);
	assert(memcmp(text, text + r->last, 3) == 0);
	assert((r->lines == 1) == (r->last == 0));
	assert(r->lines == 1 || text[3] == '-');
	assert(strlen(reply_text(r)) <= buf_len(&r->text));
}

/* Feeds one line; false after an error. What came of it goes to the log. */
static bool
feed(struct reply *r, struct bytes line, struct buf *log)
{
	int result = reply_feed(r, line.p, line.n);
	int e = buf_append(log, &result, sizeof(result));

	assert(e == 0);
	assert(buf_len(&r->text) <= REPLY_MAX_BYTES && r->lines <= REPLY_MAX_LINES);
	if (result == 1) {
		check_complete(r);
		e = buf_append(log, buf_data(&r->text), buf_len(&r->text));
		assert(e == 0);
	} else {
		assert(r->code == 0 && *reply_text(r) == '\0');
	}
	return result >= 0;
}

static void
run(const uint8_t *data, size_t size, size_t step, struct buf *log)
{
	struct line_reader lr;
	struct reply r;
	bool good = true;

	line_init(&lr, LINE_MAX_BYTES, LINE_LENIENT);
	reply_init(&r);
	while (size > 0 && good) {
		enum line_event event = LINE_MORE;
		size_t n = size < step ? size : step, used = 0;
		int e = line_feed(&lr, data, n, &used, &event);

		assert(e == 0);
		if (event == LINE_READY)
			good = feed(&r, line_text(&lr), log);
		data += used;
		size -= used;
	}
	reply_free(&r);
	line_free(&lr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 24), cut = BUF_INIT(1 << 24);

	if (size > 1 << 16)
		return 0;
	run(data, size, SIZE_MAX, &whole);
	run(data, size, 1, &cut);
	assert(buf_len(&whole) == buf_len(&cut));
	assert(memcmp(buf_data(&whole), buf_data(&cut), buf_len(&cut)) == 0);
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
