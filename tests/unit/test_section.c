/*
 * Sections of ferryd.conf: names, which options, views and whose they are, checks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "hostname.h"
#include "section.h"

struct told {
	char text[4096];
};

static void
tell(enum conf_severity severity, const char *file, unsigned line, const char *text,
    void *user)
{
	struct told *told = user;
	size_t n = strlen(told->text);

	snprintf(told->text + n, sizeof(told->text) - n, "%s %s:%u %s\n",
	    severity == CONF_ERROR ? "error" : "warning", file != NULL ? file : "-", line,
	    text);
}

static struct bytes
bytes(const char *s)
{
	return (struct bytes){.p = (const uint8_t *)s, .n = strlen(s)};
}

static struct endpoint
address(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_from_text(text, &ep), 0);
	return ep;
}

static void
parse(struct conf *c, const char *text)
{
	struct told told = {0};

	assert_int_equal(conf_init(c), 0);
	if (conf_parse(c, "f", text, strlen(text), tell, &told) < 0)
		fail_msg("%s", told.text);
}

static int
check(const char *text, struct told *told)
{
	struct conf c;

	*told = (struct told){0};
	parse(&c, text);
	int r = conf_check(&c, tell, told);
	conf_free(&c);
	return r;
}

/* ---- names ---- */

static void
host_names(void **state)
{
	char long_label[65] = "", long_name[255] = "";

	memset(long_label, 'a', 64);
	for (size_t i = 0; i < 254; i++)
		long_name[i] = i % 2 == 0 ? 'a' : '.';
	assert_true(hostname_is_valid(bytes("a")));
	assert_true(hostname_is_valid(bytes("ftp.example.com.")));
	assert_true(hostname_is_valid(bytes(long_label + 1)));
	assert_false(hostname_is_valid(bytes(long_label)));
	assert_true(hostname_is_valid(bytes(long_name))); /* 253 and the dot */
	long_name[253] = 'a';
	assert_false(hostname_is_valid(bytes(long_name)));
	assert_false(hostname_is_valid(bytes("")));
	assert_false(hostname_is_valid(bytes(".")));
	assert_false(hostname_is_valid(bytes("a..b")));
	assert_false(hostname_is_valid(bytes("-a.b")));
	assert_false(hostname_is_valid(bytes("a-.b")));
	assert_false(
	    hostname_is_valid((struct bytes){.p = (const uint8_t *)"a\0b", .n = 3}));
	assert_true(hostname_same(bytes("FTP.example."), bytes("ftp.EXAMPLE")));
	assert_false(hostname_same(bytes("ftp.example"), bytes("ftp.example.com")));
	assert_false(hostname_same(bytes("ftp.example"), bytes("ftp.exampl")));
}

