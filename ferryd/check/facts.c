/*
 * Gathering the facts. Every function fills in one part and leaves "unknown" where it
 * cannot know. Must never change anything on the machine: sockets are bound and closed
 * again, nft is run to print and for nothing else.
 */
#include "facts.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "callers.h"
#include "iptables.h"
#include "util.h"

/* A ruleset larger than this is not read, and nft has so long to print it. */
#define RULES_MAX (32 * 1024 * 1024)
#define RULES_SECONDS 10
/* Of a file below /proc or /sys. */
#define SMALL_FILE 4096

/* ---- small files ---- */

/* The file's first bytes; "" when it cannot be read. */
static bool
read_small(const char *path, char *out, size_t cap)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd >= 0 ? read(fd, out, cap - 1) : -1;

	out[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* ---- where it listens ---- */

static bool
is_set(const char *option)
{
	return option != NULL && option[0] != '\0';
}

/* The same rule as the listeners': IPv6's wildcard alone means both families. */
static void
gather_listening(const struct conf *c, struct facts *f)
{
	f->listens[FAMILY_6] = c->listen_ipv6;
	f->listens[FAMILY_4] =
	    c->listen ||
	    (c->listen_ipv6 && !is_set(c->listen_address) && !is_set(c->listen_address6));
	if (c->listen_port != 0)
		f->control[f->controls++] = (uint16_t)c->listen_port;
	if (c->ssl_enable && c->implicit_ssl_port != 0)
		f->control[f->controls++] = (uint16_t)c->implicit_ssl_port;
}

static unsigned
mtu_of(int fd, const char *interface)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu > 0
		   ? (unsigned)request.ifr_mtu
		   : 0;
}

static void
gather_interface(const struct ifaddrs *i, int fd, struct facts *f)
{
	struct endpoint ep;
	enum endpoint_scope scope;

	if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
	    (i->ifa_flags & IFF_LOOPBACK) != 0 ||
	    endpoint_from_sockaddr(i->ifa_addr, &ep) < 0)
		return;
	unsigned mtu = mtu_of(fd, i->ifa_name);

	if (mtu > 0 && (f->smallest_mtu == 0 || mtu < f->smallest_mtu))
		f->smallest_mtu = mtu;
	scope = endpoint_scope_of(&ep);
	if (scope != SCOPE_LINK && scope != SCOPE_LOOPBACK && f->owns < FACTS_ADDRESSES)
		f->own[f->owns++] = ep;
}

static void
gather_addresses(struct facts *f)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifaddrs *all = NULL;
	bool v6 = false;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		gather_interface(i, fd, f);
	freeifaddrs(all);
	for (size_t i = 0; i < f->owns; i++)
		v6 = v6 || f->own[i].family == AF_INET6;
	/* Without an address nobody comes that way. */
	f->listens[FAMILY_6] = f->listens[FAMILY_6] && v6;
}

static void
gather_advertised(const struct conf *c, struct facts *f)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;

	if (!is_set(c->pasv_address))
		return;
	if (endpoint_from_text(c->pasv_address, &f->advertised[0]) == 0) {
		f->advertiseds = f->advertised[0].family == AF_INET;
		return;
	}
	f->advertised_by_name = true;
	if (getaddrinfo(c->pasv_address, NULL, &hints, &all) != 0)
		return;
	for (const struct addrinfo *i = all;
	     i != NULL && f->advertiseds < FACTS_ADVERTISED; i = i->ai_next)
		if (endpoint_from_sockaddr(i->ai_addr, &f->advertised[f->advertiseds]) ==
		    0)
			f->advertiseds++;
	freeaddrinfo(all);
}

/* ---- ports ---- */

/* As a listener would: 0, or why not. */
static int
try_port(int family, const char *address, uint16_t port)
{
	struct endpoint at = {.family = family};
	struct sockaddr_storage ss;
	const int on = 1;

	if (is_set(address) &&
	    (endpoint_from_text(address, &at) < 0 || at.family != family))
		return 0; /* the configuration's own check tells that */
	at.port = port;
	socklen_t len = endpoint_to_sockaddr(&at, &ss);
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 1) < 0 ? errno : 0;
}

static int
try_families(const struct conf *c, const struct facts *f, uint16_t port)
{
	int error = 0;

	if (f->listens[FAMILY_4])
		error = try_port(AF_INET, c->listen_address, port);
	if (error == 0 && f->listens[FAMILY_6])
		error = try_port(AF_INET6, c->listen_address6, port);
	return error;
}

static void
gather_ports(const struct conf *c, struct facts *f)
{
	for (uint64_t port = c->pasv_min_port; port <= c->pasv_max_port; port++) {
		int error = try_families(c, f, (uint16_t)port);

		if (error == 0)
			continue;
		if (f->busy++ == 0) {
			f->first_busy = (uint16_t)port;
			f->busy_error = error;
		}
	}
	if (f->controls > 0)
		f->control_busy =
		    try_families(c, f, f->control[0]) == EADDRINUSE ? YES : NO;
	if (c->port_enable && c->connect_from_port_20)
		f->data_port_error = try_families(c, f, (uint16_t)c->ftp_data_port);
}

