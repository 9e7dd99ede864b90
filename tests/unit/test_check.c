/*
 * ferryd check: every row of its table, from facts that no machine needs to have; and
 * what a packet filter's rules let in, from the text that nft prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "callers.h"
#include "judge.h"
#include "util.h"

/* ---- facts to findings ---- */

/* Facts of a machine where all is well. */
#define WELL                                                                             \
	.listens = {true, false}, .control = {21}, .controls = 1, .smallest_mtu = 1500,  \
	.ephemeral_low = 32768, .ephemeral_high = 60999, .reserved = NO,                 \
	.manager = MANAGER_NFTABLES, .chain = "inet filter input",                       \
	.control_passage = {PASSAGE_OPEN, PASSAGE_OPEN},                                 \
	.passive_passage = {PASSAGE_OPEN, PASSAGE_OPEN}

#define PUBLIC "11.0.0.2"
#define PRIVATE "192.168.1.2"

struct row {
	const char *name;
	const char *options;    /* "name=value name=value"; "~" is a blank */
	const char *own;        /* the machine's addresses, with blanks between */
	const char *advertised; /* what pasv_address is or resolves to */
	struct facts f;
	const char *want; /* what is not ok: "!" error, "~" warning, "?" cannot be told */
	const char *advice; /* part of some advice, or NULL */
};

