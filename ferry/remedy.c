/*
 * Remedies by kind of cause. Names in commands that only their reader knows are in
 * capitals; tables and chains of nftables are those of Debian's example. Ports are opened
 * at the top of a chain, so that they are open whatever stands below.
 */
#include "remedy.h"

#include "address.h"
#include "own.h"

#include <stdarg.h>

#define LOW 61000 /* the proposed passive range; the default of ferryd */
#define HIGH 61199
#define SMALL_SEGMENT 1220 /* what fits into the smallest packets of IPv6 */
#define CLAMP                                                                            \
	"nft add table inet ferry_mss\n"                                                 \
	"nft 'add chain inet ferry_mss clamp { type filter hook forward priority "       \
	"mangle; }'\n"                                                                   \
	"nft add rule inet ferry_mss clamp tcp flags syn tcp option maxseg size set "
#define ACTIVE_LOW 50000 /* the proposed ports for the server's calls */
#define ACTIVE_HIGH 50010

struct pen {
	const struct checkup *c;
	const struct diagnosis *d;
	const struct finding *f;
	remedy_cb *cb;
	void *user;
	const struct visit *visit; /* or NULL */
	unsigned call_low, call_high; /* the ports for the server's calls */
	bool v6;
	const char *ip;                /* "ip" or "ip6", as nftables says */
	const char *tables;            /* "iptables" or "ip6tables" */
	const char *any;               /* all addresses */
	char server[ADDRESS_TEXT_MAX]; /* as we call it */
	char own[ADDRESS_TEXT_MAX];
	char inner[ADDRESS_TEXT_MAX]; /* its address behind the translation */
	char seen[ADDRESS_TEXT_MAX];  /* ours before it */
	/* the passive ports that are to be open: "61000-61199", "61000:61199", "61000" */
	unsigned low, high;
	char range[16], colons[16];
};

__attribute__((format(printf, 6, 7))) static void
give(const struct pen *p, const char *who, const char *place, const char *tool, bool nat,
    const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	if (text == NULL)
		return;
	p->cb(&(struct remedy){.code = p->f->code,
		  .who = who,
		  .place = place,
		  .tool = tool,
		  .nat = nat,
		  .text = text},
	    p->user);
}

#define ADMIN "administrator"
#define YOU "you"
#define SERVER "the server"
#define SERVER_ROUTER "the server's router"
#define OWN "this machine"
#define OWN_ROUTER "your router"

static void
say(const struct pen *p, const char *who, const char *sentence)
{
	give(p, who, "", "", false, "%s", sentence);
}

/* One port is no range: nftables would not take it for one. */
static void
write_range(unsigned low, unsigned high, char dash, char *out, size_t cap)
{
	if (low == high)
		snprintf(out, cap, "%u", low);
	else
		snprintf(out, cap, "%u%c%u", low, dash, high);
}

/* Fills in what is known of the visit. */
static void
sharpen(struct pen *p)
{
	const struct visit *v = p->visit;
	const struct diagnosis *d = p->d;

	snprintf(p->server, sizeof p->server, "SERVER-ADDRESS");
	snprintf(p->own, sizeof p->own, "OWN-ADDRESS");
	snprintf(p->inner, sizeof p->inner, "SERVER-INNER-ADDRESS");
	snprintf(p->seen, sizeof p->seen, "YOUR-PUBLIC-ADDRESS");
	if (v != NULL) {
		address_text(&v->peer, p->server);
		address_text(&v->own, p->own);
	}
	if (d->server_inner.ss_family != AF_UNSPEC)
		address_text(&d->server_inner, p->inner);
	if (d->seen.ss_family != AF_UNSPEC)
		address_text(&d->seen, p->seen);
	p->call_low = p->c->active_high != 0 ? p->c->active_low : ACTIVE_LOW;
	p->call_high = p->c->active_high != 0 ? p->c->active_high : ACTIVE_HIGH;
	p->low = d->range_low > 0 ? d->range_low : LOW;
	p->high = d->range_low > 0 ? d->range_high : HIGH;
	write_range(p->low, p->high, '-', p->range, sizeof p->range);
	write_range(p->low, p->high, ':', p->colons, sizeof p->colons);
	p->v6 = v != NULL && v->family == AF_INET6;
	p->ip = p->v6 ? "ip6" : "ip";
	p->tables = p->v6 ? "ip6tables" : "iptables";
	p->any = p->v6 ? "Ipv6Ranges=[{CidrIpv6=::/0}]" : "IpRanges=[{CidrIp=0.0.0.0/0}]";
}

