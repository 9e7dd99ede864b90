/* Ids and what they stand for: found until taken, whatever collides with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "idtable.h"

static void
test_empty(void **state)
{
	struct idtable t = {0};

	assert_null(idtable_get(&t, 1));
	assert_null(idtable_take(&t, 1));
	assert_null(idtable_any(&t));
	idtable_free(&t);
}

/* Against a plain array, with ids that come, go and come again in a fixed but unruly
 * order. */
static void
test_as_an_array(void **state)
{
	enum { IDS = 500 };
	static const char things[IDS + 1];
	bool there[IDS + 1] = {false};
	struct idtable t = {0};
	uint32_t dice = 1;
	size_t count = 0;

	for (int i = 0; i < 50000; i++) {
		dice = dice * 1664525 + 1013904223;
		uint32_t n = 1 + (dice >> 8) % IDS,
			 id = n * 64; /* ids that like the same rows */
		void *thing = (void *)(uintptr_t)&things[n];

		assert_ptr_equal(idtable_get(&t, id), there[n] ? thing : NULL);
		if (there[n]) {
			assert_ptr_equal(idtable_take(&t, id), thing);
			assert_null(idtable_get(&t, id));
			count--;
		} else {
			assert_int_equal(idtable_put(&t, id, thing), 0);
			count++;
		}
		there[n] = !there[n];
		assert_int_equal(t.count, count);
	}
	for (uint32_t n = 1; n <= IDS; n++)
		assert_int_equal(idtable_take(&t, n * 64) != NULL, there[n]);
	assert_null(idtable_any(&t));
	idtable_free(&t);
}

static void
test_id_0_is_never_there(void **state)
{
	struct idtable t = {0};

	assert_int_equal(idtable_put(&t, UINT32_MAX, idtable_number(7)), 0);
	assert_null(idtable_get(&t, 0));
	assert_int_equal(idtable_to_number(idtable_any(&t)), 7);
	idtable_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_as_an_array),
	    cmocka_unit_test(test_id_0_is_never_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