/* clang-format off */
/* Each row says where its machine differs from WELL. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct row rows[] = {
    {"all is well", "", PUBLIC, NULL, {WELL}, "", NULL},

    /* the advertised address */
    {"no IPv4 address", "pasv_address=2001:db8::1", PUBLIC, NULL, {WELL}, "!P08 ", "pasv_address="},
    {"a name that resolves to nothing", "pasv_address=nowhere.example pasv_addr_resolve=YES", PUBLIC, NULL,
     {WELL, .advertised_by_name = true}, "!P08 ", NULL},
    {"loopback", "pasv_address=127.0.0.1", PUBLIC, "127.0.0.1", {WELL}, "!P04 ", NULL},
    {"no address", "pasv_address=0.0.0.0", PUBLIC, "0.0.0.0", {WELL}, "!P03 ", NULL},
    {"somebody's private one", "pasv_address=10.9.9.9", PUBLIC, "10.9.9.9", {WELL}, "!P01 ", NULL},
    {"carrier-grade NAT", "pasv_address=100.64.1.1", PUBLIC, "100.64.1.1", {WELL}, "!P01 ", NULL},
    {"its own private one", "pasv_address=" PRIVATE, PRIVATE, PRIVATE, {WELL}, "~P01 ", NULL},
    {"from the documentation", "pasv_address=203.0.113.1", PUBLIC, "203.0.113.1", {WELL}, "!P02 ", NULL},
    {"its own", "pasv_address=" PUBLIC, PUBLIC, PUBLIC, {WELL}, "", NULL},
    {"a router's, in front of a public machine", "pasv_address=11.0.0.9", PUBLIC, "11.0.0.9", {WELL}, "", NULL},
    {"... and a call from here comes back", "pasv_address=11.0.0.9", PUBLIC, "11.0.0.9", {WELL, .outside = REACH_YES},
     "?P02 ", "ferry doctor"},
    {"... is refused", "pasv_address=11.0.0.9", PUBLIC, "11.0.0.9", {WELL, .outside = REACH_REFUSED}, "?P07 ", NULL},
    {"... gets lost", "pasv_address=11.0.0.9", PUBLIC, "11.0.0.9", {WELL, .outside = REACH_SILENT}, "?P07 ", NULL},
    {"its own, and it is reached", "pasv_address=" PUBLIC, PUBLIC, PUBLIC, {WELL, .outside = REACH_YES}, "", NULL},
    {"a router's, in front of a private machine", "pasv_address=11.0.0.9", PRIVATE, "11.0.0.9", {WELL},
     "?P07 ", "[network 192.168.1.0/24]\npasv_address="},
    {"... which its own network is not told", "pasv_address=11.0.0.9 [network~192.168.0.0/16] pasv_address=", PRIVATE,
     "11.0.0.9", {WELL}, "", NULL},
    {"... which another network is not told", "pasv_address=11.0.0.9 [network~10.0.0.0/8] pasv_address=", PRIVATE,
     "11.0.0.9", {WELL}, "?P07 ", NULL},
    {"... and the inner network another outer one", "pasv_address=11.0.0.9 [network~192.168.0.0/16] "
     "pasv_address=11.0.0.8", PRIVATE, "11.0.0.9", {WELL}, "?P07 ", NULL},
    {"a router's, and the kernel's helper", "pasv_address=11.0.0.9", PUBLIC, "11.0.0.9",
     {WELL, .ftp_helper = true}, "~P20 ", "leave the helper out"},
    {"a name that is private here", "pasv_address=ftp.example pasv_addr_resolve=YES", PRIVATE, PRIVATE,
     {WELL, .advertised_by_name = true}, "!P06 ", "pasv_addr_resolve=NO"},
    {"a name", "pasv_address=ftp.example pasv_addr_resolve=YES", PUBLIC, PUBLIC,
     {WELL, .advertised_by_name = true}, "", NULL},
    {"a name, looked up once", "pasv_address=ftp.example pasv_addr_resolve=YES pasv_addr_refresh=0", PUBLIC, PUBLIC,
     {WELL, .advertised_by_name = true}, "~P02 ", "pasv_addr_refresh=60"},
    {"a name of several", "pasv_address=ftp.example pasv_addr_resolve=YES", PUBLIC, "11.0.0.2 11.0.0.3",
     {WELL, .advertised_by_name = true}, "~P02 H08 ", NULL},
    {"none, on a private machine", "", PRIVATE, NULL, {WELL}, "~P01 ", "pasv_address="},
    {"none, with a public address too", "", PRIVATE " " PUBLIC, NULL, {WELL}, "", NULL},
    {"none, over IPv6 only", "", PRIVATE, NULL, {WELL, .listens = {false, true}}, "", NULL},

    {"a host with loopback", "[host~a.example] pasv_address=127.0.0.1", PUBLIC, NULL, {WELL}, "~P04 ", NULL},
    {"a host with a private one", "[host~a.example] pasv_address=10.9.9.9", PUBLIC, NULL, {WELL}, "~P01 ", NULL},
    {"a host with a public one", "[host~a.example] pasv_address=11.0.0.8", PUBLIC, NULL, {WELL}, "", NULL},

    /* the passive range */
    {"passive mode off", "pasv_enable=NO", PUBLIC, NULL, {WELL}, "~P11 ", "pasv_enable=YES"},
    {"one port taken", "", PUBLIC, NULL, {WELL, .busy = 1, .first_busy = 61007, .busy_error = EADDRINUSE},
     "~P15 ", "ss -tlnp"},
    {"all ports taken", "", PUBLIC, NULL, {WELL, .busy = 200, .first_busy = 61000, .busy_error = EADDRINUSE},
     "!P15 ", NULL},
    {"its own pending ports", "", PUBLIC, NULL,
     {WELL, .busy = 3, .first_busy = 61007, .busy_error = EADDRINUSE, .control_busy = YES}, "", NULL},
    {"the one port, while it runs", "pasv_min_port=61000 pasv_max_port=61000", PUBLIC, NULL,
     {WELL, .busy = 1, .first_busy = 61000, .busy_error = EADDRINUSE, .control_busy = YES}, "", NULL},
    {"no right to them, while something runs", "pasv_min_port=200 pasv_max_port=299", PUBLIC, NULL,
     {WELL, .busy = 100, .first_busy = 200, .busy_error = EACCES, .control_busy = YES}, "!P15 ", NULL},
    {"ports that are root's", "", PUBLIC, NULL, {WELL, .unprivileged_from = 61001}, "!S01 ",
     "ip_unprivileged_port_start=1024"},
    {"... below the range", "", PUBLIC, NULL, {WELL, .unprivileged_from = 61000}, "", NULL},
    {"... and one port, which is the master's", "pasv_min_port=61000 pasv_max_port=61000", PUBLIC, NULL,
     {WELL, .unprivileged_from = 65535}, "", NULL},
    {"among outgoing ports", "pasv_min_port=50000 pasv_max_port=50100", PUBLIC, NULL, {WELL}, "~P17 ",
     "ip_local_reserved_ports=50000-50100"},
    {"touching them", "pasv_min_port=60999 pasv_max_port=61100", PUBLIC, NULL, {WELL}, "~P17 ", NULL},
    {"among them, but reserved", "pasv_min_port=50000 pasv_max_port=50100", PUBLIC, NULL,
     {WELL, .reserved = YES}, "", NULL},
    {"outgoing ports unknown", "", PUBLIC, NULL, {WELL, .ephemeral_low = 1, .ephemeral_high = 0}, "?P17 ", NULL},
    {"NodePorts", "pasv_min_port=30000 pasv_max_port=30100", PUBLIC, NULL, {WELL}, "~H05 ", NULL},
    {"fewer ports than sessions", "max_clients=300", PUBLIC, NULL, {WELL}, "!P14 P15 P16 ",
     "pasv_max_port=61599"},
    {"as many", "max_clients=200", PUBLIC, NULL, {WELL}, "~P16 ", NULL},
    {"twice as many", "max_clients=100", PUBLIC, NULL, {WELL}, "", NULL},
    {"more than there are ports for", "max_clients=5000", PUBLIC, NULL, {WELL}, "!P14 P15 P16 ",
     "pasv_max_port=65535"},
    {"one port for 300 sessions", "max_clients=300 pasv_min_port=61000 pasv_max_port=61000", PUBLIC, NULL,
     {WELL}, "", NULL},

    /* active mode */
    {"port 20 without the right", "connect_from_port_20=YES", PUBLIC, NULL, {WELL, .data_port_error = EACCES},
     "!A06 ", "CAP_NET_BIND_SERVICE"},
    {"port 20 in use", "connect_from_port_20=YES", PUBLIC, NULL, {WELL, .data_port_error = EADDRINUSE}, "", NULL},
    {"no right, and not wanted", "port_enable=NO connect_from_port_20=YES", PUBLIC, NULL,
     {WELL, .data_port_error = EACCES}, "", NULL},

    /* the packet filter */
    {"range shut", "", PUBLIC, NULL, {WELL, .passive_passage = {PASSAGE_CLOSED}}, "!P11 ",
     "nft insert rule inet filter input tcp dport 61000-61199 ct state new accept"},
    {"range shut, iptables", "", PUBLIC, NULL,
     {WELL, .manager = MANAGER_IPTABLES, .passive_passage = {PASSAGE_CLOSED}}, "!P11 ",
     "iptables -I INPUT -p tcp --dport 61000:61199"},
    {"range shut, ufw", "", PUBLIC, NULL, {WELL, .manager = MANAGER_UFW, .passive_passage = {PASSAGE_CLOSED}},
     "!P11 ", "ufw allow 61000:61199/tcp"},
    {"range shut, firewalld", "", PUBLIC, NULL,
     {WELL, .manager = MANAGER_FIREWALLD, .passive_passage = {PASSAGE_CLOSED}}, "!P11 ",
     "firewall-cmd --permanent --add-port=61000-61199/tcp"},
    {"the one port shut, ufw", "pasv_min_port=61000 pasv_max_port=61000", PUBLIC, NULL,
     {WELL, .manager = MANAGER_UFW, .passive_passage = {PASSAGE_CLOSED}}, "!P11 ", "ufw allow 61000/tcp"},
    {"range shut over IPv6", "", PUBLIC, NULL,
     {WELL, .listens = {true, true}, .passive_passage = {PASSAGE_OPEN, PASSAGE_CLOSED}}, "!P11 V03 ", NULL},
    {"range shut over a family that it does not listen on", "", PUBLIC, NULL,
     {WELL, .passive_passage = {PASSAGE_OPEN, PASSAGE_CLOSED}}, "", NULL},
    {"a part of it", "", PUBLIC, NULL,
     {WELL, .passive_passage = {PASSAGE_PARTLY}, .shut_port = {61100}}, "!P11 P14 ", NULL},
    {"range depends", "", PUBLIC, NULL, {WELL, .passive_passage = {PASSAGE_DEPENDS}}, "?P11 ", NULL},
    {"helper only, in clear", "", PUBLIC, NULL,
     {WELL, .ftp_helper = true, .passive_passage = {PASSAGE_CLOSED}}, "~P18 P19 ", NULL},
    {"helper only, and TLS", "ssl_enable=YES", PUBLIC, NULL,
     {WELL, .ftp_helper = true, .passive_passage = {PASSAGE_CLOSED}}, "!T01 ", "tcp dport 61000-61199"},
    {"control port shut", "", PUBLIC, NULL, {WELL, .control_passage = {PASSAGE_CLOSED}}, "!P11 ",
     "tcp dport 21 ct state new accept"},
    {"control port depends", "", PUBLIC, NULL, {WELL, .control_passage = {PASSAGE_DEPENDS}}, "?P11 ", NULL},
    {"not root", "", PUBLIC, NULL, {WELL, .unread = UNREAD_NOT_ROOT, .manager = MANAGER_NONE}, "?P11 ",
     "ufw allow 61000:61199/tcp"},
    {"no nft", "", PUBLIC, NULL, {WELL, .unread = UNREAD_NO_NFT}, "?P11 ", NULL},
    {"nft fails", "", PUBLIC, NULL, {WELL, .unread = UNREAD_FAILED}, "?P11 ", NULL},
    {"iptables-legacy", "", PUBLIC, NULL, {WELL, .unread = UNREAD_LEGACY, .manager = MANAGER_IPTABLES},
     "?P11 ", "iptables -I INPUT"},

    /* proxies */
    {"a proxy", "proxy_protocol_from=10.0.0.1 port_enable=NO", PUBLIC, NULL, {WELL}, "?H09 ", "bind :61000-61199"},
    {"a proxy, and active mode", "proxy_protocol_from=10.0.0.1", PUBLIC, NULL, {WELL}, "?H09 ~A14 ", "port_enable=NO"},
    {"a proxy, and no passive mode", "proxy_protocol_from=10.0.0.1 port_enable=NO pasv_enable=NO", PUBLIC, NULL, {WELL},
     "~P11 ", NULL},
    {"trust in everybody", "proxy_protocol_from=0.0.0.0/0 port_enable=NO", PUBLIC, NULL, {WELL}, "!H09 ?H09 ", NULL},
    {"... and in two halves", "proxy_protocol_from=0.0.0.0/1,128.0.0.0/1 port_enable=NO", PUBLIC, NULL, {WELL},
     "!H09 !H09 ?H09 ", NULL},
    {"... over IPv6", "proxy_protocol_from=2000::/3 port_enable=NO", PUBLIC, NULL, {WELL}, "!H09 ?H09 ", NULL},
    {"trust in strangers", "proxy_protocol_from=10.0.0.0/8,11.0.0.0/16 port_enable=NO", PUBLIC, NULL, {WELL},
     "~H09 ?H09 ", NULL},
    {"... over IPv6", "proxy_protocol_from=2a00:1::/32,2a00:2::/48,fd00::/16 port_enable=NO", PUBLIC, NULL, {WELL},
     "~H09 ?H09 ", NULL},

    /* what else */
    {"SELinux", "", PUBLIC, NULL, {WELL, .selinux = YES}, "~S01 ", "setsebool"},
    {"AppArmor", "", PUBLIC, NULL, {WELL, .apparmor = "ferryd (enforce)"}, "~S02 ", "network inet stream"},
    {"a container", "pasv_address=11.0.0.9", "172.17.0.2", "11.0.0.9", {WELL, .container = "docker"},
     "?P07 ?H01 H03 H04 ", NULL},
    {"a container without pasv_address", "", "172.17.0.2", NULL, {WELL, .container = "docker"},
     "~P01 H02 ?H01 H03 H04 ", "pasv_address=ADDRESS_OF_THE_HOST"},
    {"small packets", "", PUBLIC, NULL, {WELL, .smallest_mtu = 1400}, "~L03 ", "tcp_mtu_probing=1"},
    {"small packets, looked for", "", PUBLIC, NULL, {WELL, .smallest_mtu = 1400, .mtu_probing = 1}, "", NULL},
    {"probing unknown", "", PUBLIC, NULL, {WELL, .mtu_probing = -1}, "?L03 ", NULL},
    {"little patience", "accept_timeout=5", PUBLIC, NULL, {WELL}, "~P26 ", NULL},
};
#pragma GCC diagnostic pop
/* clang-format on */

