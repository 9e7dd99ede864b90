/*
 * Names of hosts. For the parser of ferryd.conf, and for what clients send: any bytes may
 * come. Pure.
 */
#include "hostname.h"

#include <string.h>

#define LABEL_MAX 63

static bool
is_letter_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_label(const uint8_t *p, size_t n)
{
	if (n == 0 || n > LABEL_MAX || p[0] == '-' || p[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_letter_or_digit(p[i]) && p[i] != '-')
			return false;
	}
	return true;
}

/* Without the dot that stands for the root. */
static struct bytes
trim(struct bytes name)
{
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	return name;
}

bool
hostname_is_valid(struct bytes name)
{
	size_t at = 0;

	name = trim(name);
	if (name.n == 0 || name.n > HOSTNAME_MAX)
		return false;
	while (at <= name.n) {
		const uint8_t *dot =
		    at < name.n ? memchr(name.p + at, '.', name.n - at) : NULL;
		size_t end = dot != NULL ? (size_t)(dot - name.p) : name.n;

		if (!is_label(name.p + at, end - at))
			return false;
		at = end + 1;
	}
	return true;
}

bool
hostname_same(struct bytes a, struct bytes b)
{
	a = trim(a);
	b = trim(b);
	return a.n == b.n &&
	       (a.n == 0 || equal_nocase((const char *)a.p, (const char *)b.p, a.n));
}
