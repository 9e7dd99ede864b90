/*
 * What a ferryd tells, read: its own words, and what somebody else might say instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "own.h"
#include "told.h"

/* "198.51.100.7:40211" */
static void
assert_address(const struct sockaddr_storage *a, const char *want)
{
	char text[ADDRESS_TEXT_MAX], both[ADDRESS_TEXT_MAX + 8];

	snprintf(
	    both, sizeof both, "%s:%u", address_text(a, text), (unsigned)address_port(a));
	assert_string_equal(both, want);
}

static void
test_who(void **state)
{
	struct told_who who = told_who(
	    "200 peer=198.51.100.7:40211 local=192.0.2.1:21 tls=TLSv1.3 proxyhdr=no");

	assert_true(who.known);
	assert_false(who.proxied);
	assert_address(&who.peer, "198.51.100.7:40211");
	assert_address(&who.local, "192.0.2.1:21");
	who = told_who("200 more=1 proxyhdr=yes local=[::1]:21 peer=[2001:db8::1]:4");
	assert_true(who.known && who.proxied);
	assert_address(&who.peer, "2001:db8::1:4");
}

static void
test_ports(void **state)
{
	struct told_ports p =
	    told_ports("200 advertise=203.0.113.1 range=61000-61199 srcport=20");

	assert_true(p.known);
	assert_int_equal(p.low, 61000);
	assert_int_equal(p.high, 61199);
	assert_int_equal(p.source, 20);
	p = told_ports("200 range=off srcport=any");
	assert_true(p.known && p.low == 0 && p.source == 0);
}

static void
test_passive_call(void **state)
{
	struct told_call c =
	    told_call("200 mode=EPSV port=61017 listened=20.5s accepted=0 rejected=2 "
		      "from=192.0.2.9:4 why=address");

	assert_int_equal(c.way, TOLD_PASSIVE);
	assert_int_equal(c.port, 61017);
	assert_true(c.listened > 20.4 && c.listened < 20.6);
	assert_int_equal(c.rejected, 2);
	assert_true(c.by_address);
	assert_address(&c.from, "192.0.2.9:4");
	c = told_call("200 mode=PASV port=1 listened=0.0s accepted=1 rejected=0\r\n");
	assert_true(c.way == TOLD_PASSIVE && c.accepted == 1 && !c.by_address);
}

