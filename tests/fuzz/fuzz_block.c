/*
 * Any bytes as blocks, cut in different ways: the same files, spans that lie in the input
 * and never more data than came, the same as block by block with everything at hand. Any
 * bytes as a file, cut into blocks: the same file back.
 */
#include <assert.h>
#include <string.h>

#include "block.h"
#include "buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOG_MAX (1 << 22)

static void
put(struct buf *log, const void *p, size_t n)
{
	int e = buf_append(log, p, n);

	assert(e == 0);
}

/* Spans are cut as the input was: only their bytes are compared. */
static void
note(const struct block_reader *r, enum block_event event, struct bytes data,
    struct buf *log)
{
	uint8_t entry[3] = {0xff, (uint8_t)event, block_suspect(r)};

	if (event == BLOCK_DATA)
		for (size_t i = 0; i < data.n; i++)
			put(log, (uint8_t[]){0, data.p[i]}, 2);
	else if (event != BLOCK_MORE)
		put(log, entry, sizeof(entry));
}

/* One piece of the input. false when it is no header. */
static bool
feed(struct block_reader *r, const uint8_t *p, size_t n, struct buf *log)
{
	enum block_event event;

	do {
		struct bytes data = {0};
		size_t used = 0;

		if (block_feed(r, p, n, &used, &event, &data) < 0)
			return false;
		assert(used <= n && (event != BLOCK_MORE || used == n));
		assert(event != BLOCK_DATA || (data.n > 0 && data.n <= used));
		assert(event != BLOCK_DATA || data.p + data.n == p + used);
		assert(event != BLOCK_END || !block_pending(r));
		note(r, event, data, log);
		p += used;
		n -= used;
	} while (event != BLOCK_MORE);
	return true;
}

static void
run(const uint8_t *data, size_t size, size_t step, struct buf *log)
{
	struct block_reader r = BLOCK_READER_INIT;
	uint8_t last[2] = {1, 1};
	bool good = true;

	while (size > 0 && good) {
		size_t n = size < step ? size : step;

		good = feed(&r, data, n, log);
		data += n;
		size -= n;
	}
	last[0] = good;
	last[1] = block_pending(&r);
	put(log, last, sizeof(last));
}

/* What RFC 959 3.4.2 makes of one block. false: it is none, or not all here. */
static bool
tell_block(const uint8_t *p, size_t n, bool *suspect, struct buf *log, size_t *ret_used)
{
	size_t count = n < BLOCK_HEADER_LEN ? 0 : p[1] * 256u + p[2];

	if (n < BLOCK_HEADER_LEN || (p[0] & 0x0f) != 0 || n < BLOCK_HEADER_LEN + count)
		return false;
	*suspect |= (p[0] & 0x20) != 0;
	for (size_t i = 0; i < count && (p[0] & 0x10) == 0; i++)
		put(log, (uint8_t[]){0, p[BLOCK_HEADER_LEN + i]}, 2);
	if ((p[0] & 0x10) != 0)
		put(log, (uint8_t[]){0xff, BLOCK_MARK, *suspect}, 3);
	if ((p[0] & 0x80) != 0)
		put(log, (uint8_t[]){0xff, BLOCK_RECORD, *suspect}, 3);
	if ((p[0] & 0x40) != 0)
		put(log, (uint8_t[]){0xff, BLOCK_END, *suspect}, 3);
	if ((p[0] & 0x40) != 0)
		*suspect = false;
	*ret_used = BLOCK_HEADER_LEN + count;
	return true;
}

/* Whole blocks, as long as there are any: the reader tells the same of them. */
static void
check_blocks(const uint8_t *data, size_t size)
{
	struct buf told = BUF_INIT(LOG_MAX), read = BUF_INIT(LOG_MAX);
	struct block_reader r = BLOCK_READER_INIT;
	bool suspect = false, good;
	size_t all = 0, used = 0;

	while (tell_block(data + all, size - all, &suspect, &told, &used))
		all += used;
	good = feed(&r, data, all, &read);
	assert(good && buf_len(&told) == buf_len(&read));
	assert(memcmp(buf_data(&told), buf_data(&read), buf_len(&told)) == 0);
	/* What is behind them is half a block, or none. */
	good = feed(&r, data + all, size - all, &read);
	assert(good == (size == all || (data[all] & 0x0f) == 0));
	buf_free(&told);
	buf_free(&read);
}

static void
check_cuts(const uint8_t *data, size_t size, size_t step)
{
	struct buf whole = BUF_INIT(LOG_MAX), cut = BUF_INIT(LOG_MAX);
	const size_t steps[] = {1, step};

	run(data, size, SIZE_MAX, &whole);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		buf_clear(&cut);
		run(data, size, steps[i], &cut);
		assert(buf_len(&whole) == buf_len(&cut));
		assert(memcmp(buf_data(&whole), buf_data(&cut), buf_len(&cut)) == 0);
	}
	buf_free(&whole);
	buf_free(&cut);
}

/* The data in blocks of step bytes, and an empty one that ends the file. */
static void
check_file(const uint8_t *data, size_t size, size_t step)
{
	struct buf wire = BUF_INIT(LOG_MAX), back = BUF_INIT(LOG_MAX),
		   plain = BUF_INIT(LOG_MAX);
	struct block_reader r = BLOCK_READER_INIT;
	uint8_t header[BLOCK_HEADER_LEN];
	bool good;

	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		block_header(header, 0, n);
		put(&wire, header, sizeof(header));
		put(&wire, data + at, n);
	}
	block_header(header, BLOCK_EOF, 0);
	put(&wire, header, sizeof(header));
	good = feed(&r, buf_data(&wire), buf_len(&wire), &back);
	assert(good && !block_pending(&r) && !block_suspect(&r));
	note(&r, BLOCK_DATA, (struct bytes){.p = data, .n = size}, &plain);
	note(&r, BLOCK_END, (struct bytes){0}, &plain);
	assert(buf_len(&plain) == buf_len(&back));
	assert(memcmp(buf_data(&plain), buf_data(&back), buf_len(&back)) == 0);
	buf_free(&wire);
	buf_free(&back);
	buf_free(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 16)
		return 0;
	check_blocks(data + 1, size - 1);
	check_cuts(data + 1, size - 1, data[0] % 32 + 1u);
	check_file(data + 1, size - 1, data[0] + 1u);
	return 0;
}
