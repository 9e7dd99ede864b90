/* The codec between ferryd's processes: every row of messages.def there and back, and
 * every way to lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ferry/ferry.h>
#include <string.h>

#include "msg.h"

struct way {
	enum msg_type type;
	unsigned from, to;
	size_t min_fds, max_fds;
};

#define MESSAGE(NAME, name, from, to, min, max) {MSG_##NAME, from, to, min, max},
static const struct way ways[] = {
#include "messages.def"
};
#undef MESSAGE

static enum role
one_of(unsigned roles)
{
	return (enum role)(roles & -roles);
}

/* A message with the least (or the most) that each field allows. */
#define LOW_NUMBER(field, min, max) m->field = min;
#define LOW_SIGNED(field) m->field = INT64_MIN;
#define LOW_TEXT(field, min, max) m->field = (struct bytes){text, min};
#define HIGH_NUMBER(field, min, max) m->field = max;
#define HIGH_SIGNED(field) m->field = INT64_MAX;
#define HIGH_TEXT(field, min, max) m->field = (struct bytes){text, max};

static uint8_t text[WIRE_MAX];

#define MESSAGE(NAME, name, ...)                                                         \
	static void low_##name(struct msg *whole)                                        \
	{                                                                                \
		struct msg_##name *m = &whole->name;                                     \
		(void)m;                                                                 \
		FIELDS_##name(LOW_NUMBER, LOW_NUMBER, LOW_NUMBER, LOW_NUMBER,            \
		    LOW_SIGNED, LOW_TEXT, LOW_TEXT)                                      \
	}                                                                                \
	static void high_##name(struct msg *whole)                                       \
	{                                                                                \
		struct msg_##name *m = &whole->name;                                     \
		(void)m;                                                                 \
		FIELDS_##name(HIGH_NUMBER, HIGH_NUMBER, HIGH_NUMBER, HIGH_NUMBER,        \
		    HIGH_SIGNED, HIGH_TEXT, HIGH_TEXT)                                   \
	}
#include "messages.def"
#undef MESSAGE

#define MESSAGE(NAME, name, ...) {low_##name, high_##name},
static void (*const fill[][2])(struct msg *) = {
#include "messages.def"
};
#undef MESSAGE

static void
test_every_row_there_and_back(void **state)
{
	uint8_t bytes[WIRE_MAX], again[WIRE_MAX];
	struct msg m, back;
	const char *why;
	size_t n, n2;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		for (int high = 0; high < 2; high++) {
			enum role from = one_of(ways[i].from), to = one_of(ways[i].to);

			m = (struct msg){.type = ways[i].type, .id = 0xfeedf00d};
			fill[i][high](&m);
			assert_int_equal(
			    msg_encode(&m, from, to, ways[i].min_fds, bytes, &n), 0);
			assert_int_equal(
			    msg_decode(bytes, n, from, to, ways[i].min_fds, &back, &why),
			    0);
			assert_int_equal(back.type, m.type);
			assert_int_equal(back.id, m.id);
			assert_int_equal(
			    msg_encode(&back, from, to, ways[i].min_fds, again, &n2), 0);
			assert_int_equal(n, n2);
			assert_memory_equal(bytes, again, n);
		}
	}
}

static void
test_every_cut_and_every_surplus_is_refused(void **state)
{
	uint8_t bytes[WIRE_MAX + 1];
	struct msg m, back;
	const char *why;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		enum role from = one_of(ways[i].from), to = one_of(ways[i].to);
		size_t nfds = ways[i].min_fds;

		m = (struct msg){.type = ways[i].type};
		fill[i][1](&m);
		assert_int_equal(msg_encode(&m, from, to, nfds, bytes, &n), 0);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(
			    msg_decode(bytes, cut, from, to, nfds, &back, &why),
			    -FERRY_EPROTO);
		bytes[n] = 0;
		assert_int_equal(
		    msg_decode(bytes, n + 1, from, to, nfds, &back, &why), -FERRY_EPROTO);
		assert_string_equal(why, "longer than its fields");
	}
}

