/*
 * Pieces of work with and without helpers: each is done once and delivered in its order,
 * no slot is used twice at once, and every helper goes home.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <unistd.h>

#include "convoy.h"

/* One run: what is on its way in which slot. */
struct run {
	unsigned pieces; /* how many there are */
	unsigned wanted; /* deliver says no behind so many */
	unsigned loaded, delivered;
	_Atomic unsigned worked, at_once, most_at_once;
	unsigned slot[CONVOY_SLOTS]; /* number of the piece, from 1; 0: free */
	_Atomic bool done[CONVOY_SLOTS];
	bool wait;              /* nobody is done before another one works as well */
	_Atomic unsigned *idle; /* deliver takes until helpers have given it up ... */
	unsigned idle_wanted;   /* ... and are so many again */
};

static bool
load(void *user, unsigned slot)
{
	struct run *r = user;

	assert_true(slot < CONVOY_SLOTS);
	assert_int_equal(r->slot[slot], 0);
	if (r->loaded == r->pieces)
		return false;
	r->slot[slot] = ++r->loaded;
	r->done[slot] = false;
	return true;
}

static void
work(void *user, unsigned slot)
{
	struct run *r = user;
	unsigned n = ++r->at_once;

	if (n > r->most_at_once)
		r->most_at_once = n;
	/* Later pieces are often done before earlier ones. */
	for (unsigned i = 0; i < (r->slot[slot] * 7919) % 13; i++)
		sched_yield();
	while (r->wait && r->most_at_once < 2 && r->slot[slot] > CONVOY_ALONE)
		sched_yield();
	r->at_once--;
	r->worked++;
	r->done[slot] = true;
}

static bool
deliver(void *user, unsigned slot)
{
	struct run *r = user;

	assert_true(r->done[slot]);
	assert_int_equal(r->slot[slot], ++r->delivered);
	r->slot[slot] = 0;
	while (r->idle && r->delivered > CONVOY_ALONE && *r->idle < r->idle_wanted)
		sched_yield();
	return r->delivered < r->wanted;
}

static void
convoy(struct run *r, _Atomic unsigned *spare)
{
	struct convoy c = {
	    .user = r,
	    .load = load,
	    .work = work,
	    .deliver = deliver,
	    .spare = spare,
	};

	convoy_run(&c);
}

static void
in_order(void **state)
{
	static const unsigned sizes[] = {
	    0, 1, 2, CONVOY_ALONE, CONVOY_ALONE + 1, CONVOY_SLOTS, 1000};

	for (unsigned helpers = 0; helpers < 6; helpers++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			_Atomic unsigned spare = helpers;
			struct run r = {.pieces = sizes[i], .wanted = UINT32_MAX};

			convoy(&r, helpers < 5 ? &spare : NULL);
			assert_int_equal(r.worked, sizes[i]);
			assert_int_equal(r.delivered, sizes[i]);
			assert_int_equal(spare, helpers);
			if (helpers == 0 || helpers == 5 || sizes[i] <= CONVOY_ALONE)
				assert_true(r.most_at_once <= 1);
		}
	}
}

/* A helper comes: with nobody beside it the first of these pieces would never end. */
static void
side_by_side(void **state)
{
	_Atomic unsigned spare = 1;
	struct run r = {.pieces = 100, .wanted = UINT32_MAX, .wait = true};

	convoy(&r, &spare);
	assert_int_equal(r.delivered, 100);
	assert_int_equal(r.most_at_once, 2);
	assert_int_equal(spare, 1);
}

/* Who waits for one who is slow to take the work goes and helps others. */
static void
slow_delivery(void **state)
{
	_Atomic unsigned spare = 2;
	struct run r = {
	    .pieces = 100, .wanted = UINT32_MAX, .idle = &spare, .idle_wanted = 2};

	convoy(&r, &spare);
	assert_int_equal(r.delivered, 100);
	assert_int_equal(r.worked, 100);
	assert_int_equal(spare, 2);
}

/* What nobody wants is not delivered, and nobody works on it any more. */
static void
unwanted(void **state)
{
	for (unsigned wanted = 1; wanted < 40; wanted++) {
		_Atomic unsigned spare = 3;
		struct run r = {.pieces = 100000, .wanted = wanted};

		convoy(&r, &spare);
		assert_int_equal(r.delivered, wanted);
		assert_true(r.worked <= wanted + CONVOY_SLOTS);
		assert_int_equal(r.at_once, 0);
		assert_int_equal(spare, 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_order),
	    cmocka_unit_test(side_by_side),
	    cmocka_unit_test(slow_delivery),
	    cmocka_unit_test(unwanted),
	};

	alarm(55);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
