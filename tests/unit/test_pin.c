/*
 * Pins: every form that people write, and nothing that is only nearly one.
 */
#include "pin.h"

#include <ferry/ferry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BASE64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static void
forms(void **state)
{
	static const char *const rows[] = {
	    HEX,
	    "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
	    "SHA256:" HEX,
	    "sha256:" HEX,
	    "e3:b0:c4:42:98:fc:1c:14:9a:fb:f4:c8:99:6f:b9:24:27:ae:41:e4:64:9b:93:4c:a4:"
	    "95:99:1b:78:52:b8:55",
	    BASE64,
	    "sha256//" BASE64,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t pin[PIN_SIZE];
		char text[PIN_TEXT_MAX];

		assert_int_equal(pin_parse(rows[i], pin), 0);
		assert_string_equal(pin_format(pin, text), HEX);
	}
}

static void
near_misses(void **state)
{
	static const char *const rows[] = {
	    "",
	    "sha256//",
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
	    HEX "5",
	    HEX ":",
	    ":" HEX,
	    "g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "e::3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "sha256//" BASE64 "=",
	    "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", /* bits too many */
	    "sha256//47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
	    "sha1//" BASE64,
	    " " HEX,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t pin[PIN_SIZE] = {7};

		assert_int_equal(pin_parse(rows[i], pin), -FERRY_EINVAL);
		assert_int_equal(pin[0], 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forms),
	    cmocka_unit_test(near_misses),
	};

	return cmocka_run_group_tests_name("pins", tests, NULL, NULL);
}
