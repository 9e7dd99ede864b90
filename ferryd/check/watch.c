/*
 * ferryd check --watch: which calls arrive at this machine while somebody outside tries.
 * A packet socket sees them before the machine's own packet filter, and the answers
 * behind it: a call without an answer was dropped in between. Nothing is changed and
 * nothing left behind. Must never send a packet, nor look further into one than the
 * ports.
 */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "facts.h"
#include "say.h"
#include "syn.h"
#include "util.h"

/* Calls that are remembered until they are answered; in a flood the oldest ones make room
 * and count as unanswered. */
#define CALLS_MAX 256
/* This machine answers at once or not at all. Milliseconds. */
#define ANSWER_PATIENCE 1000
/* Taken at once, so that a flood does not keep the end away. */
#define PACKETS_TURN 1000
/* Enough for the headers, and for those inside of an ICMP message. */
#define SNAP 256

enum fate { FATE_WAITING, FATE_TAKEN, FATE_REFUSED, FATE_SENT_AWAY, FATE_DROPPED, FATES };

struct call {
	struct endpoint from, to;
	uint64_t since; /* ms */
	time_t at;
	enum fate fate;
	bool told;
};

struct watch {
	const struct conf *conf;
	struct facts facts;
	bool json;
	int fd, signals;
	unsigned loopback; /* interface that nobody outside comes over */
	struct call call[CALLS_MAX];
	size_t next; /* to be written */
	/* [0]: control port, [1]: passive ones */
	unsigned count[2][FATES];
};

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool
is_control(const struct watch *w, uint16_t port)
{
	for (size_t i = 0; i < w->facts.controls; i++)
		if (w->facts.control[i] == port)
			return true;
	return false;
}

static bool
is_passive(const struct watch *w, uint16_t port)
{
	return port >= w->conf->pasv_min_port && port <= w->conf->pasv_max_port;
}

/* What is for others passes through this machine and is none of our business. */
static bool
is_ours(const struct watch *w, const struct endpoint *to)
{
	if (!is_control(w, to->port) && !is_passive(w, to->port))
		return false;
	for (size_t i = 0; i < w->facts.owns; i++)
		if (endpoint_same_address(&w->facts.own[i], to))
			return true;
	return false;
}

/* ---- what is told ---- */

static const char *const fate_words[FATES] = {
    [FATE_TAKEN] = "answered",
    [FATE_REFUSED] =
	"refused: nothing listens there, or a filter of this machine says no",
    [FATE_SENT_AWAY] = "sent away by this machine's packet filter",
    [FATE_DROPPED] = "no answer: dropped by this machine's packet filter",
};

static const char *const fate_names[FATES] = {
    [FATE_TAKEN] = "answered",
    [FATE_REFUSED] = "refused",
    [FATE_SENT_AWAY] = "rejected",
    [FATE_DROPPED] = "dropped",
};

static void
tell_call(struct watch *w, struct call *c, enum fate fate)
{
	bool control = is_control(w, c->to.port);
	char from[ENDPOINT_TEXT_MAX], at[32];
	struct tm tm;

	c->fate = fate;
	c->told = true;
	w->count[control ? 0 : 1][fate]++;
	endpoint_format(&c->from, from);
	localtime_r(&c->at, &tm);
	if (w->json) {
		strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S%z", &tm);
		say_json_line(json_pack("{s:s, s:s, s:i, s:s, s:s}", "time", at, "from",
		    from, "port", c->to.port, "kind", control ? "control" : "passive",
		    "result", fate_names[fate]));
		return;
	}
	strftime(at, sizeof(at), "%H:%M:%S", &tm);
	printf("%s  %s -> %s port %u: %s\n", at, from, control ? "control" : "passive",
	    c->to.port, fate_words[fate]);
}

/* ---- packets ---- */

static struct call *
find_call(struct watch *w, const struct endpoint *from, const struct endpoint *to)
{
	for (size_t i = 0; i < CALLS_MAX; i++) {
		struct call *c = &w->call[i];

		if (c->at != 0 && c->from.port == from->port && c->to.port == to->port &&
		    endpoint_same_address(&c->from, from) &&
		    endpoint_same_address(&c->to, to))
			return c;
	}
	return NULL;
}