/* A router may send the call back to this machine, or refuse to. */
static void
gather_reach(struct facts *f)
{
	struct endpoint to = f->advertised[0];

	if (f->control_busy != YES || f->advertiseds != 1)
		return;
	to.port = f->control[0];
	f->outside = reach_try(&to);
}

/* ---- the kernel ---- */

/* "32768\t60999" and "8080,9000-9100"; 0..65535 both. */
static bool
next_range(const char **p, char between, unsigned long *ret_low, unsigned long *ret_high)
{
	char *end;

	*ret_low = *ret_high = strtoul(*p, &end, 10);
	if (end == *p)
		return false;
	if (*end == between)
		*ret_high = strtoul(end + 1, &end, 10);
	*p = *end == ',' ? end + 1 : end;
	return *ret_low <= UINT16_MAX && *ret_high <= UINT16_MAX;
}

static bool
is_reserved(const char *list, unsigned long port)
{
	unsigned long low, high;

	while (next_range(&list, '-', &low, &high))
		if (port >= low && port <= high)
			return true;
	return false;
}

static void
gather_kernel(const struct conf *c, struct facts *f)
{
	char text[SMALL_FILE];
	const char *p = text;
	unsigned long low, high;

	f->ephemeral_low = 1;
	f->mtu_probing = -1;
	if (read_small("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text)) &&
	    next_range(&p, '\t', &low, &high)) {
		f->ephemeral_low = (uint16_t)low;
		f->ephemeral_high = (uint16_t)high;
	}
	if (read_small(
		"/proc/sys/net/ipv4/ip_local_reserved_ports", text, sizeof(text))) {
		f->reserved = YES;
		for (uint64_t port = c->pasv_min_port; port <= c->pasv_max_port; port++)
			if (port >= f->ephemeral_low && port <= f->ephemeral_high &&
			    !is_reserved(text, port))
				f->reserved = NO;
	}
	if (read_small(
		"/proc/sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text)))
		f->unprivileged_from = (unsigned)strtoul(text, NULL, 10);
	if (read_small("/proc/sys/net/ipv4/tcp_mtu_probing", text, sizeof(text)) &&
	    text[0] >= '0' && text[0] <= '9')
		f->mtu_probing = text[0] - '0';
}

/* ---- the packet filter ---- */

/* All that fd gives until its end, within the time. */
static int
read_all(int fd, struct buf *out)
{
	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint8_t *p;
		ssize_t n;

		if (poll(&pfd, 1, RULES_SECONDS * 1000) <= 0 ||
		    buf_reserve(out, 65536, &p) < 0)
			return -FERRY_ESYS;
		n = read(fd, p, 65536);
		if (n < 0)
			return -FERRY_ESYS;
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
	}
}

/* Standard error goes nowhere: a complaint is an unread ruleset. */
static int
spawn(char *const argv[], int out, pid_t *ret_pid)
{
	static char *const env[] = {
	    (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(
	    &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(
	    &actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* What a program prints; argv[0] is its path. */
static enum unread
read_program(char *const argv[], struct buf *out)
{
	int pipefd[2], status = -1, r;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return UNREAD_FAILED;
	r = spawn(argv, pipefd[1], &pid);
	close(pipefd[1]);
	if (r != 0) {
		close(pipefd[0]);
		return UNREAD_FAILED;
	}
	r = read_all(pipefd[0], out);
	/* Before the wait: one that still writes must hear that nobody reads. */
	close(pipefd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? READ_ALL
								       : UNREAD_FAILED;
}

/* Where administrators' programs are; root's own PATH is anybody's. False: nowhere. */
static bool
find_program(const char *name, char out[64])
{
	static const char *const places[] = {
	    "/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(out, 64, "%s/%s", places[i], name);
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

static enum unread
read_ruleset(struct buf *out)
{
	char program[64];
	char *const argv[] = {
	    program, (char *)"-j", (char *)"list", (char *)"ruleset", NULL};

	return find_program("nft", program) ? read_program(argv, out) : UNREAD_NO_NFT;
}

/* False: it cannot be had. */
static bool
read_saved(const char *name, struct buf *out)
{
	char program[64];
	char *const argv[] = {program, (char *)"-t", (char *)"filter", NULL};

	return find_program(name, program) && read_program(argv, out) == READ_ALL;
}

static void
ask_ruleset(const struct conf *c, const struct ruleset *r, struct facts *f)
{
	static const int families[] = {[FAMILY_4] = AF_INET, [FAMILY_6] = AF_INET6};

	f->manager = ruleset_manager(r);
	f->ftp_helper = ruleset_has_ftp_helper(r);
	ruleset_input_chain(r, f->chain, sizeof(f->chain));
	for (int i = 0; i < FAMILIES; i++) {
		uint16_t shut = 0;

		if (f->controls > 0)
			f->control_passage[i] = ruleset_passage(
			    r, families[i], f->control[0], f->control[0], &shut);
		f->passive_passage[i] =
		    ruleset_passage(r, families[i], (uint16_t)c->pasv_min_port,
			(uint16_t)c->pasv_max_port, &f->shut_port[i]);
	}
}

/* Who makes the rules, where they cannot be read. */
static void
guess_manager(struct facts *f)
{
	char text[SMALL_FILE];

	if (read_small("/etc/ufw/ufw.conf", text, sizeof(text)) &&
	    strstr(text, "ENABLED=yes") != NULL)
		f->manager = MANAGER_UFW;
	else if (is_there("/run/firewalld"))
		f->manager = MANAGER_FIREWALLD;
}

/* Where iptables has made rules, it is asked for them in its own words. */
static void
ask_iptables(struct ruleset *r, bool legacy, struct buf text[FAMILIES], struct facts *f)
{
	static const char *const names[2][FAMILIES] = {
	    {"iptables-save", "ip6tables-save"},
	    {"iptables-legacy-save", "ip6tables-legacy-save"},
	};
	bool v4 = read_saved(names[legacy][FAMILY_4], &text[FAMILY_4]);
	bool v6 = read_saved(names[legacy][FAMILY_6], &text[FAMILY_6]);

	if (v4)
		ruleset_add_iptables(r, AF_INET, &text[FAMILY_4]);
	if (v6)
		ruleset_add_iptables(r, AF_INET6, &text[FAMILY_6]);
	if (legacy && (!v4 || !v6))
		f->unread = UNREAD_LEGACY;
}

/* iptables-legacy keeps its rules where nft does not see them. */
static bool
has_legacy_tables(void)
{
	char tables[SMALL_FILE];

	return read_small("/proc/net/ip_tables_names", tables, sizeof(tables)) &&
	       strstr(tables, "filter") != NULL;
}

static void
gather_filter(const struct conf *c, struct facts *f)
{
	_cleanup_(buf_free)
	struct buf text = BUF_INIT(RULES_MAX);
	struct buf saved[FAMILIES] = {BUF_INIT(IPTABLES_MAX), BUF_INIT(IPTABLES_MAX)};
	bool legacy = has_legacy_tables();
	struct ruleset *r = NULL;

	guess_manager(f);
	if (geteuid() != 0) {
		f->unread = UNREAD_NOT_ROOT;
		return;
	}
	f->unread = read_ruleset(&text);
	if (f->unread == READ_ALL &&
	    ruleset_parse((const char *)buf_data(&text), buf_len(&text), &r) < 0)
		f->unread = UNREAD_FAILED;
	if (r != NULL) {
		enum manager manager = ruleset_manager(r);

		if (legacy || manager == MANAGER_IPTABLES || manager == MANAGER_UFW)
			ask_iptables(r, legacy, saved, f);
		ask_ruleset(c, r, f);
	}
	if (legacy && f->manager == MANAGER_NONE)
		f->manager = MANAGER_IPTABLES;
	ruleset_free(r);
	for (int i = 0; i < FAMILIES; i++)
		buf_free(&saved[i]);
}

/* ---- what else stands in between ---- */

static void
gather_container(struct facts *f)
{
	char text[SMALL_FILE];
	const char *name = "";

	if (getenv("KUBERNETES_SERVICE_HOST") != NULL)
		name = "kubernetes";
	else if (is_there("/.dockerenv"))
		name = "docker";
	else if (is_there("/run/.containerenv"))
		name = "podman";
	else if (read_small("/proc/1/cgroup", text, sizeof(text)) &&
		 (strstr(text, "docker") != NULL || strstr(text, "kubepods") != NULL ||
		     strstr(text, "/lxc") != NULL))
		name = "container";
	snprintf(f->container, sizeof(f->container), "%s", name);
}

static void
gather_profiles(struct facts *f)
{
	char text[SMALL_FILE];

	if (read_small("/sys/fs/selinux/enforce", text, sizeof(text)))
		f->selinux = text[0] == '1' ? YES : NO;
	if (!read_small("/proc/self/attr/apparmor/current", text, sizeof(text)) ||
	    strncmp(text, "unconfined", 10) == 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(
	    f->apparmor, sizeof(f->apparmor), "%.*s", (int)sizeof(f->apparmor) - 1, text);
}

void
facts_gather_addresses(const struct conf *conf, struct facts *ret)
{
	*ret = (struct facts){0};
	gather_listening(conf, ret);
	gather_addresses(ret);
}

void
facts_gather(const struct conf *conf, struct facts *ret)
{
	facts_gather_addresses(conf, ret);
	gather_advertised(conf, ret);
	gather_ports(conf, ret);
	gather_reach(ret);
	callers_gather(conf, ret);
	gather_kernel(conf, ret);
	gather_filter(conf, ret);
	gather_container(ret);
	gather_profiles(ret);
}