static size_t
parse_addresses(const char *text, struct endpoint *out)
{
	char copy[256], *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", text != NULL ? text : "");
	for (char *p = strtok_r(copy, " ", &save); p != NULL;
	     p = strtok_r(NULL, " ", &save))
		assert_int_equal(endpoint_from_text(p, &out[n++]), 0);
	return n;
}

static void
set_options(struct conf *c, const char *options)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s\n", options);
	for (char *p = copy; *p != '\0'; p++)
		*p = *p == ' ' ? '\n' : *p == '~' ? ' ' : *p;
	assert_int_equal(conf_init(c), 0);
	assert_int_equal(conf_parse(c, "row", copy, strlen(copy), NULL, NULL), 0);
}

/* The last row of the machine's surroundings is always there. */
static void
describe(const struct findings *found, char *out, size_t cap)
{
	static const char marks[] = {
	    [LEVEL_UNKNOWN] = '?', [LEVEL_WARNING] = '~', [LEVEL_ERROR] = '!'};
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < found->n; i++)
		if (found->row[i].level != LEVEL_OK &&
		    strcmp(found->row[i].codes, "P11 P12") != 0)
			n += (size_t)snprintf(out + n, cap - n, "%c%s ",
			    marks[found->row[i].level], found->row[i].codes);
}