static const struct visit *
visit_over(const struct checkup *c, int family)
{
	for (size_t i = 0; i < c->n_visits; i++)
		if (c->visits[i].family == family &&
		    c->visits[i].stage == VISIT_LOGGED_IN)
			return &c->visits[i];
	return NULL;
}

/* ---------------------------------------------------------------- the passive range */

static bool
announces_wrong(const struct diagnosis *d)
{
	return diagnosis_has(d, VERDICT_P01) != VERDICT_NO ||
	       diagnosis_has(d, VERDICT_P02) != VERDICT_NO ||
	       diagnosis_has(d, VERDICT_P03) != VERDICT_NO ||
	       diagnosis_has(d, VERDICT_P04) != VERDICT_NO;
}

static bool
surely_translated(const struct pen *p)
{
	return p->d->where.nat || p->d->server_inner.ss_family != AF_UNSPEC;
}

static void
give_settings(const struct pen *p)
{
	static const char *const tools[] = {"ferryd", "vsftpd"};
	bool announce = !p->v6 && (announces_wrong(p->d) || p->d->where.nat);

	/* a ferryd that told its range has one */
	for (size_t i = 0; i < ARRAY_LEN(tools) && p->d->range_low == 0; i++)
		give(p, ADMIN, SERVER, tools[i], false,
		    "pasv_min_port=%u\npasv_max_port=%u%s%s", p->low, p->high,
		    announce ? "\npasv_address=" : "", announce ? p->server : "");
	if (p->d->range_low > 0 && announce)
		give(p, ADMIN, SERVER, "ferryd", false, "pasv_address=%s", p->server);
}

static void
give_host_firewall(const struct pen *p)
{
	give(p, ADMIN, SERVER, "nftables", false,
	    "nft insert rule inet filter input tcp dport %s ct state new accept",
	    p->range);
	give(p, ADMIN, SERVER, "iptables", false,
	    "%s -I INPUT -p tcp --dport %s -m conntrack --ctstate NEW -j ACCEPT",
	    p->tables, p->colons);
	give(p, ADMIN, SERVER, "ufw", false, "ufw allow %s/tcp", p->colons);
	give(p, ADMIN, SERVER, "firewalld", false,
	    "firewall-cmd --permanent --add-port=%s/tcp && firewall-cmd --reload",
	    p->range);
}

/* The same over IPv6. What a translation of prefixes shows is no address of the router's,
 * so here it has to be named. */
static void
give_dnat_ipv6(const struct pen *p, const char *who, const char *place, const char *table,
    const char *only, unsigned low, unsigned high, const char *to)
{
	give(p, who, place, "nftables", true,
	    "nft add table ip6 %s\n"
	    "nft 'add chain ip6 %s inward { type nat hook prerouting priority dstnat; "
	    "}'\n"
	    "nft add rule ip6 %s inward ip6 daddr %s tcp dport %u-%u dnat to %s\n"
	    "nft insert rule inet filter forward ct status dnat accept",
	    table, table, table, only, low, high, to);
	give(p, who, place, "iptables", true,
	    "ip6tables -t nat -I PREROUTING -p tcp -d %s --dport %u:%u -j DNAT "
	    "--to-destination %s\n"
	    "ip6tables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
	    only, low, high, to);
}

/* Calls to a router's own address go on to a machine behind it: for nftables by the name
 * of a table, for iptables where only calls to an address (or "") are meant. */
static void
give_dnat(const struct pen *p, const char *who, const char *place, const char *table,
    const char *only, unsigned low, unsigned high, const char *to)
{
	char range[16], colons[16];

	write_range(low, high, '-', range, sizeof range);
	write_range(low, high, ':', colons, sizeof colons);
	give(p, who, place, "nftables", true,
	    "nft add table ip %s\n"
	    "nft 'add chain ip %s inward { type nat hook prerouting priority dstnat; }'\n"
	    "nft add rule ip %s inward fib daddr type local tcp dport %s dnat to %s\n"
	    "nft insert rule inet filter forward ct status dnat accept",
	    table, table, table, range, to);
	give(p, who, place, "iptables", true,
	    "iptables -t nat -I PREROUTING -p tcp%s%s --dport %s -j DNAT "
	    "--to-destination %s\n"
	    "iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
	    *only == '\0' ? "" : " -d ", only, colons, to);
}

