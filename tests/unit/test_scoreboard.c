/*
 * The scoreboard: what a reader may believe while an owner writes, dies or lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scoreboard.h"
#include "util.h"

#define SLOTS 3

struct both {
	int fd;
	struct scoreboard owner;
	struct scoreboard reader;
};

static int
both_setup(void **state)
{
	static struct both b;

	b.fd = scoreboard_create(SLOTS);
	assert_true(b.fd >= 0);
	assert_int_equal(scoreboard_map(b.fd, SLOTS, 1, &b.owner), 0);
	assert_int_equal(scoreboard_map(b.fd, SLOTS, 0, &b.reader), 0);
	*state = &b;
	return 0;
}

static int
both_teardown(void **state)
{
	struct both *b = *state;

	scoreboard_unmap(&b->owner);
	scoreboard_unmap(&b->reader);
	fd_closep(&b->fd);
	return 0;
}

static void
test_new_slots_are_free(void **state)
{
	struct both *b = *state;
	struct slot_view v;

	for (size_t i = 0; i < SLOTS; i++) {
		assert_int_equal(scoreboard_read(&b->reader, i, &v), 0);
		assert_int_equal(v.head.state, SLOT_FREE);
		assert_int_equal(v.head.session, 0);
	}
}

static void
test_what_is_written_is_read(void **state)
{
	struct both *b = *state;
	struct slot_view *w = scoreboard_begin(&b->owner, 1);
	struct slot_view v;

	w->head.session = 7;
	w->head.state = SLOT_SENDING;
	strcpy(w->head.user, "anonymous");
	w->head.bytes_out = UINT64_C(1) << 40;
	w->head.pathed = true;
	strcpy(w->path.text, "/pub");
	scoreboard_end(&b->owner, 1);
	assert_int_equal(scoreboard_read(&b->reader, 1, &v), 0);
	assert_int_equal(v.head.session, 7);
	assert_int_equal(v.head.state, SLOT_SENDING);
	assert_string_equal(v.head.user, "anonymous");
	assert_true(v.head.bytes_out == UINT64_C(1) << 40);
	assert_string_equal(v.path.text, "/pub");
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), 0);
	assert_int_equal(v.head.session, 0);
}

/* The next change begins with what is there; what is not ended is not seen. */
static void
test_draft(void **state)
{
	struct both *b = *state;
	struct slot_view *w = scoreboard_begin(&b->owner, 0);
	struct slot_view v;

	w->head.session = 1;
	w->head.bytes_in = 10;
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), 0);
	assert_int_equal(v.head.session, 0);
	scoreboard_end(&b->owner, 0);
	w = scoreboard_begin(&b->owner, 0);
	assert_int_equal(w->head.session, 1);
	w->head.bytes_in += 5;
	scoreboard_end(&b->owner, 0);
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), 0);
	assert_int_equal(v.head.bytes_in, 15);
}

static void
test_owner_died_while_writing(void **state)
{
	struct both *b = *state;
	struct slot_view v = {.head = {.session = 99}};

	atomic_store(&b->owner.slot[0].seq, 5);
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), -FERRY_EPROTO);
	assert_int_equal(v.head.session, 99);
	/* A new owner takes the slot over. */
	scoreboard_begin(&b->owner, 0)->head.session = 3;
	scoreboard_end(&b->owner, 0);
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), 0);
	assert_int_equal(v.head.session, 3);
}

static void
test_owner_lies(void **state)
{
	struct both *b = *state;
	struct slot_head *raw = &b->owner.slot[0].head;
	struct slot_view v;

	memset(raw->user, 'u', sizeof(raw->user));
	memset(raw->verb, 'v', sizeof(raw->verb));
	memset(b->owner.path[0].text, 'p', sizeof(b->owner.path[0].text));
	raw->pathed = 0xff;
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), 0);
	assert_int_equal(strlen(v.head.user), sizeof(v.head.user) - 1);
	assert_int_equal(strlen(v.head.verb), sizeof(v.head.verb) - 1);
	assert_int_equal(strlen(v.path.text), sizeof(v.path.text) - 1);
	raw->state = SLOT_SENDING + 1;
	assert_int_equal(scoreboard_read(&b->reader, 0, &v), -FERRY_EPROTO);
}

