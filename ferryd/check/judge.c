/*
 * The rows of ferryd check. Each row is a function of its own: it says that all is well,
 * that something is wrong and how to put it right, or that it cannot tell. Must never do
 * I/O, and never claim what the facts do not show.
 */
#include "judge_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "section.h"
#include "util.h"

/* Ports that Kubernetes gives out by itself. */
#define NODEPORT_LOW 30000
#define NODEPORT_HIGH 32767

/* Room for clients that come back before the system has let go of their last port. */
#define ROOM 2

void
find(struct judge *j, enum level level, const char *codes, const char *advice,
    const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	if (j->out->n == FINDINGS_MAX)
		return;
	f = &j->out->row[j->out->n++];
	f->level = level;
	snprintf(f->codes, sizeof(f->codes), "%s", codes);
	snprintf(f->advice, sizeof(f->advice), "%s", advice);
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static unsigned
low_of(const struct judge *j)
{
	return (unsigned)j->conf->pasv_min_port;
}

static unsigned
high_of(const struct judge *j)
{
	return (unsigned)j->conf->pasv_max_port;
}

static bool
is_one_port(const struct judge *j)
{
	return conf_one_passive_port(j->conf);
}

bool
is_inner(const struct endpoint *ep)
{
	enum endpoint_scope scope = endpoint_scope_of(ep);

	return scope == SCOPE_PRIVATE || scope == SCOPE_SHARED || scope == SCOPE_LINK;
}

/* ---- the advertised address ---- */

static bool
is_own(const struct facts *f, const struct endpoint *address)
{
	for (size_t i = 0; i < f->owns; i++)
		if (endpoint_same_address(&f->own[i], address))
			return true;
	return false;
}

/* The machine's IPv4 addresses lead nowhere from outside. */
static bool
is_inside(const struct facts *f)
{
	bool any = false;

	for (size_t i = 0; i < f->owns; i++) {
		if (f->own[i].family != AF_INET)
			continue;
		if (!is_inner(&f->own[i]))
			return false;
		any = true;
	}
	return any;
}

static void
judge_no_advertised(struct judge *j)
{
	const struct facts *f = j->facts;

	if (!f->listens[FAMILY_4])
		return;
	if (!is_inside(f))
		find(j, LEVEL_OK, "", "",
		    "PASV tells the address that the client has reached.");
	else if (f->container[0] != '\0')
		find(j, LEVEL_WARNING, "P01 H02", "pasv_address=ADDRESS_OF_THE_HOST",
		    "PASV tells clients the container's own address, which leads "
		    "nowhere from outside, and pasv_address is not set.");
	else
		find(j, LEVEL_WARNING, "P01",
		    "# if clients come from outside, through a router:\n"
		    "pasv_address=ADDRESS_OF_THE_ROUTER",
		    "This machine has only private IPv4 addresses, and PASV tells them "
		    "to clients: right for clients in the same network, wrong for all "
		    "others. EPSV works for both.");
}

static const char *
scope_code(enum endpoint_scope scope)
{
	switch (scope) {
	case SCOPE_UNSPECIFIED:
		return "P03";
	case SCOPE_LOOPBACK:
		return "P04";
	case SCOPE_PRIVATE:
	case SCOPE_SHARED:
	case SCOPE_LINK:
		return "P01";
	default:
		return "P02";
	}
}

/* Is the address one that a client can be sent to? */
static bool
judge_scope(struct judge *j, const struct endpoint *at)
{
	const struct facts *f = j->facts;
	enum endpoint_scope scope = endpoint_scope_of(at);
	const char *name = j->conf->pasv_address;

	if (f->advertised_by_name && is_inner(at)) {
		find(j, LEVEL_ERROR, "P06",
		    "# write the outer address as a number:\n"
		    "pasv_address=ADDRESS_OF_THE_ROUTER\npasv_addr_resolve=NO",
		    "pasv_address=%s resolves to a %s address here: the name means "
		    "something else outside.",
		    name, endpoint_scope_name(scope));
		return false;
	}
	if (scope == SCOPE_PUBLIC)
		return true;
	find(j, is_inner(at) && is_own(f, at) ? LEVEL_WARNING : LEVEL_ERROR,
	    scope_code(scope),
	    "pasv_address=ADDRESS_OF_THE_ROUTER\n"
	    "# or, when no router is in between, leave pasv_address out",
	    "pasv_address=%s is a %s address: clients elsewhere cannot reach it.", name,
	    endpoint_scope_name(scope));
	return false;
}

/* What clients from this address are told is an address that they can reach. */
static bool
is_told_well(const struct judge *j, const struct endpoint *client)
{
	size_t network = section_find_network(j->conf, client);
	const struct conf *view = network != 0 ? section_view(j->conf, 0, network) : NULL;
	struct endpoint told;

	if (view == NULL)
		return false;
	return view->pasv_address == NULL || view->pasv_address[0] == '\0' ||
	       (endpoint_from_text(view->pasv_address, &told) == 0 && is_inner(&told));
}

/* Clients of the machine's own network, behind the same router. */
static void
judge_inner_clients(struct judge *j, const char *told)
{
	const struct facts *f = j->facts;
	char own[ENDPOINT_TEXT_MAX], around[ENDPOINT_TEXT_MAX], advice[300];
	struct endpoint network;

	if (!is_inside(f))
		return;
	for (size_t i = 0; i < f->owns; i++) {
		if (f->own[i].family != AF_INET || is_told_well(j, &f->own[i]))
			continue;
		endpoint_format_address(&f->own[i], own);
		network = f->own[i];
		((uint8_t *)&network.v4)[3] = 0;
		endpoint_format_address(&network, around);
		snprintf(advice, sizeof(advice),
		    "# the machine's own address, for those in its network:\n"
		    "[network %s/24]\npasv_address=",
		    around);
		find(j, LEVEL_UNKNOWN, "P07", advice,
		    "Clients in this machine's own network (%s) are told %s as well: "
		    "they "
		    "need EPSV, or a router that sends its own inner clients back "
		    "(hairpin NAT).",
		    own, told);
		return;
	}
	find(j, LEVEL_OK, "", "",
	    "Clients in this machine's own network are told an "
	    "address that is in it.");
}

/* Somebody in front of us has that address. */
/* A success may have stayed within the machine or the router, a failure may be a router
 * that does not send calls back in. */
static void
judge_reach(struct judge *j, const char *outer)
{
	static const char *const what[] = {
	    [REACH_YES] = "reaches something",
	    [REACH_REFUSED] = "is refused",
	    [REACH_SILENT] = "gets no answer",
	};
	const struct facts *f = j->facts;

	if (f->outside == REACH_UNTRIED)
		return;
	find(j, LEVEL_UNKNOWN, f->outside == REACH_YES ? "P02" : "P07",
	    "# from another network:\nferry doctor THIS_SERVER",
	    "A call from this machine itself to %s port %u %s, which proves nothing: %s.",
	    outer, f->control[0], what[f->outside],
	    f->outside == REACH_YES
		? "it may be another machine, or a way that only this side has"
		: "many routers send no call from inside back in (hairpin), and then "
		  "clients on this side fail as well where they are told that address");
}

static void
judge_nat(struct judge *j, const struct endpoint *at)
{
	const struct facts *f = j->facts;
	char text[ENDPOINT_TEXT_MAX];

	endpoint_format_address(at, text);
	if (is_own(f, at)) {
		find(j, LEVEL_OK, "", "",
		    "pasv_address %s is this machine's own address.", text);
		return;
	}
	find(j, LEVEL_OK, "", "",
	    "pasv_address %s is not this machine's: a router in front of it must forward "
	    "the control port and %s to it, same numbers outside and inside.",
	    text, j->range);
	judge_reach(j, text);
	if (f->ftp_helper)
		find(j, LEVEL_WARNING, "P20",
		    "# open the range by a rule of its own, and leave the helper out",
		    "The packet filter uses the kernel's FTP helper, which takes no "
		    "notice of a PASV answer with another address: with pasv_address "
		    "set, PASV opens nothing while EPSV does.");
	judge_inner_clients(j, text);
}

/* [host NAME] may have an address of its own; one that is a name is looked up by the
 * server. */
static void
judge_hosts(struct judge *j)
{
	size_t hosts = section_count(j->conf, SECTION_HOST);
	struct endpoint at;

	for (size_t i = 1; i <= hosts; i++) {
		const struct section *s = section_get(j->conf, SECTION_HOST, i);
		const char *address = s->conf.pasv_address;

		if (address == NULL || endpoint_from_text(address, &at) < 0 ||
		    endpoint_scope_of(&at) == SCOPE_PUBLIC || is_own(j->facts, &at))
			continue;
		find(j, LEVEL_WARNING, scope_code(endpoint_scope_of(&at)),
		    "pasv_address=ADDRESS_OF_THE_ROUTER",
		    "[host %.100s] has pasv_address=%s, a %s address: clients elsewhere "
		    "cannot reach it.",
		    s->name, address, endpoint_scope_name(endpoint_scope_of(&at)));
	}
}

static void
judge_advertised(struct judge *j)
{
	const struct conf *c = j->conf;
	const struct facts *f = j->facts;

	if (c->pasv_address == NULL || c->pasv_address[0] == '\0') {
		judge_no_advertised(j);
		return;
	}
	if (f->advertiseds == 0) {
		find(j, LEVEL_ERROR, "P08", "pasv_address=ADDRESS",
		    "pasv_address=%s is no IPv4 address%s.", c->pasv_address,
		    f->advertised_by_name ? ", and resolves to none" : "");
		return;
	}
	if (!judge_scope(j, &f->advertised[0]))
		return;
	if (f->advertiseds > 1)
		find(j, LEVEL_WARNING, "P02 H08", "pasv_address=ADDRESS",
		    "pasv_address=%s resolves to %zu addresses, and PASV tells one of "
		    "them: which one is chance.",
		    c->pasv_address, f->advertiseds);
	else if (f->advertised_by_name && c->pasv_addr_refresh == 0)
		find(j, LEVEL_WARNING, "P02", "pasv_addr_refresh=60",
		    "pasv_address=%s is looked up when the server starts or reloads: "
		    "when it changes, PASV goes on telling the old address until then.",
		    c->pasv_address);
	judge_nat(j, &f->advertised[0]);
}

/* ---- the passive range ---- */

static bool
overlaps(const struct judge *j, unsigned low, unsigned high)
{
	return low <= high && low_of(j) <= high && high_of(j) >= low;
}

static void
judge_ephemeral(struct judge *j)
{
	const struct facts *f = j->facts;
	char advice[160];

	snprintf(advice, sizeof(advice),
	    "pasv_min_port=61000\npasv_max_port=61199\n"
	    "# or: sysctl -w net.ipv4.ip_local_reserved_ports=%s",
	    j->range);
	if (f->ephemeral_low > f->ephemeral_high)
		find(j, LEVEL_UNKNOWN, "P17", "",
		    "Which ports the system gives to outgoing connections is not known.");
	else if (!overlaps(j, f->ephemeral_low, f->ephemeral_high) || f->reserved == YES)
		find(j, LEVEL_OK, "", "",
		    "%s lies apart from the ports of outgoing connections (%u-%u).",
		    j->range, f->ephemeral_low, f->ephemeral_high);
	else
		find(j, LEVEL_WARNING, "P17", advice,
		    "%s overlaps the ports that the system gives to outgoing connections "
		    "(%u-%u): any program can have one of them just then.",
		    j->range, f->ephemeral_low, f->ephemeral_high);
	if (overlaps(j, NODEPORT_LOW, NODEPORT_HIGH))
		find(j, LEVEL_WARNING, "H05", "pasv_min_port=61000\npasv_max_port=61199",
		    "%s overlaps the ports that Kubernetes gives out by itself "
		    "(%d-%d, NodePort).",
		    j->range, NODEPORT_LOW, NODEPORT_HIGH);
}

static void
judge_busy(struct judge *j)
{
	const struct facts *f = j->facts;
	unsigned count = high_of(j) - low_of(j) + 1;

	if (f->busy == 0)
		find(j, LEVEL_OK, "", "", "%s can be bound.", j->range);
	else if (f->control_busy == YES && f->busy_error == EADDRINUSE)
		find(j, LEVEL_OK, "", "",
		    "%u of %s %s taken (%u), while a server runs on the control port: "
		    "its own, most likely.",
		    f->busy, j->range, f->busy == 1 ? "is" : "are", f->first_busy);
	else if (f->busy == count)
		find(j, LEVEL_ERROR, "P15", "# who has it?\nss -tlnp",
		    "No port of %s can be bound: %s.", j->range, strerror(f->busy_error));
	else
		find(j, LEVEL_WARNING, "P15", "# who has them?\nss -tlnp",
		    "%u of %s cannot be bound (%u: %s).", f->busy, j->range,
		    f->first_busy, strerror(f->busy_error));
}

/* Root, who asks, may bind them all. The one port for all is the master's. */
static void
judge_right(struct judge *j)
{
	const struct facts *f = j->facts;
	char advice[160];

	if (is_one_port(j) || low_of(j) >= f->unprivileged_from)
		return;
	snprintf(advice, sizeof(advice),
	    "sysctl -w net.ipv4.ip_unprivileged_port_start=%u\n"
	    "# or one port for all, which the master opens:\n"
	    "pasv_max_port=%u",
	    low_of(j) < 1024 ? low_of(j) : 1024, low_of(j));
	find(j, LEVEL_ERROR, "S01", advice,
	    "Ports below %u are root's on this machine, and the processes that open %s "
	    "are not root.",
	    f->unprivileged_from, j->range);
}

/* Only ports that wait for their call are taken: a range as large as the limit of
 * sessions never runs out. */
static void
judge_size(struct judge *j)
{
	unsigned long long sessions = j->conf->max_clients;
	unsigned count = high_of(j) - low_of(j) + 1;
	unsigned long long want = sessions * ROOM > 100 ? sessions * ROOM : 100;
	char advice[160];

	snprintf(advice, sizeof(advice), "pasv_min_port=61000\npasv_max_port=%llu",
	    61000 + want - 1 > 65535 ? 65535 : 61000 + want - 1);
	if (is_one_port(j))
		find(j, LEVEL_OK, "", "",
		    "One passive port serves all sessions; in clear, sessions of one "
		    "address take turns.");
	else if (sessions == 0)
		find(j, LEVEL_OK, "", "",
		    "%u passive ports, and no limit of sessions (max_clients): each "
		    "waiting data connection takes one of them, more than that wait.",
		    count);
	else if (count < sessions)
		find(j, LEVEL_ERROR, "P14 P15 P16", advice,
		    "At most %u of %llu sessions (max_clients) can list or transfer at "
		    "the same moment: %s has %u ports.",
		    count, sessions, j->range, count);
	else if (count < sessions * ROOM)
		find(j, LEVEL_WARNING, "P16", advice,
		    "%s has %u ports for %llu sessions (max_clients); twice as many "
		    "ports as sessions leave room.",
		    j->range, count, sessions);
	else
		find(j, LEVEL_OK, "", "", "%u passive ports for %llu sessions.", count,
		    sessions);
}

static void
judge_passive(struct judge *j)
{
	if (!j->conf->pasv_enable) {
		find(j, LEVEL_WARNING, "P11", "pasv_enable=YES",
		    "Passive mode is switched off: clients behind a NAT or a firewall, "
		    "which is nearly all, can list and transfer nothing.");
		return;
	}
	judge_advertised(j);
	judge_hosts(j);
	judge_busy(j);
	judge_right(j);
	judge_ephemeral(j);
	judge_size(j);
}

/* ---- active mode ---- */

static void
judge_active(struct judge *j)
{
	const struct conf *c = j->conf;
	int error = j->facts->data_port_error;

	if (!c->port_enable)
		return;
	if (!c->connect_from_port_20)
		find(j, LEVEL_OK, "", "", "Active mode calls from any port.");
	else if (error == 0 || error == EADDRINUSE)
		find(j, LEVEL_OK, "", "", "Active mode may call from port %llu.",
		    (unsigned long long)c->ftp_data_port);
	else
		find(j, LEVEL_ERROR, "A06",
		    "# start ferryd as root, or give it the right (systemd):\n"
		    "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"
		    "# or: connect_from_port_20=NO",
		    "Active mode is to call from port %llu, which cannot be bound: %s.",
		    (unsigned long long)c->ftp_data_port, strerror(error));
}

/* ---- the packet filter ---- */

/* The commands that let these ports in, for whatever makes the rules here. */
static void
opening(
    const struct judge *j, const char *ports, const char *colon, char *out, size_t cap)
{
	const struct facts *f = j->facts;

	switch (f->manager) {
	case MANAGER_UFW:
		snprintf(out, cap, "ufw allow %s/tcp", colon);
		break;
	case MANAGER_FIREWALLD:
		snprintf(out, cap,
		    "firewall-cmd --permanent --add-port=%s/tcp\nfirewall-cmd --reload",
		    ports);
		break;
	case MANAGER_IPTABLES:
		snprintf(out, cap,
		    "iptables -I INPUT -p tcp --dport %s -m conntrack --ctstate NEW -j "
		    "ACCEPT\nip6tables -I INPUT -p tcp --dport %s -m conntrack --ctstate "
		    "NEW -j ACCEPT",
		    colon, colon);
		break;
	case MANAGER_NFTABLES:
		snprintf(out, cap, "nft insert rule %s tcp dport %s ct state new accept",
		    f->chain[0] != '\0' ? f->chain : "inet TABLE CHAIN", ports);
		break;
	case MANAGER_NONE:
		snprintf(out, cap,
		    "# whichever makes the rules:\nufw allow %s/tcp\nfirewall-cmd "
		    "--permanent --add-port=%s/tcp && firewall-cmd --reload\nnft insert "
		    "rule inet TABLE CHAIN tcp dport %s ct state new accept\niptables -I "
		    "INPUT -p tcp --dport %s -m conntrack --ctstate NEW -j ACCEPT",
		    colon, ports, ports, colon);
		break;
	}
}

static const char *
family_name(int family)
{
	return family == FAMILY_4 ? "IPv4" : "IPv6";
}

/* The range is open over the other family only. */
static bool
is_half_open(const struct facts *f, int family)
{
	int other = family == FAMILY_4 ? FAMILY_6 : FAMILY_4;

	return f->listens[other] && f->passive_passage[other] == PASSAGE_OPEN;
}

static void
judge_passive_passage(struct judge *j, int family)
{
	const struct facts *f = j->facts;
	const char *name = family_name(family);
	bool helped = f->ftp_helper && f->passive_passage[family] != PASSAGE_OPEN;
	char advice[600];

	opening(j, j->range, j->range_colon, advice, sizeof(advice));
	switch (f->passive_passage[family]) {
	case PASSAGE_OPEN:
		find(j, LEVEL_OK, "", "", "The packet filter lets %s in over %s.",
		    j->range, name);
		break;
	case PASSAGE_DEPENDS:
		find(j, LEVEL_UNKNOWN, "P11", advice,
		    "Whether the packet filter lets %s in over %s depends on more than "
		    "the port.",
		    j->range, name);
		break;
	case PASSAGE_UNKNOWN:
		break;
	case PASSAGE_PARTLY:
		find(j, LEVEL_ERROR, "P11 P14", advice,
		    "The packet filter lets a part of %s in over %s, but not %u: some "
		    "transfers hang, others work.",
		    j->range, name, f->shut_port[family]);
		break;
	case PASSAGE_CLOSED:
		if (helped)
			find(j, j->conf->ssl_enable ? LEVEL_ERROR : LEVEL_WARNING,
			    j->conf->ssl_enable ? "T01" : "P18 P19", advice,
			    "Over %s, %s is opened by the kernel's FTP helper only: %s",
			    name, j->range,
			    j->conf->ssl_enable
				? "it cannot read what TLS encrypts, so data "
				  "connections under TLS hang."
				: "it reads port 21 in clear, and nothing else.");
		else
			find(j, LEVEL_ERROR, is_half_open(f, family) ? "P11 V03" : "P11",
			    advice,
			    "The packet filter does not let %s in over %s: passive mode "
			    "hangs%s.",
			    j->range, name,
			    is_half_open(f, family) ? ", while it works over the other "
						      "family"
						    : "");
		break;
	}
}

static void
judge_control_passage(struct judge *j, int family)
{
	const struct facts *f = j->facts;
	char port[24], advice[600];

	if (f->controls == 0)
		return;
	snprintf(port, sizeof(port), "%u", f->control[0]);
	opening(j, port, port, advice, sizeof(advice));
	if (f->control_passage[family] == PASSAGE_OPEN)
		find(j, LEVEL_OK, "", "",
		    "The packet filter lets control port %s in over %s.", port,
		    family_name(family));
	else if (f->control_passage[family] == PASSAGE_DEPENDS)
		find(j, LEVEL_UNKNOWN, "P11", advice,
		    "Whether the packet filter lets control port %s in over %s depends "
		    "on more than the port.",
		    port, family_name(family));
	else if (f->control_passage[family] == PASSAGE_CLOSED ||
		 f->control_passage[family] == PASSAGE_PARTLY)
		find(j, LEVEL_ERROR, "P11", advice,
		    "The packet filter does not let control port %s in over %s: nobody "
		    "can connect.",
		    port, family_name(family));
}

static void
judge_unread(struct judge *j)
{
	static const char *const why[] = {
	    [UNREAD_NOT_ROOT] = "only root may read its rules",
	    [UNREAD_NO_NFT] = "there is no program nft to read its rules with",
	    [UNREAD_FAILED] = "nft could not read its rules",
	    [UNREAD_LEGACY] =
		"iptables-legacy has rules of its own, which nft does not show",
	};
	char advice[600];

	opening(j, j->range, j->range_colon, advice, sizeof(advice));
	find(j, LEVEL_UNKNOWN, "P11", advice,
	    "Whether this machine's packet filter lets %s in cannot be told: %s.",
	    j->range, why[j->facts->unread]);
}

static void
judge_filter(struct judge *j)
{
	const struct facts *f = j->facts;

	if (f->unread != READ_ALL) {
		judge_unread(j);
		return;
	}
	for (int family = 0; family < FAMILIES; family++) {
		if (!f->listens[family])
			continue;
		judge_control_passage(j, family);
		if (j->conf->pasv_enable)
			judge_passive_passage(j, family);
	}
}

/* ---- what else stands in between ---- */

static void
judge_surroundings(struct judge *j)
{
	const struct facts *f = j->facts;

	if (f->selinux == YES)
		find(j, LEVEL_WARNING, "S01",
		    "# is it the cause?\nausearch -m avc -ts recent\n"
		    "setsebool -P ftpd_use_passive_mode 1\n"
		    "setsebool -P ftpd_connect_all_unreserved 1",
		    "SELinux enforces: where ferryd runs as ftpd_t, it may not bind or "
		    "call every port.");
	if (f->apparmor[0] != '\0')
		find(j, LEVEL_WARNING, "S02",
		    "# in the profile:\nnetwork inet stream,\nnetwork inet6 stream,\n"
		    "capability net_bind_service,",
		    "An AppArmor profile is on this program (%s): it must allow TCP "
		    "and low ports.",
		    f->apparmor);
	if (f->container[0] != '\0')
		find(j, LEVEL_UNKNOWN, "H01 H03 H04",
		    is_one_port(j) ? "# publish both ports, same numbers outside and "
				     "inside"
				   : "# publish all of the range, same numbers outside "
				     "and inside;\n# or one port for all:\n"
				     "pasv_min_port=61000\npasv_max_port=61000",
		    "This is a container (%s): which ports are published, under which "
		    "numbers, and whether clients keep their addresses cannot be seen "
		    "from in here.",
		    f->container);
	find(j, LEVEL_UNKNOWN, "P11 P12",
	    "# from another network:\nferry doctor THIS_SERVER\n"
	    "# and here meanwhile, as root:\nferryd check --watch",
	    "What routers and firewalls outside this machine do cannot be seen from "
	    "here.");
}

/* ---- time and size ---- */

static void
judge_times(struct judge *j)
{
	const struct facts *f = j->facts;

	find(j, LEVEL_OK, "", "",
	    "Control connections are kept alive from 60 s on, and a transfer counts as "
	    "activity: routers that forget idle connections do not cut long transfers.");
	if (j->conf->accept_timeout < 10)
		find(j, LEVEL_WARNING, "P26", "accept_timeout=60",
		    "accept_timeout=%llu gives clients little time: one that has tried "
		    "EPSV in vain comes late.",
		    (unsigned long long)j->conf->accept_timeout);
	if (f->mtu_probing < 0)
		find(j, LEVEL_UNKNOWN, "L03", "",
		    "Whether the kernel looks for smaller packets that get through "
		    "(tcp_mtu_probing) is not known.");
	else if (f->mtu_probing == 0 && f->smallest_mtu > 0 && f->smallest_mtu < 1500)
		find(j, LEVEL_WARNING, "L03", "sysctl -w net.ipv4.tcp_mtu_probing=1",
		    "An interface takes packets of %u bytes only, and the kernel does "
		    "not look for a size that gets through: large files may freeze "
		    "where ICMP is filtered.",
		    f->smallest_mtu);
	else
		find(j, LEVEL_OK, "", "", "Packet sizes: %s.",
		    f->mtu_probing > 0
			? "the kernel looks for one that gets through "
			  "(tcp_mtu_probing)"
			: "the usual 1500 bytes; where ICMP is filtered on the way, "
			  "sysctl net.ipv4.tcp_mtu_probing=1 helps");
}

/* ---- all of it ---- */

void
judge(const struct conf *conf, const struct facts *f, struct findings *ret)
{
	struct judge j = {.conf = conf, .facts = f, .out = ret};

	*ret = (struct findings){0};
	if (conf_one_passive_port(conf)) {
		snprintf(j.range, sizeof(j.range), "%u", low_of(&j));
		snprintf(j.range_colon, sizeof(j.range_colon), "%u", low_of(&j));
	} else {
		snprintf(j.range, sizeof(j.range), "%u-%u", low_of(&j), high_of(&j));
		snprintf(j.range_colon, sizeof(j.range_colon), "%u:%u", low_of(&j),
		    high_of(&j));
	}
	judge_passive(&j);
	judge_active(&j);
	judge_filter(&j);
	judge_proxies(&j);
	judge_surroundings(&j);
	judge_times(&j);
}

int
findings_status(const struct findings *f)
{
	int status = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->row[i].level == LEVEL_ERROR)
			return 2;
		if (f->row[i].level == LEVEL_WARNING)
			status = 1;
	}
	return status;
}