static void
give_forwarding(const struct pen *p)
{
	give_dnat(
	    p, ADMIN, SERVER_ROUTER, "ferryd_nat", p->server, p->low, p->high, p->inner);
}

static void
give_router(const struct pen *p)
{
	if (!p->v6 && surely_translated(p)) {
		give_forwarding(p);
		return;
	}
	give(p, ADMIN, SERVER_ROUTER, "nftables", false,
	    "nft insert rule inet filter forward %s daddr %s tcp dport %s ct state "
	    "new accept",
	    p->ip, p->server, p->range);
	give(p, ADMIN, SERVER_ROUTER, "iptables", false,
	    "%s -I FORWARD -p tcp -d %s --dport %s -m conntrack --ctstate NEW -j "
	    "ACCEPT",
	    p->tables, p->server, p->colons);
	if (!p->v6 && !p->d->where.no_nat)
		give_forwarding(p);
}

static void
give_clouds(const struct pen *p)
{
	/* thousands of mapped ports take minutes to start */
	unsigned last = p->d->range_low == 0 ? LOW + 49 : p->high;
	char docker[16];

	write_range(p->low, last, '-', docker, sizeof docker);
	give(p, ADMIN, "", "AWS", false,
	    "aws ec2 authorize-security-group-ingress --group-id sg-ID --ip-permissions "
	    "'IpProtocol=tcp,FromPort=%u,ToPort=%u,%s'",
	    p->low, p->high, p->any);
	give(p, ADMIN, "", "Docker", false, "docker run -p 21:21 -p %s:%s IMAGE", docker,
	    docker);
	give(p, ADMIN, "", "Kubernetes", false,
	    "spec: {type: LoadBalancer, externalTrafficPolicy: Local, sessionAffinity: "
	    "ClientIP, ports: [\n"
	    "  {name: control, port: 21, targetPort: 21},\n"
	    "  {name: d%u, port: %u, targetPort: %u}]} # and so on, one for each port",
	    p->low, p->low, p->low);
}

static void
say_ports(const struct pen *p)
{
	const struct diagnosis *d = p->d;
	bool wide = d->n_ports >= 3 && d->high_port - d->low_port > 10000;

	if (d->range_low > 0)
		give(p, ADMIN, "", "", false,
		    "The server's passive ports are %s, as it says: open them in every "
		    "firewall on the way, and forward them in a router that translates "
		    "addresses, with the same numbers everywhere.",
		    p->range);
	if (d->n_ports == 0 || d->range_low > 0)
		return;
	give(p, ADMIN, "", "", false,
	    "Give the server a fixed range of passive ports, open it in every firewall "
	    "on the way, and forward it in a router that translates addresses: the same "
	    "numbers everywhere. It named ports %u to %u%s.",
	    d->low_port, d->high_port,
	    wide ? ", so it seems to have no fixed range" : ": one may be set already");
}

static void
open_range(const struct pen *p)
{
	bool inner =
	    address_is_inner(&p->visit->own) && !address_is_inner(&p->visit->peer);

	if (p->d->active_works)
		say(p, YOU, "Active mode works: ferry get --active URL.");
	else if (!p->d->active_tested)
		say(p, YOU,
		    inner
			? "Active mode (ferry get --active URL) is another way, but from "
			  "behind your router it is likely to fail too."
			: "Active mode may work: ferry get --active URL.");
	say_ports(p);
	give_settings(p);
	give_host_firewall(p);
	give_router(p);
	give_clouds(p);
}

static void
no_helper(const struct pen *p)
{
	say(p, ADMIN,
	    "Do not rely on a firewall that reads along (FTP helper, ALG, inspection): "
	    "open the ports by a rule.");
	open_range(p);
}

static void
use_pasv(const struct pen *p)
{
	say(p, YOU, "ferry get --mode pasv URL works.");
	no_helper(p);
}

static void
use_active(const struct pen *p)
{
	if (p->f->weight != WEIGHT_PASSIVE) {
		say(p, YOU, "ferry uses EPSV, where the server knows that.");
		return;
	}
	if (p->d->active_works)
		say(p, YOU, "Active mode works: ferry get --active URL.");
	say(p, ADMIN, "If passive mode was switched off, switch it on:");
	give(p, ADMIN, SERVER, "ferryd and vsftpd", false, "pasv_enable=YES");
}