static bool
advises(const struct findings *found, const char *advice)
{
	for (size_t i = 0; i < found->n; i++)
		if (strstr(found->row[i].advice, advice) != NULL)
			return true;
	return false;
}

static void
test_rows(void **state)
{
	static struct findings found;
	static struct facts f;
	struct conf conf;
	char got[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		set_options(&conf, r->options);
		f = r->f;
		f.owns = parse_addresses(r->own, f.own);
		f.advertiseds = parse_addresses(r->advertised, f.advertised);
		judge(&conf, &f, &found);
		conf_free(&conf);
		describe(&found, got, sizeof(got));
		if (strcmp(got, r->want) != 0)
			fail_msg("%s: \"%s\" in place of \"%s\"", r->name, got, r->want);
		if (r->advice != NULL && !advises(&found, r->advice))
			fail_msg("%s: nothing advises \"%s\"", r->name, r->advice);
		assert_int_equal(findings_status(&found), strchr(r->want, '!') != NULL ? 2
							  : strchr(r->want, '~') != NULL
							      ? 1
							      : 0);
	}
}

static void
test_nothing_is_cut(void **state)
{
	static struct findings found;
	static struct facts f;
	struct conf conf;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		set_options(&conf, rows[i].options);
		f = rows[i].f;
		f.owns = parse_addresses(rows[i].own, f.own);
		f.advertiseds = parse_addresses(rows[i].advertised, f.advertised);
		judge(&conf, &f, &found);
		conf_free(&conf);
		assert_true(found.n < FINDINGS_MAX);
		for (size_t k = 0; k < found.n; k++) {
			const struct finding *one = &found.row[k];

			assert_true(strlen(one->text) + 1 < sizeof(one->text));
			assert_true(strlen(one->advice) + 1 < sizeof(one->advice));
			assert_true(strlen(one->codes) + 1 < sizeof(one->codes));
			assert_int_equal(one->text[strlen(one->text) - 1], '.');
		}
	}
}

/* ---- who has called the control port ---- */

/* clang-format off */
static const struct {
	const char *name, *options;
	const char *from; /* "address address ..." */
	bool gateway;
	const char *want, *advice;
} call_rows[] = {
    {"nobody", "", "", false, "", NULL},
    {"a few", "", "10.0.0.1 10.0.0.1 10.0.0.1", true, "", NULL},
    {"the router only", "", "172.17.0.1 172.17.0.1 172.17.0.1 172.17.0.1", true, "~H03 H09 H15 ",
     "proxy_protocol_from=172.17.0.1"},
    {"an inner address only", "", "10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1", false, "?H03 H09 H15 ", "send PROXY headers"},
    {"two", "", "10.0.0.1 10.0.0.1 10.0.0.2 10.0.0.1", false, "", NULL},
    {"two, at last", "", "10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.2", true, "", NULL},
    {"one from the Internet", "", "11.0.0.1 11.0.0.1 11.0.0.1 11.0.0.1", false, "", NULL},
    {"a trusted one", "proxy_protocol_from=10.0.0.1", "10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1", true, "?H09 ", NULL},
    {"a trusted one and others", "proxy_protocol_from=10.0.0.1", "10.0.0.1 10.0.0.2 10.0.0.2 10.0.0.2", false, "?H09 ", NULL},
    {"another proxy than was meant", "proxy_protocol_from=10.0.0.9", "10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1", false,
     "?H09 ?H03 H09 H15 ", NULL},
    {"nobody of those that are trusted", "proxy_protocol_from=10.0.0.9", "11.0.0.1 11.0.0.2 11.0.0.1 11.0.0.1", false,
     "?H09 ~H09 ", "proxy_protocol_from=ADDRESS"},
};
/* clang-format on */