static void
test_only_the_right_roles_and_descriptors(void **state)
{
	static const enum role roles[] = {
	    ROLE_MASTER, ROLE_WORKER, ROLE_AGENT, ROLE_AUTH};
	uint8_t bytes[WIRE_MAX];
	struct msg m, back;
	const char *why;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		const struct way *w = &ways[i];

		m = (struct msg){.type = w->type};
		fill[i][0](&m);
		assert_int_equal(
		    msg_encode(&m, one_of(w->from), one_of(w->to), w->min_fds, bytes, &n),
		    0);
		for (size_t f = 0; f < ARRAY_LEN(roles); f++) {
			for (size_t t = 0; t < ARRAY_LEN(roles); t++) {
				int right = (w->from & roles[f]) && (w->to & roles[t]);

				assert_int_equal(msg_decode(bytes, n, roles[f], roles[t],
						     w->min_fds, &back, &why),
				    right ? 0 : -FERRY_EPROTO);
			}
		}
		for (size_t fds = 0; fds <= WIRE_MAX_FDS + 1; fds++)
			assert_int_equal(msg_decode(bytes, n, one_of(w->from),
					     one_of(w->to), fds, &back, &why),
			    fds >= w->min_fds && fds <= w->max_fds ? 0 : -FERRY_EPROTO);
	}
}

static void
test_lies(void **state)
{
	struct msg m = {.type = MSG_AUTH_LOGIN};
	uint8_t bytes[WIRE_MAX];
	struct msg back;
	const char *why;
	size_t n;

	m.auth_login = (struct msg_auth_login){
	    .session = 7,
	    .user = bytes_of("anna"),
	    .password = bytes_of("x"),
	    .peer = bytes_of("192.0.2.1"),
	};
	assert_int_equal(msg_encode(&m, ROLE_WORKER, ROLE_AUTH, 0, bytes, &n), 0);
	bytes[0] ^= 1;
	assert_int_equal(
	    msg_decode(bytes, n, ROLE_WORKER, ROLE_AUTH, 0, &back, &why), -FERRY_EPROTO);
	assert_string_equal(why, "another version of the protocol");
	bytes[0] ^= 1;
	bytes[2] = 0xff;
	assert_int_equal(
	    msg_decode(bytes, n, ROLE_WORKER, ROLE_AUTH, 0, &back, &why), -FERRY_EPROTO);
	assert_string_equal(why, "an unknown type");
	bytes[2] = MSG_AUTH_LOGIN;
	bytes[8] = 0; /* session 0 */
	assert_int_equal(
	    msg_decode(bytes, n, ROLE_WORKER, ROLE_AUTH, 0, &back, &why), -FERRY_EPROTO);
	assert_string_equal(why, "a number out of range");
	bytes[8] = 7;
	bytes[15] = 0; /* a NUL in the name */
	assert_int_equal(
	    msg_decode(bytes, n, ROLE_WORKER, ROLE_AUTH, 0, &back, &why), -FERRY_EPROTO);
	assert_string_equal(why, "a text with a NUL");
	bytes[15] = 'n';
	assert_int_equal(msg_decode(bytes, n, ROLE_WORKER, ROLE_AUTH, 0, &back, &why), 0);
	assert_int_equal(back.auth_login.user.n, 4);
	assert_memory_equal(back.auth_login.user.p, "anna", 4);
	bytes[12] = 0xff; /* the name longer than allowed */
	bytes[13] = 0xff;
	assert_int_equal(
	    msg_decode(bytes, n, ROLE_WORKER, ROLE_AUTH, 0, &back, &why), -FERRY_EPROTO);
	assert_string_equal(why, "a text of forbidden length");
}

static void
test_what_could_not_be_decoded_is_not_encoded(void **state)
{
	struct msg m = {.type = MSG_WORKER_GRANT};
	uint8_t bytes[WIRE_MAX];
	size_t n = 99;

	m.worker_grant = (struct msg_worker_grant){
	    .session = 1,
	    .grant = 1,
	    .agent = 1,
	    .user = bytes_of("anna"),
	    .cwd = bytes_of("/"),
	    .umask = 01000,
	};
	assert_int_equal(
	    msg_encode(&m, ROLE_MASTER, ROLE_WORKER, 0, bytes, &n), -FERRY_EINVAL);
	m.worker_grant.umask = 077;
	assert_int_equal(
	    msg_encode(&m, ROLE_WORKER, ROLE_MASTER, 0, bytes, &n), -FERRY_EINVAL);
	assert_int_equal(
	    msg_encode(&m, ROLE_MASTER, ROLE_WORKER, 2, bytes, &n), -FERRY_EINVAL);
	assert_int_equal(n, 99);
	assert_int_equal(msg_encode(&m, ROLE_MASTER, ROLE_WORKER, 1, bytes, &n), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_row_there_and_back),
	    cmocka_unit_test(test_every_cut_and_every_surplus_is_refused),
	    cmocka_unit_test(test_only_the_right_roles_and_descriptors),
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_what_could_not_be_decoded_is_not_encoded),
	};

	memset(text, 'a', sizeof(text));
	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