static void
networks(void **state)
{
	static const struct {
		const char *text, *inside, *outside;
	} cases[] = {
	    {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
	    {"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
	    {"192.0.2.4/31", "192.0.2.5", "192.0.2.6"},
	    {"192.0.2.4", "192.0.2.4", "192.0.2.5"},
	    {"0.0.0.0/0", "203.0.113.9", "::1"},
	    {"::/0", "2001:db8::1", "203.0.113.9"},
	    {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
	    {"2001:db8::7", "2001:db8::7", "2001:db8::8"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct endpoint in = address(cases[i].inside),
				out = address(cases[i].outside);
		struct network n;
		bool exact;

		assert_int_equal(network_parse(cases[i].text, &n, &exact), 0);
		assert_true(exact);
		if (!network_contains(&n, &in) || network_contains(&n, &out))
			fail_msg("%s", cases[i].text);
	}
}

static void
bits_behind_the_prefix_are_told(void **state)
{
	char text[ENDPOINT_TEXT_MAX];
	struct network n;
	bool exact;

	assert_int_equal(network_parse("192.0.2.77/28", &n, &exact), 0);
	assert_false(exact);
	network_format(&n, text);
	assert_string_equal(text, "192.0.2.64/28");
	assert_int_equal(network_parse("192.0.2.0/33", &n, &exact), -FERRY_EINVAL);
	assert_int_equal(network_parse("192.0.2.0/-1", &n, &exact), -FERRY_EINVAL);
	assert_int_equal(network_parse("2001:db8::/129", &n, &exact), -FERRY_EINVAL);
	assert_int_equal(network_parse("/8", &n, &exact), -FERRY_EINVAL);
	assert_int_equal(network_parse("fe80::1%3/64", &n, &exact), -FERRY_EINVAL);
}

/* ---- the table ---- */

static void
what_is_not_honoured_stands_in_no_section(void **state)
{
	for (size_t i = 0; i < option_count; i++) {
		if ((option_table[i].status & HONOURED) == 0)
			assert_int_equal(option_table[i].status, KNOWN);
	}
	/* What makes the sockets, the processes and the agents' world is one for all. */
	static const char *const whole[] = {"listen", "listen_port", "max_clients",
	    "nopriv_user", "ssl_enable", "implicit_ssl", "keep_partial", "file_open_mode",
	    "hide_ids", "message_file"};
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		assert_int_equal(option_find(whole[i])->status & IN_SECTIONS, 0);
}

/* ---- whose options count ---- */

#define FILE_TEXT                                                                        \
	"anon_root=/srv/"                                                                \
	"head\nwrite_enable=NO\nidle_session_timeout=100\nftpd_banner=head\n"            \
	"[host a.example]\nanon_root=/srv/a\nidle_session_timeout=200\n"                 \
	"[host b.example]\nanon_root=/srv/b\nftpd_banner=\n"                             \
	"[network 10.0.0.0/8]\nwrite_enable=YES\n"                                       \
	"[network 10.1.0.0/16]\nidle_session_timeout=300\n"                              \
	"[network 2001:db8::/32]\npasv_enable=NO\n"

static void
views(void **state)
{
	struct conf c;

	parse(&c, FILE_TEXT);
	assert_int_equal(section_count(&c, SECTION_HOST), 2);
	assert_int_equal(section_count(&c, SECTION_NETWORK), 3);
	assert_ptr_equal(section_view(&c, 0, 0), &c);

	const struct conf *a = section_view(&c, 1, 0);
	assert_string_equal(a->anon_root, "/srv/a");
	assert_int_equal(a->idle_session_timeout, 200);
	assert_string_equal(a->ftpd_banner, "head");
	assert_false(a->write_enable);
	assert_null(a->sections);
	const struct conf *b = section_view(&c, 2, 1);
	assert_string_equal(b->anon_root, "/srv/b");
	assert_null(b->ftpd_banner);
	assert_true(b->write_enable);
	/* the network's word is the last one */
	assert_int_equal(section_view(&c, 1, 2)->idle_session_timeout, 300);
	assert_false(section_view(&c, 1, 2)->write_enable);
	assert_int_equal(section_view(&c, 0, 2)->idle_session_timeout, 300);
	/* each is made once */
	assert_ptr_equal(section_view(&c, 1, 0), a);
	assert_ptr_equal(section_view(&c, 2, 1), b);
	assert_null(section_view(&c, 3, 0));
	assert_null(section_view(&c, 0, 4));
	conf_free(&c);
}

static void
who_belongs_where(void **state)
{
	static const struct {
		const char *address;
		size_t network;
	} cases[] = {{"10.2.0.1", 1}, {"10.1.0.1", 2}, {"11.0.0.1", 0},
	    {"2001:db8::1", 3}, {"::1", 0}};
	struct conf c;

	parse(&c, FILE_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct endpoint ep = address(cases[i].address);

		assert_int_equal(section_find_network(&c, &ep), cases[i].network);
	}
	assert_int_equal(section_find_host(&c, bytes("A.EXAMPLE.")), 1);
	assert_int_equal(section_find_host(&c, bytes("b.example")), 2);
	assert_int_equal(section_find_host(&c, bytes("c.example")), 0);
	assert_int_equal(section_find_host(&c, bytes("a.example.com")), 0);
	assert_int_equal(section_find_host(&c, bytes("")), 0);
	conf_free(&c);
}

/* The smaller network counts whichever stands first. */
static void
order_of_networks_does_not_count(void **state)
{
	struct endpoint ep = address("10.1.0.1");
	struct conf c;

	parse(&c, "[network 10.1.0.0/16]\n[network 10.0.0.0/8]\n[network 0.0.0.0/0]\n");
	assert_int_equal(section_find_network(&c, &ep), 1);
	conf_free(&c);
}

static void
a_copy_has_its_own(void **state)
{
	struct conf c, copy;

	parse(&c, FILE_TEXT);
	assert_non_null(section_view(&c, 1, 1));
	assert_int_equal(conf_copy(&c, &copy), 0);
	conf_free(&c);
	assert_int_equal(section_count(&copy, SECTION_NETWORK), 3);
	assert_string_equal(section_view(&copy, 1, 0)->anon_root, "/srv/a");
	assert_true(section_view(&copy, 1, 1)->write_enable);
	assert_string_equal(section_get(&copy, SECTION_HOST, 2)->name, "b.example");
	assert_int_equal(section_get(&copy, SECTION_HOST, 2)->line, 8);
	conf_free(&copy);
}

static void
a_new_text_reaches_all_views(void **state)
{
	struct conf c;

	parse(&c, "pasv_address=192.0.2.1\n[host a]\n[network "
		  "10.0.0.0/8]\npasv_address=10.0.0.1\n");
	const struct conf *head = section_view(&c, 0, 0), *host = section_view(&c, 1, 0),
			  *both = section_view(&c, 1, 1);
	assert_int_equal(section_put(&c, NULL, "pasv_address", "192.0.2.2"), 0);
	assert_int_equal(section_put(&c, section_get(&c, SECTION_NETWORK, 1),
			     "pasv_address", "10.0.0.2"),
	    0);
	section_refresh(&c);
	assert_string_equal(head->pasv_address, "192.0.2.2");
	assert_string_equal(host->pasv_address, "192.0.2.2");
	assert_string_equal(both->pasv_address, "10.0.0.2");
	conf_free(&c);
}

static void
certificates_come_as_one_set(void **state)
{
	struct conf c;

	parse(&c, "rsa_cert_file=/r\nrsa_private_key_file=/rk\nec_cert_file=/"
		  "e\nec_ocsp_file=/o\n"
		  "banner_file=/b\n"
		  "[host a]\nrsa_cert_file=/a\n[host b]\nec_private_key_file=/k\n"
		  "[host c]\nftpd_banner=Hello\n");
	const struct conf *a = section_view(&c, 1, 0), *b = section_view(&c, 2, 0);
	assert_string_equal(a->rsa_cert_file, "/a");
	assert_null(a->rsa_private_key_file);
	assert_null(a->ec_cert_file);
	assert_null(a->ec_ocsp_file);
	/* a key alone belongs to the head's certificate */
	assert_string_equal(b->rsa_cert_file, "/r");
	assert_string_equal(b->ec_private_key_file, "/k");
	assert_string_equal(a->banner_file, "/b");
	assert_null(section_view(&c, 3, 0)->banner_file);
	conf_free(&c);
}

static void
there_are_so_many_and_no_more(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	struct told told = {0};
	struct conf c;

	for (unsigned i = 0; i <= SECTION_NETWORKS_MAX; i++)
		fprintf(f, "[network 10.0.%u.0/24]\n", i);
	fclose(f);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_parse(&c, "f", text, n, tell, &told), -FERRY_EINVAL);
	assert_non_null(strstr(told.text, "error f:65 there are more than 64 [network]"));
	assert_int_equal(section_count(&c, SECTION_NETWORK), SECTION_NETWORKS_MAX);
	conf_free(&c);
	free(text);
}

/* ---- a broken head ---- */

static void
options_below_a_broken_head_count_for_nobody(void **state)
{
	static const char text[] =
	    "[host a b]\nwrite_enable=YES\n[host c]\nport_enable=NO\n";
	struct told told = {0};
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(
	    conf_parse(&c, "f", text, strlen(text), tell, &told), -FERRY_EINVAL);
	assert_false(c.write_enable);
	assert_true(c.port_enable);
	assert_int_equal(section_count(&c, SECTION_HOST), 1);
	conf_free(&c);
}

/* The next file begins before any section. */
static void
files_do_not_go_on_in_a_section(void **state)
{
	static const char more[] = "write_enable=YES\n";
	struct conf c;

	parse(&c, "[host a]\nport_enable=NO\n");
	assert_int_equal(conf_parse(&c, "g", more, strlen(more), NULL, NULL), 0);
	assert_true(c.write_enable);
	conf_free(&c);
}

/* ---- checks ---- */

static void
each_result_is_checked(void **state)
{
	struct told told;

	assert_int_equal(check("[host a.example]\n[network 10.0.0.0/8]\n", &told), 0);
	assert_string_equal(told.text, "");
	assert_int_equal(
	    check("\n[host a.example]\nanonymous_enable=NO\n", &told), -FERRY_EINVAL);
	assert_non_null(
	    strstr(told.text, "error f:2 [host a.example]: nobody can log in"));
	/* which a network may well want */
	assert_int_equal(check("[network 10.0.0.0/8]\nanonymous_enable=NO\n", &told), 0);
	assert_int_equal(
	    check("[network 10.0.0.0/8]\npasv_address=router.example\n", &told),
	    -FERRY_EINVAL);
	assert_non_null(
	    strstr(told.text, "error f:1 [network 10.0.0.0/8]: pasv_address=router"));
	assert_int_equal(check("[network 10.0.0.0/8]\npasv_address=router.example\n"
			       "pasv_addr_resolve=YES\n",
			     &told),
	    0);
	assert_int_equal(check("[host a]\nftp_username=root\n", &told), -FERRY_EINVAL);
	assert_non_null(strstr(told.text, "[host a]: ftp_username=root"));
	assert_int_equal(check("[host a]\nanon_root=relative\n", &told), -FERRY_EINVAL);
	assert_int_equal(
	    check(
		"ssl_enable=YES\nrsa_cert_file=/c\n[host a]\nvalidate_cert=YES\n", &told),
	    -FERRY_EINVAL);
	assert_non_null(
	    strstr(told.text, "[host a]: validate_cert=YES needs ca_certs_file"));
	assert_int_equal(
	    check("[host a]\nanon_upload_enable=YES\n[host b]\nanon_upload_enable=YES\n"
		  "write_enable=YES\n",
		&told),
	    0);
	assert_non_null(
	    strstr(told.text, "warning f:1 [host a]: anon_upload_enable has no effect"));
	assert_null(strstr(told.text, "[host b]"));
}

static void
what_the_head_was_told_is_not_told_again(void **state)
{
	struct told told;

	assert_int_equal(check("port_promiscuous=YES\n[host a]\n[host b]\n", &told), 0);
	const char *first = strstr(told.text, "port_promiscuous=YES: clients can");
	assert_non_null(first);
	assert_null(strstr(first + 1, "port_promiscuous=YES: clients can"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(host_names),
	    cmocka_unit_test(networks),
	    cmocka_unit_test(bits_behind_the_prefix_are_told),
	    cmocka_unit_test(what_is_not_honoured_stands_in_no_section),
	    cmocka_unit_test(views),
	    cmocka_unit_test(who_belongs_where),
	    cmocka_unit_test(order_of_networks_does_not_count),
	    cmocka_unit_test(a_copy_has_its_own),
	    cmocka_unit_test(a_new_text_reaches_all_views),
	    cmocka_unit_test(certificates_come_as_one_set),
	    cmocka_unit_test(there_are_so_many_and_no_more),
	    cmocka_unit_test(options_below_a_broken_head_count_for_nobody),
	    cmocka_unit_test(files_do_not_go_on_in_a_section),
	    cmocka_unit_test(each_result_is_checked),
	    cmocka_unit_test(what_the_head_was_told_is_not_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