static void
test_callers(void **state)
{
	static struct findings found;
	static struct facts f;
	struct endpoint from[8];
	struct conf conf;
	char got[512], options[512];

	for (size_t i = 0; i < ARRAY_LEN(call_rows); i++) {
		snprintf(
		    options, sizeof(options), "port_enable=NO %s", call_rows[i].options);
		set_options(&conf, options);
		f = (struct facts){WELL};
		f.owns = parse_addresses(PUBLIC, f.own);
		size_t n = parse_addresses(call_rows[i].from, from);
		for (size_t k = 0; k < n; k++)
			callers_add(&conf, &f, &from[k]);
		f.caller_is_gateway = call_rows[i].gateway;
		judge(&conf, &f, &found);
		conf_free(&conf);
		describe(&found, got, sizeof(got));
		if (strcmp(got, call_rows[i].want) != 0)
			fail_msg("%s: \"%s\" in place of \"%s\"", call_rows[i].name, got,
			    call_rows[i].want);
		if (call_rows[i].advice != NULL && !advises(&found, call_rows[i].advice))
			fail_msg("%s: nothing advises \"%s\"", call_rows[i].name,
			    call_rows[i].advice);
	}
}

/* The tables as a little-endian kernel prints them. */
static void
test_tables_of_connections(void **state)
{
	static const struct {
		const char *line, *peer;
		uint16_t port;
	} lines[] = {
	    {"   1: 0A0000C0:0015 070000C0:9C40 01 00000000:00000000 00:00000000",
		"192.0.0.7", 21},
	    {"  12: 0A0000C0:0015 070000C0:9C40 06 00000000:00000000 03:00001770",
		"192.0.0.7", 21},
	    {"   0: 00000000000000000000000001000000:0015 "
	     "B80D0120000000000000000002000000:9C40 01 0",
		"2001:db8::2", 21},
	    {"   0: 0000000000000000FFFF00000100007F:F0D8 "
	     "0000000000000000FFFF0000070000C0:9C40 01 0",
		"192.0.0.7", 61656},
	    {"   0: 00000000:0015 00000000:0000 0A 00000000:00000000", NULL, 0},
	    {"   0: 0A0000C0:0015 070000C0:9C40 02 00000000:00000000", NULL, 0},
	    {"   0: 0A0000C0:0015 070000C0:9C40", NULL, 0},
	    {"   0: 0A0000C0:0015 0700C0:9C40 01", NULL, 0},
	    {"  sl  local_address rem_address   st tx_queue", NULL, 0},
	    {"", NULL, 0},
	};
	struct endpoint peer, want;
	uint16_t port;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_int_equal(
		    callers_parse(lines[i].line, &port, &peer), lines[i].peer != NULL);
		if (lines[i].peer == NULL)
			continue;
		assert_int_equal(endpoint_from_text(lines[i].peer, &want), 0);
		assert_true(endpoint_same_address(&peer, &want));
		assert_int_equal(port, lines[i].port);
	}
	assert_true(callers_parse_gateway(
	    "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", &peer));
	assert_int_equal(endpoint_from_text("172.17.0.1", &want), 0);
	assert_true(endpoint_same_address(&peer, &want));
	assert_false(callers_parse_gateway(
	    "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n", &peer));
	assert_false(callers_parse_gateway("Iface\tDestination\tGateway\tFlags", &peer));
}

/* ---- the packet filter's rules ---- */

#define CHAIN(policy_)                                                                   \
	"{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"in\",\"type\":"      \
	"\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"" policy_ "\"}}"
#define PLAIN(name_)                                                                     \
	"{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"" name_ "\"}}"
#define RULE_IN(chain_, expr_)                                                           \
	"{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"" chain_             \
	"\",\"handle\":61003,\"expr\":[" expr_ "]}}"
#define RULE(expr_) RULE_IN("in", expr_)
#define MATCH(left_, right_)                                                             \
	"{\"match\":{\"op\":\"==\",\"left\":" left_ ",\"right\":" right_ "}}"
#define DPORT "{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}"
#define SADDR "{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}}"
#define STATE "{\"ct\":{\"key\":\"state\"}}"
#define META(key_) "{\"meta\":{\"key\":\"" key_ "\"}}"
#define ACCEPT "{\"accept\":null}"
#define DROP "{\"drop\":null}"
#define RANGE "{\"range\":[61000,61199]}"