/* A path that is over is not seen, and no slot sees another's. */
static void
test_paths(void **state)
{
	struct both *b = *state;
	struct slot_view v;

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot_view *w = scoreboard_begin(&b->owner, i);

		w->head.pathed = true;
		memset(w->path.text, 'a' + (int)i, sizeof(w->path.text) - 1);
		scoreboard_end(&b->owner, i);
	}
	scoreboard_begin(&b->owner, 1)->head.pathed = false;
	scoreboard_end(&b->owner, 1);
	for (size_t i = 0; i < SLOTS; i++) {
		assert_int_equal(scoreboard_read(&b->reader, i, &v), 0);
		assert_int_equal(v.path.text[0], i == 1 ? '\0' : 'a' + (int)i);
		assert_int_equal(
		    strlen(v.path.text), i == 1 ? 0 : sizeof(v.path.text) - 1);
	}
}

static void
test_size_is_sealed(void **state)
{
	struct both *b = *state;
	struct scoreboard sb = {.slots = 4711};

	assert_int_equal(ftruncate(b->fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(b->fd, 1 << 20), -1);
	assert_int_equal(errno, EPERM);
	assert_true((fcntl(b->fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(scoreboard_map(b->fd, SLOTS + 1, 0, &sb), -FERRY_ESYS);
	assert_int_equal(scoreboard_map(b->fd, SLOTS - 1, 0, &sb), -FERRY_ESYS);
	assert_int_equal(sb.slots, 4711);
}

static void
test_impossible_sizes(void **state)
{
	assert_int_equal(scoreboard_create(0), -FERRY_ESYS);
	assert_int_equal(scoreboard_create(SIZE_MAX), -FERRY_ESYS);
	assert_int_equal(errno, EINVAL);
}

/* An owner that publishes as fast as it can, fields that belong together; no reader sees
 * a mixture. */
#define CHANGES 20000

static void *
owner_main(void *user)
{
	struct both *b = user;

	for (uint32_t n = 1; n <= CHANGES; n++) {
		struct slot_view *w = scoreboard_begin(&b->owner, 2);

		w->head.session = n;
		w->head.bytes = w->head.bytes_in = w->head.bytes_out = n;
		w->head.pathed = true;
		memset(w->path.text, 'a' + (int)(n % 26), sizeof(w->path.text) - 1);
		scoreboard_end(&b->owner, 2);
	}
	return NULL;
}

static void
test_no_torn_copy(void **state)
{
	struct both *b = *state;
	/* The same mapping, so that a ThreadSanitizer build sees both sides of it. */
	const struct scoreboard reader = {
	    .slots = SLOTS, .slot = b->owner.slot, .path = b->owner.path};
	struct slot_view v = {0};
	pthread_t owner;

	assert_int_equal(pthread_create(&owner, NULL, owner_main, b), 0);
	while (v.head.session < CHANGES) {
		if (scoreboard_read(&reader, 2, &v) < 0)
			continue; /* it changed at every look: the caller tries another
				     time */
		assert_true(v.head.bytes == v.head.session &&
			    v.head.bytes_in == v.head.session &&
			    v.head.bytes_out == v.head.session);
		if (v.head.session != 0)
			assert_true(
			    v.path.text[0] == 'a' + (int)(v.head.session % 26) &&
			    v.path.text[0] == v.path.text[sizeof(v.path.text) - 2]);
	}
	pthread_join(owner, NULL);
}

#define BOTH(test) cmocka_unit_test_setup_teardown(test, both_setup, both_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_new_slots_are_free),
	    BOTH(test_what_is_written_is_read),
	    BOTH(test_draft),
	    BOTH(test_owner_died_while_writing),
	    BOTH(test_owner_lies),
	    BOTH(test_paths),
	    BOTH(test_size_is_sealed),
	    cmocka_unit_test(test_impossible_sizes),
	    BOTH(test_no_torn_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
