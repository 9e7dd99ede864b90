/*
 * Paths as they are, each with a NUL behind it; files behind their length, a number of
 * four bytes in host order. See row.h. Must never look behind what it was given.
 */
#include "row.h"

#include <ferry/ferry.h>
#include <stdint.h>
#include <string.h>

#define PATH_BYTES_MAX 4095

int
row_put_path(struct buf *paths, struct bytes path)
{
	uint8_t *p;
	int r = buf_reserve(paths, path.n + 1, &p);

	if (r < 0)
		return r;
	memcpy(p, path.p, path.n);
	p[path.n] = '\0';
	buf_commit(paths, path.n + 1);
	return 0;
}

int
row_get_path(struct bytes *paths, const char **ret_path)
{
	const uint8_t *p = paths->p;

	if (paths->n == 0)
		return 0;
	const uint8_t *end = memchr(p, '\0', paths->n);
	if (end == NULL || *p != '/' || end - p > PATH_BYTES_MAX)
		return -FERRY_EPROTO;
	paths->n -= (size_t)(end + 1 - p);
	paths->p = end + 1;
	*ret_path = (const char *)p;
	return 1;
}

int
row_reserve_file(struct buf *text, size_t n, uint8_t **ret_p)
{
	uint8_t *p;
	int r = buf_reserve(text, ROW_HEADER + n, &p);

	if (r < 0)
		return r;
	uint32_t length = (uint32_t)n;
	memcpy(p, &length, sizeof(length));
	*ret_p = p + ROW_HEADER;
	return 0;
}

void
row_commit_file(struct buf *text, size_t n)
{
	buf_commit(text, ROW_HEADER + n);
}

int
row_get_file(struct bytes *text, struct bytes *ret_file)
{
	uint32_t length;

	if (text->n == 0)
		return 0;
	if (text->n < sizeof(length))
		return -FERRY_EPROTO;
	memcpy(&length, text->p, sizeof(length));
	if (length > ROW_FILE_MAX || length > text->n - ROW_HEADER)
		return -FERRY_EPROTO;
	*ret_file = (struct bytes){.p = text->p + ROW_HEADER, .n = length};
	text->p += ROW_HEADER + length;
	text->n -= ROW_HEADER + length;
	return 1;
}