static void
try_tls(const struct pen *p)
{
	if (p->f->code == VERDICT_M05 && p->d->passive_works)
		say(p, YOU,
		    "ferry finds the way that is left by itself and remembers it; "
		    "ferry get --mode pasv URL saves the wait.");
	say(p, YOU,
	    "Encryption hides the commands from whatever meddles with them: ferry get "
	    "--tls URL, where the server has it.");
	no_helper(p);
}

static void
other_family(const struct pen *p)
{
	struct pen other = *p;

	give(p, YOU, "", "", false,
	    "ferry changes the family by itself; other programs have to be told: %s.",
	    p->v6 ? "-4" : "-6");
	open_range(p);
	/* the range that is proposed is new to both */
	other.visit = visit_over(p->c, p->v6 ? AF_INET : AF_INET6);
	if (other.visit == NULL)
		return;
	sharpen(&other);
	give_router(&other);
}

static void
let_more_in(const struct pen *p)
{
	say(p, YOU, "Use one connection at a time, and wait a while before the next.");
	say(p, ADMIN,
	    "A limit on connections or their rate must leave room for data connections: "
	    "there is one for every file. Exempt the passive ports from it.");
	open_range(p);
}

/* ---------------------------------------------------------------- our own side */

static void
open_outward(const struct pen *p)
{
	say(p, YOU,
	    "The server is not the cause. In your own firewall, or by its administrator: "
	    "let calls to the passive ports of this server out.");
	give(p, YOU, OWN_ROUTER, "nftables", false,
	    "nft insert rule inet filter forward %s daddr %s tcp dport 1024-65535 ct "
	    "state new accept",
	    p->ip, p->server);
	give(p, YOU, OWN_ROUTER, "iptables", false,
	    "%s -I FORWARD -p tcp -d %s --dport 1024:65535 -j ACCEPT", p->tables,
	    p->server);
	give(p, YOU, OWN, "nftables", false,
	    "nft insert rule inet filter output %s daddr %s tcp dport 1024-65535 accept",
	    p->ip, p->server);
	give(p, YOU, OWN, "ufw", false, "ufw allow out to %s port 1024:65535 proto tcp",
	    p->server);
}

static void
give_active(const struct pen *p, bool outer)
{
	give(p, YOU, OWN, "ferry", false,
	    "ferry get --active --active-ports %u-%u%s%s URL", p->call_low, p->call_high,
	    outer ? " --active-address " : "", outer ? p->seen : "");
}

static void
let_server_call(const struct pen *p)
{
	say(p, ADMIN,
	    "Let the server make calls, in its own packet filter and in its routers; or "
	    "switch active mode off (port_enable=NO), so that clients need not wait.");
	give(p, ADMIN, SERVER, "nftables", false,
	    "nft insert rule inet filter output tcp dport 1024-65535 ct state new "
	    "accept");
	give(p, ADMIN, SERVER_ROUTER, "nftables", false,
	    "nft insert rule inet filter forward %s saddr %s tcp dport 1024-65535 ct "
	    "state new accept",
	    p->ip, p->server);
}

static void
open_inward(const struct pen *p)
{
	if (p->d->passive_works)
		say(p, YOU,
		    "Use passive mode, which is the default: nothing needs to change. If "
		    "active mode is a must, let the server's calls in:");
	give_active(p, false);
	give(p, YOU, OWN, "nftables", false,
	    "nft insert rule inet filter input %s saddr %s tcp dport %u-%u ct state new "
	    "accept",
	    p->ip, p->server, p->call_low, p->call_high);
	give(p, YOU, OWN, "ufw", false, "ufw allow proto tcp from %s to any port %u:%u",
	    p->server, p->call_low, p->call_high);
	give(p, YOU, OWN, "firewalld", false,
	    "firewall-cmd --permanent --add-rich-rule='rule family=%s source address=%s "
	    "port port=%u-%u protocol=tcp accept' && firewall-cmd --reload",
	    p->v6 ? "ipv6" : "ipv4", p->server, p->call_low, p->call_high);
	give(p, YOU, OWN_ROUTER, "nftables", false,
	    "nft insert rule inet filter forward %s saddr %s tcp dport %u-%u ct state "
	    "new accept",
	    p->ip, p->server, p->call_low, p->call_high);
	if (p->f->certainty == VERDICT_CERTAIN)
		return;
	say(p, ADMIN,
	    "If no client can be called, the server's own firewall forbids it (A07):");
	let_server_call(p);
}

