/*
 * Words and numbers from text, for every parser of the tree: the same in every locale,
 * digits and nothing else, with the caller's bound. Must never accept what strtoul()
 * would be generous about: signs, blanks, 0x.
 */
#include "util.h"

#include <ferry/ferry.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
equal_nocase(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

static int
parse_digits(const char *s, size_t n, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (n == 0)
		return -FERRY_EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned)(unsigned char)s[i] - '0';

		if (digit >= base || digit > max || value > (max - digit) / base)
			return -FERRY_EINVAL;
		value = value * base + digit;
	}
	*ret = value;
	return 0;
}

int
parse_uint(const char *s, size_t n, uint64_t max, uint64_t *ret)
{
	return parse_digits(s, n, 10, max, ret);
}

int
parse_octal(const char *s, size_t n, uint64_t max, uint64_t *ret)
{
	return parse_digits(s, n, 8, max, ret);
}
