/* Keys between master and workers: there and back, and every row of bytes that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ferry/ferry.h>
#include <string.h>

#include "keys.h"

static void
there_and_back(void **state)
{
	_cleanup_(buf_wipe)
	struct buf packed = BUF_INIT(KEYS_PACKED_MAX);
	_cleanup_(buf_wipe)
	struct buf again = BUF_INIT(KEYS_PACKED_MAX);
	struct keys keys = {0}, got;

	keys.item[KEYS_RSA_CERT] = (struct bytes){(const uint8_t *)"cert", 4};
	keys.item[KEYS_TICKET] = (struct bytes){(const uint8_t *)"\0key", 4};
	assert_int_equal(keys_pack(&keys, &packed), 0);
	_cleanup_close_ int fd = keys_seal(&packed);
	assert_true(fd >= 0);
	assert_true(pwrite(fd, "x", 1, 0) < 0); /* sealed */
	assert_int_equal(keys_unseal(fd, &again), 0);
	assert_int_equal(keys_parse(buf_data(&again), buf_len(&again), &got), 0);
	for (size_t i = 0; i < KEYS_ITEMS; i++) {
		assert_int_equal(got.item[i].n, keys.item[i].n);
		if (got.item[i].n > 0)
			assert_memory_equal(got.item[i].p, keys.item[i].p, got.item[i].n);
	}
}

static void
what_is_no_row_of_keys(void **state)
{
	_cleanup_(buf_wipe)
	struct buf packed = BUF_INIT(KEYS_PACKED_MAX);
	struct keys keys = {0}, got;

	keys.item[KEYS_EC_KEY] = (struct bytes){(const uint8_t *)"0123456789", 10};
	assert_int_equal(keys_pack(&keys, &packed), 0);
	for (size_t n = 0; n < buf_len(&packed); n++)
		assert_int_equal(
		    keys_parse(buf_data(&packed), n, &got), -FERRY_EPROTO);
	assert_int_equal(buf_append(&packed, "x", 1), 0);
	assert_int_equal(
	    keys_parse(buf_data(&packed), buf_len(&packed), &got), -FERRY_EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(what_is_no_row_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