/* A call that is repeated is one: its sender has had no answer. */
static void
on_call(struct watch *w, const struct packet *p)
{
	struct call *c;

	if (!is_ours(w, &p->to) || find_call(w, &p->from, &p->to) != NULL)
		return;
	c = &w->call[w->next];
	w->next = (w->next + 1) % CALLS_MAX;
	if (c->at != 0 && !c->told)
		tell_call(w, c, FATE_DROPPED);
	*c = (struct call){
	    .from = p->from, .to = p->to, .since = now_ms(), .at = time(NULL)};
}

static void
on_answer(struct watch *w, const struct packet *p)
{
	struct call *c = find_call(w, &p->to, &p->from);

	if (c == NULL || c->told)
		return;
	tell_call(w, c,
	    p->kind == PACKET_WELCOME ? FATE_TAKEN
	    : p->kind == PACKET_RESET ? FATE_REFUSED
				      : FATE_SENT_AWAY);
}

/* False: there is none. */
static bool
take_packet(struct watch *w)
{
	struct sockaddr_ll ll = {0};
	socklen_t len = sizeof(ll);
	struct packet p;
	uint8_t bytes[SNAP];
	ssize_t n = recvfrom(
	    w->fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&ll, &len);

	if (n <= 0)
		return false;
	if ((unsigned)ll.sll_ifindex == w->loopback ||
	    packet_parse(bytes, (size_t)n, &p) < 0)
		return true;
	if (ll.sll_pkttype == PACKET_OUTGOING && p.kind != PACKET_CALL)
		on_answer(w, &p);
	else if (ll.sll_pkttype == PACKET_HOST && p.kind == PACKET_CALL)
		on_call(w, &p);
	return true;
}

static void
take_packets(struct watch *w)
{
	for (int i = 0; i < PACKETS_TURN && take_packet(w); i++)
		;
}

/* Tells what has waited long enough, or everything; returns how long to wait for the
 * rest, or -1. */
static int
review(struct watch *w, bool all)
{
	uint64_t now = now_ms();
	int wait = -1;

	for (size_t i = 0; i < CALLS_MAX; i++) {
		struct call *c = &w->call[i];
		uint64_t age = now - c->since;

		if (c->at == 0 || c->told)
			continue;
		if (all || age >= ANSWER_PATIENCE)
			tell_call(w, c, FATE_DROPPED);
		else if (wait < 0 || (int)(ANSWER_PATIENCE - age) < wait)
			wait = (int)(ANSWER_PATIENCE - age);
	}
	return wait;
}

/* ---- the end ---- */

static unsigned
sum(const unsigned *count)
{
	return count[FATE_TAKEN] + count[FATE_REFUSED] + count[FATE_SENT_AWAY] +
	       count[FATE_DROPPED];
}

static const char *
conclusion(const struct watch *w, const char **ret_codes)
{
	const unsigned *control = w->count[0], *passive = w->count[1];
	unsigned shut = passive[FATE_SENT_AWAY] + passive[FATE_DROPPED];

	if (control[FATE_SENT_AWAY] + control[FATE_DROPPED] > 0) {
		*ret_codes = "P11";
		return "Calls to the control port reach this machine, and its own packet "
		       "filter keeps them out: ferryd check has the rule to add.";
	}
	if (shut > 0) {
		*ret_codes = "P11";
		return "Calls to the passive ports reach this machine, and its own "
		       "packet filter keeps them out: ferryd check has the rule to add.";
	}
	if (passive[FATE_REFUSED] > 0) {
		*ret_codes = "P12 H04";
		return "Calls to passive ports arrive where nothing listens: they come "
		       "late, or for another port than ferryd told (does a router or "
		       "container renumber?), or a filter of this machine refuses them.";
	}
	if (sum(passive) > 0) {
		*ret_codes = "";
		return "Calls to the passive ports arrive and are answered: passive mode "
		       "gets through to this machine.";
	}
	if (sum(control) > 0) {
		*ret_codes = "P11";
		return "The control port is reached, and not one call to the passive "
		       "ports has arrived: if a client tried passive mode meanwhile, "
		       "a router or firewall in front of this machine keeps them out.";
	}
	*ret_codes = "P11 H12";
	return "No call has arrived at all: if somebody outside tried, something in "
	       "front of this machine keeps even the control port shut, or the name "
	       "or address they use leads elsewhere.";
}

