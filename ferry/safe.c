/*
 * Names, banners, replies and listings are data from a stranger. This file is the only
 * way they reach a terminal; it must never pass on an escape sequence, whatever the bytes
 * are.
 */
#include "safe.h"

#include "own.h"

#include <stdint.h>

/* One character of UTF-8, shortest form only, no surrogates (RFC 3629). Returns its
 * length, 0 if the bytes end too early, -1 if they are not UTF-8. */
static int
utf8_decode(const uint8_t *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	int len = p[0] < 0x80   ? 1
		  : p[0] < 0xc2 ? -1
		  : p[0] < 0xe0 ? 2
		  : p[0] < 0xf0 ? 3
				: 4;
	uint32_t c;

	if (len < 0 || p[0] > 0xf4)
		return -1;
	c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (int i = 1; i < len; i++) {
		if ((size_t)i >= n)
			return 0;
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (len > 1 && (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)))
		return -1;
	*ret = c;
	return len;
}

/* Characters that move the cursor, vanish, or turn the reading direction round. */
static bool
is_deceptive(uint32_t c)
{
	return (c >= 0x80 && c <= 0x9f) || c == 0xad || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

static void
write_ascii(FILE *f, unsigned c, unsigned flags)
{
	if (c >= 0x20 && c != 0x7f)
		putc((int)c, f);
	else if ((flags & SAFE_LINES) && (c == '\n' || c == '\t'))
		putc((int)c, f);
	else
		fprintf(f, "^%c", (int)(c ^ 0x40));
}

/* Writes the character at p and returns how many bytes it took. */
static size_t
write_one(FILE *f, const uint8_t *p, size_t n, unsigned flags)
{
	uint32_t c = 0;
	int len = utf8_decode(p, n, &c);

	if ((flags & SAFE_LINES) && n >= 2 && p[0] == '\r' && p[1] == '\n')
		return 1;
	if (len <= 0) {
		fprintf(f, "\\x%02x", p[0]);
		return 1;
	}
	if (len == 1)
		write_ascii(f, c, flags);
	else if (is_deceptive(c))
		fprintf(f, "\\u{%04x}", (unsigned)c);
	else
		fwrite(p, 1, (size_t)len, f);
	return (size_t)len;
}

void
safe_write(FILE *f, const char *s, size_t n, unsigned flags)
{
	const uint8_t *p = (const uint8_t *)s;

	for (size_t i = 0; i < n;)
		i += write_one(f, p + i, n - i, flags);
}

char *
safe_string(const char *s)
{
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	if (f == NULL)
		return NULL;
	safe_write(f, s, strlen(s), 0);
	if (fclose(f) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

size_t
safe_stream(FILE *f, const char *s, size_t n, bool last)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i = 0;
	uint32_t c;

	if (!isatty(fileno(f)))
		return fwrite(s, 1, n, f);
	while (i < n) {
		if (!last &&
		    (utf8_decode(p + i, n - i, &c) == 0 || (p[i] == '\r' && i + 1 == n)))
			break;
		i += write_one(f, p + i, n - i, SAFE_LINES);
	}
	return i;
}