/* clang-format off */
static const struct {
	const char *name, *items;
	int family;
	enum passage want;
	uint16_t shut;
} rulesets[] = {
    {"nothing", "", AF_INET, PASSAGE_OPEN, 0},
    {"policy accept", CHAIN("accept"), AF_INET, PASSAGE_OPEN, 0},
    {"policy drop", CHAIN("drop"), AF_INET, PASSAGE_CLOSED, 0},
    {"the range", CHAIN("drop") "," RULE(MATCH(DPORT, RANGE) "," ACCEPT), AF_INET, PASSAGE_OPEN, 0},
    {"... over IPv6 as well", CHAIN("drop") "," RULE(MATCH(DPORT, RANGE) "," ACCEPT), AF_INET6, PASSAGE_OPEN, 0},
    {"... in a set", CHAIN("drop") "," RULE(MATCH(DPORT, "{\"set\":[21," RANGE "]}") "," ACCEPT), AF_INET,
     PASSAGE_OPEN, 0},
    {"... in a named set", "{\"set\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"p\",\"elem\":[21," RANGE "]}},"
     CHAIN("drop") "," RULE(MATCH(DPORT, "\"@p\"") "," ACCEPT), AF_INET, PASSAGE_OPEN, 0},
    {"... in another table's set", "{\"set\":{\"family\":\"inet\",\"table\":\"u\",\"name\":\"p\",\"elem\":[" RANGE
     "]}}," CHAIN("drop") "," RULE(MATCH(DPORT, "\"@p\"") "," ACCEPT), AF_INET, PASSAGE_DEPENDS, 0},
    {"half of it", CHAIN("drop") "," RULE(MATCH(DPORT, "{\"range\":[61000,61099]}") "," ACCEPT), AF_INET,
     PASSAGE_PARTLY, 61100},
    {"all but one", CHAIN("accept") "," RULE(MATCH(DPORT, "61050") "," DROP), AF_INET, PASSAGE_PARTLY, 61050},
    {"another port", CHAIN("drop") "," RULE(MATCH(DPORT, "21") "," ACCEPT), AF_INET, PASSAGE_CLOSED, 0},
    {"below", CHAIN("drop") "," RULE("{\"match\":{\"op\":\">\",\"left\":" DPORT ",\"right\":1023}}," ACCEPT),
     AF_INET, PASSAGE_OPEN, 0},
    {"not that one", CHAIN("drop") "," RULE("{\"match\":{\"op\":\"!=\",\"left\":" DPORT ",\"right\":22}}," ACCEPT),
     AF_INET, PASSAGE_OPEN, 0},
    {"new ones", CHAIN("drop") "," RULE(MATCH(STATE, "\"new\"") "," ACCEPT), AF_INET, PASSAGE_OPEN, 0},
    {"old ones", CHAIN("drop") "," RULE("{\"match\":{\"op\":\"in\",\"left\":" STATE
     ",\"right\":[\"established\",\"related\"]}}," ACCEPT), AF_INET, PASSAGE_CLOSED, 0},
    {"by a map of states", CHAIN("accept") "," RULE("{\"vmap\":{\"key\":" STATE ",\"data\":{\"set\":["
     "[\"established\"," ACCEPT "],[\"new\"," DROP "]]}}}"), AF_INET, PASSAGE_CLOSED, 0},
    {"loopback", CHAIN("drop") "," RULE(MATCH(META("iif"), "\"lo\"") "," ACCEPT), AF_INET, PASSAGE_CLOSED, 0},
    {"one interface", CHAIN("drop") "," RULE(MATCH(META("iifname"), "\"e0\"") "," ACCEPT), AF_INET,
     PASSAGE_DEPENDS, 0},
    {"not loopback", CHAIN("accept") "," RULE("{\"match\":{\"op\":\"!=\",\"left\":" META("iif")
     ",\"right\":\"lo\"}}," DROP), AF_INET, PASSAGE_CLOSED, 0},
    {"some callers", CHAIN("drop") "," RULE(MATCH(SADDR, "\"10.0.0.1\"") "," ACCEPT), AF_INET, PASSAGE_DEPENDS, 0},
    {"... and over IPv6 none", CHAIN("drop") "," RULE(MATCH(SADDR, "\"10.0.0.1\"") "," ACCEPT), AF_INET6,
     PASSAGE_CLOSED, 0},
    {"IPv4 only", CHAIN("drop") "," RULE(MATCH(META("nfproto"), "\"ipv4\"") "," ACCEPT), AF_INET6, PASSAGE_CLOSED, 0},
    {"a rate", CHAIN("drop") "," RULE("{\"limit\":{\"rate\":3,\"per\":\"second\"}}," ACCEPT), AF_INET,
     PASSAGE_DEPENDS, 0},
    {"counted and logged", CHAIN("drop") "," RULE("{\"counter\":{\"packets\":0,\"bytes\":0}},{\"log\":null}," ACCEPT),
     AF_INET, PASSAGE_OPEN, 0},
    {"an extension of iptables", CHAIN("drop") "," RULE("{\"xt\":{\"type\":\"match\",\"name\":\"conntrack\"}}," ACCEPT),
     AF_INET, PASSAGE_DEPENDS, 0},
    {"reject", CHAIN("accept") "," RULE("{\"reject\":{\"type\":\"tcp reset\"}}"), AF_INET, PASSAGE_CLOSED, 0},
    {"SYN", CHAIN("accept") "," RULE(MATCH("{\"&\":[{\"payload\":{\"protocol\":\"tcp\",\"field\":\"flags\"}},"
     "[\"fin\",\"syn\"]]}", "\"syn\"") "," DROP), AF_INET, PASSAGE_CLOSED, 0},
    {"a port that is forwarded here", CHAIN("drop") "," RULE("{\"match\":{\"op\":\"in\",\"left\":{\"ct\":{\"key\":"
     "\"status\"}},\"right\":\"dnat\"}}," ACCEPT), AF_INET, PASSAGE_CLOSED, 0},
    {"no way back", CHAIN("accept") "," RULE("{\"match\":{\"op\":\"==\",\"left\":{\"fib\":{\"result\":\"oif\",\"flags\":"
     "[\"saddr\",\"iif\"]}},\"right\":false}}," DROP), AF_INET, PASSAGE_OPEN, 0},
    {"jump and back", CHAIN("drop") "," PLAIN("a") "," RULE("{\"jump\":{\"target\":\"a\"}}") ","
     RULE(ACCEPT) "," RULE_IN("a", MATCH(DPORT, "22") "," DROP), AF_INET, PASSAGE_OPEN, 0},
    {"jump and accept", CHAIN("drop") "," PLAIN("a") "," RULE("{\"jump\":{\"target\":\"a\"}}") ","
     RULE_IN("a", MATCH(DPORT, RANGE) "," ACCEPT), AF_INET, PASSAGE_OPEN, 0},
    {"jump and return", CHAIN("drop") "," PLAIN("a") "," RULE("{\"jump\":{\"target\":\"a\"}}") ","
     RULE_IN("a", "{\"return\":null}") "," RULE_IN("a", ACCEPT), AF_INET, PASSAGE_CLOSED, 0},
    {"goto does not come back", CHAIN("drop") "," PLAIN("a") "," RULE("{\"goto\":{\"target\":\"a\"}}") ","
     RULE(ACCEPT), AF_INET, PASSAGE_CLOSED, 0},
    {"round and round", CHAIN("drop") "," RULE("{\"jump\":{\"target\":\"in\"}}"), AF_INET, PASSAGE_DEPENDS, 0},
    {"two chains: both must let it in", CHAIN("accept") ",{\"chain\":{\"family\":\"ip\",\"table\":\"u\",\"name\":"
     "\"INPUT\",\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}}", AF_INET, PASSAGE_CLOSED, 0},
    {"... of its family", CHAIN("accept") ",{\"chain\":{\"family\":\"ip\",\"table\":\"u\",\"name\":"
     "\"INPUT\",\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}}", AF_INET6, PASSAGE_OPEN, 0},
    {"what passes through does not count", "{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"f\",\"type\":"
     "\"filter\",\"hook\":\"forward\",\"policy\":\"drop\"}}", AF_INET, PASSAGE_OPEN, 0},
};
/* clang-format on */