static void
let_calls_out(const struct pen *p)
{
	if (p->d->passive_works)
		say(p, YOU,
		    "Use passive mode, which is the default: nothing needs to change "
		    "here.");
	let_server_call(p);
}

static void
forward_inward(const struct pen *p)
{
	if (p->d->passive_works)
		say(p, YOU,
		    "Use passive mode, which is the default: nothing needs to change. If "
		    "active mode is a must, name your router's address and forward ports "
		    "in the router:");
	give_active(p, true);
	say(p, YOU,
	    "If that is not the address of your own router, your provider translates too "
	    "(CGNAT, two routers in a row): each of them has to forward, or no mode but "
	    "passive mode is possible.");
	if (p->v6)
		give_dnat_ipv6(p, YOU, OWN_ROUTER, "ferry_active", p->seen, p->call_low,
		    p->call_high, p->own);
	else
		give_dnat(p, YOU, OWN_ROUTER, "ferry_active", "", p->call_low,
		    p->call_high, p->own);
}

static void
use_passive(const struct pen *p)
{
	say(p, YOU,
	    "Use passive mode, which is the default: active mode needs the server to "
	    "call you.");
	if (p->f->code == VERDICT_A06)
		give(p, ADMIN, SERVER, "ferryd and vsftpd", false,
		    "connect_from_port_20=NO");
	if (p->f->code == VERDICT_A09)
		give(p, ADMIN, SERVER, "ferryd and vsftpd", false, "port_enable=YES");
}

static void
one_address(const struct pen *p)
{
	say(p, YOU,
	    "Your router or provider takes another outer address for the second call; "
	    "the server lets only the caller of the first in. Use one line to the "
	    "outside, and \"paired\" address pooling. No mode of FTP helps.");
	give(p, YOU, OWN_ROUTER, "nftables", true,
	    "nft add table inet ferry_pair\n"
	    "nft 'add chain inet ferry_pair outward { type nat hook postrouting priority "
	    "srcnat - 1; }'\n"
	    "nft add rule inet ferry_pair outward ip daddr %s snat ip to %s",
	    p->server, p->seen);
}

static void
keep_source(const struct pen *p)
{
	say(p, ADMIN,
	    "Let the server see its clients' own addresses: host networking or "
	    "userland-proxy off for a container, externalTrafficPolicy: Local for a "
	    "cluster, no SNAT for incoming calls in a router.");
	give(p, ADMIN, SERVER, "Docker", false, "docker run --network host IMAGE");
	give(p, ADMIN, SERVER, "Kubernetes", false,
	    "spec: {externalTrafficPolicy: Local, sessionAffinity: ClientIP}");
}

/* ---------------------------------------------------------------- the rest */

static void
announce(const struct pen *p)
{
	const struct visit *v = p->v6 ? visit_over(p->c, AF_INET) : p->visit;
	char text[ADDRESS_TEXT_MAX];
	const char *address = v == NULL || address_is_inner(&v->peer)
				  ? "PUBLIC-ADDRESS"
				  : address_text(&v->peer, text);

	say(p, YOU,
	    "ferry calls the right address by itself; in other programs EPSV helps.");
	give(p, ADMIN, SERVER, "ferryd", false, "pasv_address=%s", address);
	give(p, ADMIN, SERVER, "vsftpd", false, "pasv_address=%s", address);
}

static void
announce_inside(const struct pen *p)
{
	say(p, ADMIN,
	    "Inside its own network the server should not announce its public address, "
	    "unless the router leads such calls back in (hairpin NAT). Where it has no "
	    "option for that, the programs should use EPSV.");
	give(p, ADMIN, SERVER, "ferryd", false, "pasv_own_for_private=YES");
}

