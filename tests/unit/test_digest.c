/*
 * Checksums against values that are known, whatever the cut of the input; and names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "digest.h"
#include "msg.h"

#define TEXT "The quick brown fox jumps over the lazy dog"

static const struct {
	enum digest_kind kind;
	const char *text, *hex;
} rows[] = {
    {DIGEST_SHA256, TEXT,
	"d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592"},
    {DIGEST_SHA256, "",
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {DIGEST_SHA512, TEXT,
	"07e547d9586f6a73f73fbac0435ed76951218fb7d0c8d788a309d785436bbb64"
	"2e93a252a954f23912547d1e8a3b5ed6e1bfd7097821233fa0538f3db854fee6"},
    {DIGEST_SHA1, TEXT, "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
    {DIGEST_MD5, TEXT, "9e107d9d372bb6826bd81d3542a419d6"},
    {DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
    {DIGEST_CRC32, TEXT, "414fa339"},
    {DIGEST_CRC32, "", "00000000"},
};

static void
test_known(void **state)
{
	char hex[DIGEST_TEXT_MAX];
	struct digest *d;

	digest_prepare();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].text);

		for (size_t cut = 0; cut <= n; cut++) {
			assert_int_equal(digest_new(rows[i].kind, &d), 0);
			assert_int_equal(digest_add(d, rows[i].text, cut), 0);
			assert_int_equal(digest_add(d, rows[i].text + cut, n - cut), 0);
			assert_int_equal(digest_end(d, hex), 0);
			assert_string_equal(hex, rows[i].hex);
			digest_free(d);
		}
	}
	digest_free(NULL);
}

static void
test_names(void **state)
{
	enum digest_kind kind = DIGEST_COUNT;

	for (int i = 0; i < DIGEST_COUNT; i++) {
		assert_true(digest_find(bytes_of(digest_name((enum digest_kind)i)), &kind));
		assert_int_equal(kind, i);
	}
	assert_true(digest_find(bytes_of("sha-256"), &kind));
	assert_int_equal(kind, DIGEST_SHA256);
	assert_false(digest_find(bytes_of("SHA-25"), &kind));
	assert_false(digest_find(bytes_of("SHA-2567"), &kind));
	assert_false(digest_find(bytes_of(""), &kind));
	assert_int_equal(kind, DIGEST_SHA256);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