static struct ruleset *
parse(const char *items)
{
	struct ruleset *r = NULL;
	char text[4096];
	int n = snprintf(text, sizeof(text), "{\"nftables\":[%s]}", items);

	assert_true(n > 0 && n < (int)sizeof(text));
	assert_int_equal(ruleset_parse(text, (size_t)n, &r), 0);
	return r;
}

static void
test_rulesets(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rulesets); i++) {
		struct ruleset *r = parse(rulesets[i].items);
		uint16_t shut = 0;
		enum passage got =
		    ruleset_passage(r, rulesets[i].family, 61000, 61199, &shut);

		if (got != rulesets[i].want || shut != rulesets[i].shut)
			fail_msg("%s: %d in place of %d, %u", rulesets[i].name, (int)got,
			    (int)rulesets[i].want, shut);
		ruleset_free(r);
	}
}

/* ---- iptables-save ---- */

#define FILTER(policy_, rules_)                                                          \
	"*filter\n:INPUT " policy_ " [0:0]\n:a - [0:0]\n" rules_ "COMMIT\n"

/* clang-format off */
static const struct {
	const char *name, *text;
	enum passage want;
	uint16_t shut;
} saved[] = {
    {"nothing", "", PASSAGE_OPEN, 0},
    {"another table", "*nat\n:INPUT DROP [0:0]\nCOMMIT\n", PASSAGE_OPEN, 0},
    {"policy accept", FILTER("ACCEPT", ""), PASSAGE_OPEN, 0},
    {"policy drop", FILTER("DROP", ""), PASSAGE_CLOSED, 0},
    {"the range", FILTER("DROP", "-A INPUT -p tcp -m tcp --dport 61000:61199 -j ACCEPT\n"), PASSAGE_OPEN, 0},
    {"... of UDP", FILTER("DROP", "-A INPUT -p udp -m udp --dport 61000:61199 -j ACCEPT\n"), PASSAGE_CLOSED, 0},
    {"... for new calls", FILTER("DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
     "-A INPUT -p tcp -m tcp --dport 61000:61199 -m conntrack --ctstate NEW -j ACCEPT\n"), PASSAGE_OPEN, 0},
    {"old calls only", FILTER("DROP", "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n"), PASSAGE_CLOSED, 0},
    {"half of it", FILTER("DROP", "-A INPUT -p tcp -m multiport --dports 21,61000:61099 -j ACCEPT\n"),
     PASSAGE_PARTLY, 61100},
    {"all but one", FILTER("ACCEPT", "-A INPUT -p tcp -m tcp --dport 61050 -j REJECT --reject-with tcp-reset\n"),
     PASSAGE_PARTLY, 61050},
    {"not those", FILTER("ACCEPT", "-A INPUT -p tcp -m tcp ! --dport 61000:61199 -j DROP\n"), PASSAGE_OPEN, 0},
    {"loopback", FILTER("DROP", "-A INPUT -i lo -j ACCEPT\n"), PASSAGE_CLOSED, 0},
    {"not loopback", FILTER("DROP", "-A INPUT ! -i lo -j ACCEPT\n"), PASSAGE_OPEN, 0},
    {"one interface", FILTER("DROP", "-A INPUT -i eth0 -j ACCEPT\n"), PASSAGE_DEPENDS, 0},
    {"some callers", FILTER("DROP", "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n"), PASSAGE_DEPENDS, 0},
    {"a module that is not known", FILTER("DROP", "-A INPUT -m recent --update --seconds 60 -j ACCEPT\n"),
     PASSAGE_DEPENDS, 0},
    {"one without an option", FILTER("DROP", "-A INPUT -m socket -j ACCEPT\n"), PASSAGE_DEPENDS, 0},
    {"a comment and a log", FILTER("DROP", "-A INPUT -m comment --comment \"a -j DROP \\\" b\" -j LOG --log-prefix \"x \"\n"
     "-A INPUT -m comment --comment \"two words\" -j ACCEPT\n"), PASSAGE_OPEN, 0},
    {"SYN", FILTER("ACCEPT", "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n"), PASSAGE_CLOSED, 0},
    {"jump and back", FILTER("DROP", "-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -p tcp -m tcp --dport 22 -j DROP\n"),
     PASSAGE_OPEN, 0},
    {"goto does not come back", FILTER("DROP", "-A INPUT -g a\n-A INPUT -j ACCEPT\n"), PASSAGE_CLOSED, 0},
    {"jump and return", FILTER("DROP", "-A INPUT -j a\n-A a -j RETURN\n-A a -j ACCEPT\n"), PASSAGE_CLOSED, 0},
    {"round and round", FILTER("DROP", "-A INPUT -j a\n-A a -j a\n"), PASSAGE_DEPENDS, 0},
    {"as ufw writes it", FILTER("DROP", "-A INPUT -j a\n-A a -i lo -j ACCEPT\n"
     "-A a -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A a -m conntrack --ctstate INVALID -j DROP\n"
     "-A a -p icmp -m icmp --icmp-type 8 -j ACCEPT\n-A a -p udp -m udp --sport 67 --dport 68 -j ACCEPT\n"
     "-A a -m addrtype --dst-type LOCAL -j b\n:b - [0:0]\n-A b -p tcp -m multiport --dports 61000:61199 "
     "-m comment --comment \"\\'dapp_ferryd\\'\" -j ACCEPT\n"
     "-A INPUT -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix \"[UFW BLOCK] \"\n"), PASSAGE_OPEN, 0},
    {"only counted", FILTER("ACCEPT", "-A INPUT -p tcp\n"), PASSAGE_OPEN, 0},
};
/* clang-format on */