static void
mtu(const struct pen *p)
{
	say(p, ADMIN,
	    "A link on the way takes smaller packets only, and the message that says so "
	    "is filtered: let ICMP \"fragmentation needed\" and \"packet too big\" "
	    "pass.");
	give(p, ADMIN, SERVER, "sysctl", false, "sysctl -w net.ipv4.tcp_mtu_probing=1");
	/* any router may tell both ends to keep to what every link takes */
	give(p, ADMIN, SERVER_ROUTER, "nftables", false, CLAMP "%d", SMALL_SEGMENT);
	give(p, YOU, OWN_ROUTER, "nftables", false, CLAMP "rt mtu");
	give(p, ADMIN, SERVER_ROUTER, "iptables", false,
	    "%s -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS "
	    "--clamp-mss-to-pmtu",
	    p->tables);
}

static void
idle(const struct pen *p)
{
	say(p, YOU,
	    "After a long transfer compare the sizes: all bytes came, only the server's "
	    "word for it is missing. A router on the way forgets connections that are "
	    "silent for long; both ferry and ferryd make themselves heard every 60 "
	    "seconds.");
	give(p, YOU, OWN_ROUTER, "sysctl", false,
	    "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=7440");
}

static void
serve_longer(const struct pen *p)
{
	say(p, ADMIN, "The server should wait longer, and count a transfer as activity:");
	give(p, ADMIN, SERVER, "ferryd and vsftpd", false, "idle_session_timeout=900");
}

static void
resume(const struct pen *p)
{
	say(p, ADMIN,
	    "ferry resumes the session of the command connection. If the server's memory "
	    "of sessions is short, make it longer; only if nothing else helps, do "
	    "without:");
	give(p, ADMIN, SERVER, "ferryd and vsftpd", false, "require_ssl_reuse=NO");
}

static void
encrypt(const struct pen *p)
{
	if (p->f->weight == WEIGHT_ODDITY)
		say(p, YOU,
		    "--tls never goes on in clear. Ask the server's administrator and "
		    "your own whether a firewall that reads along forbids AUTH TLS.");
	else
		say(p, YOU,
		    "If its administrator confirms the certificate: --accept-new, --pin "
		    "or "
		    "--cacert.");
}

static void
more_ports(const struct pen *p)
{
	struct diagnosis d = *p->d;
	struct pen more = *p;

	say(p, YOU, "Try again later, with fewer transfers at a time.");
	say(p, ADMIN, "Give it as many passive ports as there may be sessions, or more.");
	/* those that it has are too few */
	d.range_low = d.range_high = 0;
	more.d = &d;
	sharpen(&more);
	open_range(&more);
}

static void
fix_announced(const struct pen *p)
{
	say(p, ADMIN,
	    "The announced address must be a number, or its look-up switched on:");
	give(p, ADMIN, SERVER, "ferryd and vsftpd", false, "pasv_address=%s", p->server);
}

static void
one_machine(const struct pen *p)
{
	say(p, ADMIN,
	    "All calls of one client must reach the same machine, and a proxy must pass "
	    "the passive ports on too: one replica, or affinity by the client's address, "
	    "or a passive range for each machine.");
	give(p, ADMIN, SERVER, "Kubernetes", false,
	    "spec: {sessionAffinity: ClientIP, externalTrafficPolicy: Local}");
	open_range(p);
}

static void
command_port(const struct pen *p)
{
	say(p, ADMIN, "Open the command port too, if this is the right machine:");
	give(p, ADMIN, SERVER, "nftables", false,
	    "nft insert rule inet filter input tcp dport %u ct state new accept",
	    p->c->port);
	give(p, ADMIN, SERVER, "ufw", false, "ufw allow %u/tcp", p->c->port);
	give(p, ADMIN, SERVER, "firewalld", false,
	    "firewall-cmd --permanent --add-port=%u/tcp && firewall-cmd --reload",
	    p->c->port);
}

