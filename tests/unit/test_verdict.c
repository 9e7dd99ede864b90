/*
 * The verdicts, row by row: what was seen of the attempts, and which codes follow. "!" is
 * certain, "?" likely.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "own.h"
#include "verdict.h"

#include <arpa/inet.h>

#define OUTER "198.51.100.2"  /* the client's address */
#define INNER "192.168.11.2"  /* the same, behind a NAT */
#define SERVER "203.0.113.10" /* the server's */

struct row {
	const char *name;
	const char *own;
	const char *sent; /* announced in 227, or NULL */
	struct attempt a;
	const char *want;
};

#define DIAL(mode_, errno_)                                                              \
	{                                                                                \
		.mode = FERRY_MODE_##mode_, .dial_failed = true, .sys_errno = (errno_)   \
	}
#define CALL(mode_, code_, words_, after_)                                               \
	{                                                                                \
		.mode = FERRY_MODE_##mode_, .agreed = true, .answer = (code_),           \
		.words = words_, .answered_after = (after_)                              \
	}
#define OPEN(...)                                                                        \
	{                                                                                \
		.mode = FERRY_MODE_EPSV, .open = true, __VA_ARGS__                       \
	}

/* clang-format off */
static const struct row rows[] = {
    {"silence", OUTER, NULL, DIAL(EPSV, ETIMEDOUT), "P11?"},
    {"refused", OUTER, NULL, DIAL(EPSV, ECONNREFUSED), "P12?"},
    {"no route, but the command connection has one", OUTER, NULL, DIAL(EPSV, EHOSTUNREACH), "P13!"},
    {"network unreachable", OUTER, NULL, DIAL(EPSV, ENETUNREACH), "P13!"},
    {"prohibited, over IPv6", OUTER, NULL, DIAL(EPSV, EACCES), "P13!"},
    {"protocol unreachable", OUTER, NULL, DIAL(EPSV, ENOPROTOOPT), "P13!"},
    {"private address and silence", OUTER, "192.168.22.2", DIAL(PASV, ETIMEDOUT), "P01! P11?"},
    {"a container's address and refused", OUTER, "172.18.0.2", DIAL(PASV, ECONNREFUSED), "P01! P12?"},
    {"another public address", OUTER, "192.0.2.77", DIAL(PASV, ETIMEDOUT), "P02! P11?"},
    {"no address", OUTER, "0.0.0.0", DIAL(PASV, ETIMEDOUT), "P03! P11?"},
    {"loopback", OUTER, "127.0.0.1", DIAL(PASV, ETIMEDOUT), "P04! P11?"},
    {"the right address", OUTER, SERVER, DIAL(PASV, ETIMEDOUT), "P11?"},
    {"PORT refused, from behind a NAT", INNER, NULL, {.mode = FERRY_MODE_PORT, .refused = 500}, "A01?"},
    {"PORT refused, from outside", OUTER, NULL, {.mode = FERRY_MODE_PORT, .refused = 500}, ""},
    {"a slow 425", OUTER, NULL, CALL(PORT, 425, "425 Failed to establish connection.", 30), "A02?"},
    {"no 425 at all", OUTER, NULL, CALL(EPRT, 0, "", 0), "A02?"},
    {"425 with the cause, at once", OUTER, NULL, CALL(PORT, 425, "425 ...: connection timed out.", 1), "A02?"},
    {"a quick 425", OUTER, NULL, CALL(PORT, 425, "425 Failed to establish connection.", 0.1), "A03?"},
    {"a slow 425 that says refused", OUTER, NULL, CALL(PORT, 425, "425 Connection refused", 9), "A03?"},
    {"the wrong caller, vsftpd", INNER, NULL, OPEN(.answer = 425, .words = "425 Security: Bad IP connecting."), "H11!"},
    {"the wrong caller, ferryd", INNER, NULL,
     OPEN(.answer = 425, .words = "425 Nobody came; I refused calls from other addresses (1)."), "H11!"},
    {"the wrong caller, others", INNER, NULL,
     OPEN(.answer = 425, .words = "425 Rejected data connection from foreign address 192.0.2.3:46194."), "H11!"},
    {"the wrong caller, although we are outside", OUTER, NULL, OPEN(.answer = 425, .words = "425 Security: Bad IP connecting."), "H03?"},
    {"the wrong caller, a container's gateway", INNER, NULL,
     OPEN(.answer = 425, .words = "425 Rejected data connection from foreign address 172.17.0.1:46194."), "H03!"},
    {"425 for another reason", OUTER, NULL, OPEN(.answer = 425, .words = "425 No."), ""},
    {"all bytes, no 226", OUTER, NULL, OPEN(.done = true, .bytes = 9, .result = -FERRY_ETIMEOUT), "L01?"},
    {"all bytes, and hung up", OUTER, NULL, OPEN(.done = true, .bytes = 9, .result = -FERRY_ECLOSED), "L01?"},
    {"not one byte", OUTER, NULL, OPEN(.result = -FERRY_ESTALLED), "L03?"},
    {"some bytes, then none", OUTER, NULL, OPEN(.bytes = 9, .result = -FERRY_ESTALLED), ""},
    {"all went well", OUTER, NULL, OPEN(.done = true, .bytes = 9), ""},
};
/* clang-format on */

static void
address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)ret;

	sin->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, text, &sin->sin_addr), 1);
}

/* "P01! P11?" */
static void
codes(const struct verdict *v, char *out, size_t cap)
{
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; i < VERDICT_CODES; i++)
		if (v->found[i] != VERDICT_NO)
			n +=
			    (size_t)snprintf(out + n, cap - n, "%s%s%c", n > 0 ? " " : "",
				verdict_name((enum verdict_code)i),
				v->found[i] == VERDICT_CERTAIN ? '!' : '?');
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct attempt a = rows[i].a;
		struct verdict v;
		char got[128];

		address(rows[i].own, &a.own);
		address(SERVER, &a.peer);
		address(SERVER, &a.used);
		if (rows[i].sent != NULL)
			address(rows[i].sent, &a.sent);
		verdict_judge(&a, 1, &v);
		codes(&v, got, sizeof got);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].name, got, rows[i].want);
		assert_int_equal(verdict_has_cause(&v), *rows[i].want != '\0');
	}
}

/* An announced address that ferry does not use is no cause by itself. */
static void
test_an_oddity_is_no_cause(void **state)
{
	struct attempt a = {.mode = FERRY_MODE_PASV, .open = true};
	struct verdict v;

	address(OUTER, &a.own);
	address(SERVER, &a.peer);
	address("192.168.22.2", &a.sent);
	verdict_judge(&a, 1, &v);
	assert_int_equal(v.found[VERDICT_P01], VERDICT_CERTAIN);
	assert_false(verdict_has_cause(&v));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_an_oddity_is_no_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