static void
test_iptables(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(saved); i++) {
		/* what nft shows of it: in its own words it is another story */
		struct ruleset *r =
		    parse("{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":"
			  "\"INPUT\",\"type\":\"filter\",\"hook\":\"input\",\"policy\":"
			  "\"drop\"}}");
		struct buf text = BUF_INIT(4096);
		uint16_t shut = 0;

		assert_int_equal(buf_append_str(&text, saved[i].text), 0);
		ruleset_add_iptables(r, AF_INET, &text);
		enum passage got = ruleset_passage(r, AF_INET, 61000, 61199, &shut);

		if (got != saved[i].want || shut != saved[i].shut)
			fail_msg("%s: %d in place of %d, %u", saved[i].name, (int)got,
			    (int)saved[i].want, shut);
		/* of the other family nothing was said */
		assert_int_equal(
		    ruleset_passage(r, AF_INET6, 61000, 61199, &shut), PASSAGE_OPEN);
		ruleset_free(r);
		buf_free(&text);
	}
}

static void
test_who_makes_the_rules(void **state)
{
	static const struct {
		const char *items;
		enum manager want;
		const char *chain;
	} cases[] = {
	    {"", MANAGER_NONE, ""},
	    {PLAIN("a"), MANAGER_NONE, ""},
	    {CHAIN("drop"), MANAGER_NFTABLES, "inet t in"},
	    {"{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"INPUT\","
	     "\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}}",
		MANAGER_IPTABLES, "ip filter INPUT"},
	    {"{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"INPUT\","
	     "\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}},"
	     "{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"ufw-user-"
	     "input\"}}",
		MANAGER_UFW, "ip filter INPUT"},
	    {"{\"chain\":{\"family\":\"inet\",\"table\":\"firewalld\",\"name\":\"filter_"
	     "INPUT\",\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"accept\"}}",
		MANAGER_FIREWALLD, "inet firewalld filter_INPUT"},
	};
	char chain[100];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ruleset *r = parse(cases[i].items);

		assert_int_equal(ruleset_manager(r), cases[i].want);
		ruleset_input_chain(r, chain, sizeof(chain));
		assert_string_equal(chain, cases[i].chain);
		ruleset_free(r);
	}
}

static void
test_helpers_count_where_a_rule_uses_them(void **state)
{
	struct ruleset *r = parse("{\"ct helper\":{\"family\":\"inet\",\"name\":\"f\"}}");

	assert_false(ruleset_has_ftp_helper(r));
	ruleset_free(r);
	r = parse(CHAIN("accept") "," RULE("{\"ct helper\":\"f\"}"));
	assert_true(ruleset_has_ftp_helper(r));
	ruleset_free(r);
}

static void
test_what_nft_does_not_print(void **state)
{
	static const char *const texts[] = {
	    "", "{}", "[]", "{\"nftables\":{}}", "{\"nftables\":[", "nonsense"};
	struct ruleset *r = NULL;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(
		    ruleset_parse(texts[i], strlen(texts[i]), &r), -FERRY_EPROTO);
	assert_null(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_nothing_is_cut),
	    cmocka_unit_test(test_callers),
	    cmocka_unit_test(test_tables_of_connections),
	    cmocka_unit_test(test_rulesets),
	    cmocka_unit_test(test_iptables),
	    cmocka_unit_test(test_who_makes_the_rules),
	    cmocka_unit_test(test_helpers_count_where_a_rule_uses_them),
	    cmocka_unit_test(test_what_nft_does_not_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