static void
conclude(struct watch *w)
{
	const char *codes, *text;

	review(w, true);
	text = conclusion(w, &codes);
	if (w->json) {
		say_json_line(json_pack("{s:i, s:i, s:s, s:s}", "control",
		    (int)sum(w->count[0]), "passive", (int)sum(w->count[1]), "codes",
		    codes, "conclusion", text));
		return;
	}
	printf("\n%u calls to the control port (%u answered), %u to the passive ports "
	       "(%u answered).\n%s\n",
	    sum(w->count[0]), w->count[0][FATE_TAKEN], sum(w->count[1]),
	    w->count[1][FATE_TAKEN], text);
	if (codes[0] != '\0')
		printf("Codes: %s\n", codes);
}

/* ---- the beginning ---- */

/* The kernel hands us TCP with SYN or RST, and ICMP; from the IP header on. */
static int
set_filter(int fd)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 6, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 11),
	    /* IPv4 */
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 8, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 8),
	    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	    BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
	    /* IPv6 */
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 3, 0),
	    BPF_STMT(BPF_LDX | BPF_IMM, 40),
	    /* TCP, behind x bytes */
	    BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x06, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SNAP),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int
open_watch(struct watch *w)
{
	sigset_t set;

	/* Protocol 0: nothing comes before the filter is there. */
	w->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || set_filter(w->fd) < 0)
		return -FERRY_ESYS;
	struct sockaddr_ll ll = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	if (bind(w->fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		return -FERRY_ESYS;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return w->signals < 0 ? -FERRY_ESYS : 0;
}

static void
greet(const struct watch *w)
{
	char control[64] = "";
	size_t n = 0;

	for (size_t i = 0; i < w->facts.controls && n < sizeof(control); i++)
		n += (size_t)snprintf(control + n, sizeof(control) - n, "%s%u",
		    i > 0 ? " and " : "", w->facts.control[i]);
	if (w->json)
		return;
	printf("Watching for calls to control port %s and passive ports %llu-%llu. Let "
	       "somebody outside\nlist or fetch something now; end with ^C.\n",
	    control, (unsigned long long)w->conf->pasv_min_port,
	    (unsigned long long)w->conf->pasv_max_port);
}

static void
loop(struct watch *w, unsigned seconds)
{
	uint64_t end = seconds > 0 ? now_ms() + (uint64_t)seconds * 1000 : UINT64_MAX;
	struct pollfd fds[2] = {
	    {.fd = w->fd, .events = POLLIN}, {.fd = w->signals, .events = POLLIN}};

	for (;;) {
		int wait = review(w, false);
		uint64_t now = now_ms();

		if (now >= end)
			return;
		if (end != UINT64_MAX && (wait < 0 || (uint64_t)wait > end - now))
			wait = (int)(end - now);
		if (poll(fds, ARRAY_LEN(fds), wait) < 0 && errno != EINTR)
			return;
		take_packets(w);
		if (fds[1].revents != 0)
			return;
	}
}

int
watch_run(const struct conf *conf, unsigned seconds, bool json)
{
	struct watch *w = calloc(1, sizeof(*w));
	int status = EXIT_FAILURE;

	if (w == NULL)
		return status;
	w->conf = conf;
	w->json = json;
	w->fd = w->signals = -1;
	w->loopback = if_nametoindex("lo");
	facts_gather_addresses(conf, &w->facts);
	if (open_watch(w) < 0) {
		fprintf(stderr, "ferryd: cannot watch packets: %s%s\n", strerror(errno),
		    errno == EPERM ? " (only root may)" : "");
	} else {
		setvbuf(stdout, NULL, _IOLBF, 0);
		greet(w);
		loop(w, seconds);
		conclude(w);
		status = EXIT_SUCCESS;
	}
	fd_closep(&w->fd);
	fd_closep(&w->signals);
	free(w);
	return status;
}