static void
test_active_call(void **state)
{
	static const struct {
		const char *result;
		bool over;
		int error;
	} rows[] = {
	    {"OK", true, 0},
	    {"ETIMEDOUT", true, ETIMEDOUT},
	    {"EACCES", true, EACCES},
	    {"EUNKNOWN", true, TOLD_ERROR_OTHER},
	    {"\033[31m", true, TOLD_ERROR_OTHER},
	    {"none", false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[128];
		struct told_call c;

		snprintf(text, sizeof text,
		    "200 mode=EPRT to=198.51.100.7:50187 result=%s src=192.0.2.1:20",
		    rows[i].result);
		c = told_call(text);
		assert_int_equal(c.way, TOLD_ACTIVE);
		assert_int_equal(c.over, rows[i].over);
		assert_int_equal(c.error, rows[i].error);
		assert_address(&c.source, "192.0.2.1:20");
	}
	assert_string_equal(told_error_name(0), "OK");
	assert_string_equal(told_error_name(ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(told_error_name(TOLD_ERROR_OTHER), "another error");
	assert_int_equal(told_call("200 mode=none").way, TOLD_NONE);
}

static void
test_address(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"200 received=504F5254203139322C302C322C312C352C3637", "192.0.2.1"},
	    {"200 received=706f7274203139322C302C322C312C352C3637", "192.0.2.1"},
	    /* EPRT |1|192.0.2.1|1347| */
	    {"200 received=45505254207c317c3139322e302e322e317c313334377c", "192.0.2.1"},
	    /* EPRT |2|2001:db8::1|1347| */
	    {"200 received=45505254207c327c323030313a6462383a3a317c313334377c",
		"2001:db8::1"},
	    {"200 received=504F5254203139322C302C322C312C352C363", NULL},
	    {"200 received=none", NULL},
	    {"200 received=", NULL},
	    {"200 received=504", NULL},
	    {"200 received=504F525420", NULL},
	    {"200 received=4550525420", NULL},
	    {"200 received=45505254207c", NULL},
	    {"200 received=45505254207c317c", NULL},
	    {"200 received=45505254207c317c00", NULL},
	    {"200 received=5858585820", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct told_address a = told_address(rows[i].text);
		char text[ADDRESS_TEXT_MAX];

		assert_int_equal(a.known, rows[i].want != NULL);
		if (a.known)
			assert_string_equal(address_text(&a.address, text), rows[i].want);
	}
}

static void
test_probe(void **state)
{
	struct told_probe p = told_probe(
	    "200 to=198.51.100.7 port=50187 result=ECONNREFUSED ms=12 src=192.0.2.1:20");

	assert_true(p.known);
	assert_int_equal(p.port, 50187);
	assert_int_equal(p.error, ECONNREFUSED);
	assert_int_equal(p.ms, 12);
	assert_address(&p.source, "192.0.2.1:20");
	/* older ones do not tell where it came from */
	p = told_probe("200 to=198.51.100.7 port=50187 result=OK ms=0");
	assert_true(p.known && p.source.ss_family == AF_UNSPEC);
}

/* What is not as it should be is not known, and nothing of it stays. */
static void
test_odd_answers(void **state)
{
	static const char *const odd[] = {
	    "",
	    "200",
	    "200 ",
	    "\r\n peer=1.2.3.4:5 local=1.2.3.4:5",
	    "200 peer=198.51.100.7 local=192.0.2.1:21",
	    "200 peer=198.51.100.7:70000 local=192.0.2.1:21",
	    "200 peer=198.51.100.7:-1 local=192.0.2.1:21",
	    "200 peer=host:1 local=192.0.2.1:21",
	    "200 peer=[]:1 local=192.0.2.1:21",
	    "200 peer=[::1:1 local=[::1]:1",
	    "200 peer=: local=:",
	    "200 peer local",
	    "200 range=61000 srcport=20",
	    "200 range=0-9",
	    "200 range=9-8",
	    "200 range=1-65536",
	    "200 range=1-2-3",
	    "200 range= 1- 2",
	    "200 mode=EPSV port=61017 listened=s accepted=0 rejected=0",
	    "200 mode=EPSV port=61017 listened=1.0 accepted=0",
	    "200 mode=EPSV port=65536 listened=1.0s accepted=0 rejected=0",
	    "200 mode=EPSV port=1 listened=1.0s accepted=-1 rejected=0",
	    "200 mode=EPSV port=1 listened=1.0s accepted=99999999999 rejected=0",
	    "200 mode=PORT to=1 result=OK",
	    "200 mode=XXXX to=192.0.2.1:1 result=OK",
	    "200 port=1 result=none ms=1",
	    "200 port=1 result=OK ms=-1",
	    "200 port=1 result=OK ms=",
	};

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		assert_false(told_who(odd[i]).known);
		assert_false(told_ports(odd[i]).known);
		assert_int_equal(told_call(odd[i]).way, TOLD_NONE);
		assert_false(told_address(odd[i]).known);
		assert_false(told_probe(odd[i]).known);
	}
}

/* A value has a limit. */
static void
test_long_values(void **state)
{
	char text[2048];

	memset(text, 'A', sizeof text);
	memcpy(text, "200 received=", 13);
	text[sizeof text - 1] = '\0';
	assert_false(told_address(text).known);
	memcpy(text, "200 peer=", 9);
	assert_false(told_who(text).known);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who),
	    cmocka_unit_test(test_ports),
	    cmocka_unit_test(test_passive_call),
	    cmocka_unit_test(test_active_call),
	    cmocka_unit_test(test_address),
	    cmocka_unit_test(test_probe),
	    cmocka_unit_test(test_odd_answers),
	    cmocka_unit_test(test_long_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