static const struct {
	enum verdict_code code;
	void (*write)(const struct pen *p);
	const char *sentence; /* for the user, where there is no more to it */
} remedies[] = {
    {VERDICT_P11, open_range, NULL},
    {VERDICT_P12, open_range, NULL},
    {VERDICT_P13, open_range, NULL},
    {VERDICT_P14, open_range, NULL},
    {VERDICT_P25, one_machine, NULL},
    {VERDICT_V03, other_family, NULL},
    {VERDICT_P15, more_ports, NULL},
    {VERDICT_P19, no_helper, NULL},
    {VERDICT_P20, no_helper, NULL},
    {VERDICT_T01, no_helper, NULL},
    {VERDICT_P22, use_pasv, NULL},
    {VERDICT_P23, use_active, NULL},
    {VERDICT_M05, try_tls, NULL},
    {VERDICT_M06, try_tls, NULL},
    {VERDICT_L05, let_more_in, NULL},
    {VERDICT_H06, one_machine, NULL},
    {VERDICT_P21, open_outward, NULL},
    {VERDICT_A02, open_inward, NULL},
    {VERDICT_A03, open_inward, NULL},
    {VERDICT_A07, let_calls_out, NULL},
    {VERDICT_A08, use_passive, NULL},
    {VERDICT_A10, NULL,
	"Give --active-ports numbers of 1024 or higher, or use passive mode."},
    {VERDICT_A18, more_ports, NULL},
    {VERDICT_A01, forward_inward, NULL},
    {VERDICT_A04, forward_inward, NULL},
    {VERDICT_A13, forward_inward, NULL},
    {VERDICT_T02, forward_inward, NULL},
    {VERDICT_M01, use_passive, NULL},
    {VERDICT_A06, use_passive, NULL},
    {VERDICT_A09, use_passive, NULL},
    {VERDICT_A14, use_passive, NULL},
    {VERDICT_A11, keep_source, NULL},
    {VERDICT_H03, keep_source, NULL},
    {VERDICT_H11, one_address, NULL},
    {VERDICT_P01, announce, NULL},
    {VERDICT_P02, announce, NULL},
    {VERDICT_P03, announce, NULL},
    {VERDICT_P04, announce, NULL},
    {VERDICT_H02, announce, NULL},
    {VERDICT_H08, announce, NULL},
    {VERDICT_H14, announce, NULL},
    {VERDICT_P07, announce_inside, NULL},
    {VERDICT_P08, fix_announced, NULL},
    {VERDICT_L01, idle, NULL},
    {VERDICT_L02, serve_longer, NULL},
    {VERDICT_L03, mtu, NULL},
    {VERDICT_T03, resume, NULL},
    {VERDICT_T08, encrypt, NULL},
    {VERDICT_C02, command_port, NULL},
    {VERDICT_C03, command_port, NULL},
    {VERDICT_C04, command_port, NULL},
    {VERDICT_C01, NULL, "Check the spelling of the name, and your own DNS."},
    {VERDICT_C05, NULL, "Check the user name and the password."},
    {VERDICT_C06, NULL, "Try again; if it stays so, ask its administrator."},
    {VERDICT_H13, NULL,
	"Ask for a name that leads to the server itself, not to a content network."},
    {VERDICT_J03, NULL, "Ask which protocol is spoken there, and at which port FTP is."},
    {VERDICT_L04, NULL, "Wait, and use fewer connections."},
    {VERDICT_L07, NULL,
	"Transfers work, and take longer. Look at the line: wireless reception, a link "
	"that is full, a cable."},
    {VERDICT_M03, NULL, "Use encryption, if the server's passive ports are open."},
    {VERDICT_P09, NULL,
	"Its administrator should know that the answer is not as RFC 959 and RFC 2428 "
	"want it."},
    {VERDICT_T05, NULL, "Its administrator should allow PROT P, which ferry uses."},
    {VERDICT_T06, NULL, "Its administrator should allow data connections without ALPN."},
    {VERDICT_T07, NULL,
	"Compare the sizes of what came. Its administrator should look for an old "
	"server, or for something on the way that inspects TLS and cuts it."},
    {VERDICT_H09, NULL,
	"Its administrator should have the proxy send its header (PROXY protocol) on the "
	"passive ports too, or on none."},
    {VERDICT_M08, NULL,
	"Use passive mode with EPSV, which is the default: nothing needs to change."},
    {VERDICT_V02, NULL, "ferry goes on over IPv4; other programs: option -4."},
};

void
remedy_each(const struct checkup *c, const struct diagnosis *d, const struct finding *f,
    remedy_cb *cb, void *user)
{
	struct pen p = {
	    .c = c, .d = d, .f = f, .cb = cb, .user = user, .visit = d->visit};

	sharpen(&p);
	for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
		if (remedies[i].code != f->code)
			continue;
		if (remedies[i].sentence != NULL)
			say(&p, YOU, remedies[i].sentence);
		else
			remedies[i].write(&p);
	}
}
