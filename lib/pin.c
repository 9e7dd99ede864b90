/*
 * The forms in which people write down a SHA-256. A pin that is not understood wholly is
 * refused: half a pin would be a weak one.
 */
#include "pin.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

/* 32 bytes in base64: 43 digits and one "=" */
#define BASE64_DIGITS 43

static int
hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int
parse_hex(const char *s, uint8_t out[PIN_SIZE])
{
	for (size_t i = 0; i < PIN_SIZE; i++) {
		int high, low;

		if (i > 0 && *s == ':')
			s++;
		high = hex_value(s[0]);
		low = high < 0 ? -1 : hex_value(s[1]);
		if (low < 0)
			return -FERRY_EINVAL;
		out[i] = (uint8_t)(high * 16 + low);
		s += 2;
	}
	return *s ? -FERRY_EINVAL : 0;
}

static int
base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int
parse_base64(const char *s, uint8_t out[PIN_SIZE])
{
	uint32_t bits = 0;
	size_t made = 0;

	if (strcmp(s + BASE64_DIGITS, "=") != 0)
		return -FERRY_EINVAL;
	for (size_t i = 0, have = 0; i < BASE64_DIGITS; i++) {
		int value = base64_value(s[i]);

		if (value < 0)
			return -FERRY_EINVAL;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[made++] = (uint8_t)(bits >> have);
		}
	}
	/* the last digit has two bits too many: two texts for one pin are none */
	return bits & 3 ? -FERRY_EINVAL : 0;
}

int
pin_parse(const char *text, uint8_t ret[PIN_SIZE])
{
	uint8_t pin[PIN_SIZE];
	int r;

	if (equal_nocase(text, "sha256//", 8))
		text += 8;
	else if (equal_nocase(text, "sha256:", 7))
		text += 7;
	r = strlen(text) == BASE64_DIGITS + 1 ? parse_base64(text, pin)
					      : parse_hex(text, pin);
	if (r == 0)
		memcpy(ret, pin, sizeof(pin));
	return r;
}

const char *
pin_format(const uint8_t pin[PIN_SIZE], char out[PIN_TEXT_MAX])
{
	for (size_t i = 0; i < PIN_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", pin[i]);
	return out;
}
