/*
 * `ferryd DIR`: serves one directory from the command line, to anonymous (read-only) or
 * to one user, and says how to get there.
 */
#include "embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "load.h"
#include "logfile.h"
#include "master.h"
#include "secret.h"
#include "util.h"

#define PORT_FIRST 2121
#define PORT_LAST 2199

static int
fail(const char *what, const char *why)
{
	fprintf(stderr, "ferryd: %s: %s\n", what, why);
	return -FERRY_EINVAL;
}

/* Files are touched as the directory's owner when root starts us: root's own power is
 * never needed. */
static int
open_served(const struct cmdline *cl, struct served *ret)
{
	struct stat st;
	int fd = open(cl->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(cl->directory, strerror(errno));
	*ret = (struct served){
	    .root = fd,
	    .uid = geteuid() == 0 ? st.st_uid : geteuid(),
	    .gid = geteuid() == 0 ? st.st_gid : getegid(),
	    .user = cl->user,
	};
	return 0;
}

static int
set(struct conf *c, const char *name, const char *value)
{
	return conf_set(c, name, value, NULL, 0, load_tell, NULL);
}

/* "LOW-HIGH" */
static int
set_passive_ports(struct conf *c, const char *range)
{
	const char *dash = strchr(range, '-');
	_cleanup_free_ char *low =
	    dash != NULL ? strndup(range, (size_t)(dash - range)) : NULL;

	if (low == NULL)
		return fail("--passive-ports", "wants LOW-HIGH, for example 61000-61199");
	if (set(c, "pasv_min_port", low) < 0 || set(c, "pasv_max_port", dash + 1) < 0)
		return -FERRY_EINVAL;
	return 0;
}

static int
set_listen(struct conf *c, const char *address)
{
	struct endpoint ep;

	if (address == NULL)
		return set(c, "listen_ipv6", "YES");
	if (endpoint_from_text(address, &ep) < 0)
		return fail("--listen wants a numeric address", address);
	if (ep.family == AF_INET)
		return set(c, "listen_address", address);
	c->listen = false;
	return set(c, "listen_ipv6", "YES") < 0 ? -FERRY_EINVAL
						: set(c, "listen_address6", address);
}

/* The file's cross checks hold here too, but for "nobody can log in": --user is told to
 * auth apart. */
static int
check(struct conf *c)
{
	bool local = c->local_enable;
	int r;

	c->local_enable = true;
	r = conf_check(c, load_tell, NULL);
	c->local_enable = local;
	return r;
}

/* New files look as if whoever starts us had made them. */
static int
set_umask(struct conf *c)
{
	mode_t mask = umask(0);
	char text[16];

	umask(mask);
	snprintf(text, sizeof(text), "0%03o", (unsigned)mask & 0777);
	return set(c, "local_umask", text);
}

int
embedded_config(const struct cmdline *cl, struct conf *ret)
{
	int r = conf_init(ret);

	if (r < 0)
		return r;
	/* Whoever starts it decides what is in DIR: all of it is shown. */
	r = set(ret, "failures_file", "");
	if (r == 0)
		r = set(ret, "anonymous_enable", cl->user == NULL ? "YES" : "NO");
	if (r == 0)
		r = set(ret, "anon_world_readable_only", "NO");
	if (r == 0)
		r = set(ret, "write_enable", cl->user == NULL ? "NO" : "YES");
	if (r == 0)
		r = set_umask(ret);
	if (r == 0)
		r = set_listen(ret, cl->listen);
	if (r == 0 && cl->pasv_ports != NULL)
		r = set_passive_ports(ret, cl->pasv_ports);
	for (size_t i = 0; i < cl->noptions && r == 0; i++) {
		_cleanup_free_ char *name = strdup(cl->options[i]);
		char *equals = name != NULL ? strchr(name, '=') : NULL;

		if (equals == NULL)
			return fail("-o wants NAME=VALUE", cl->options[i]);
		*equals = '\0';
		r = set(ret, name, equals + 1);
	}
	return r == 0 ? check(ret) : r;
}

/* The wanted port, or the first free one from 2121 on. */
static int
open_port(const struct cmdline *cl, struct conf *c, struct listeners *ret)
{
	const char *why = "no free port";
	char text[16];

	if (cl->port != NULL) {
		if (set(c, "listen_port", cl->port) < 0)
			return -FERRY_EINVAL;
		return listeners_open(c, ret, &why) == 0 ? 0 : fail("--port", why);
	}
	for (unsigned port = PORT_FIRST; port <= PORT_LAST; port++) {
		snprintf(text, sizeof(text), "%u", port);
		if (set(c, "listen_port", text) < 0)
			return -FERRY_EINVAL;
		if (listeners_open(c, ret, &why) == 0)
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return fail("cannot listen", why);
}

/* ---- what is printed ---- */

static void
add_url(struct buf *out, const struct endpoint *at, const char *user, const char *note)
{
	char where[ENDPOINT_TEXT_MAX];

	endpoint_format(at, where);
	buf_printf(out, "  ftp://%s%s%s/%s\n", user != NULL ? user : "",
	    user != NULL ? "@" : "", where, note);
}

/* One URL per address that others can dial; this machine's own last. */
static void
add_urls(struct buf *out, const struct listeners *l, const char *user)
{
	struct ifaddrs *all = NULL, *i;
	bool families[2] = {false, false};

	for (size_t k = 0; k < l->n; k++) {
		if (endpoint_scope_of(&l->at[k]) != SCOPE_UNSPECIFIED)
			add_url(out, &l->at[k], user, "");
		else
			families[l->at[k].family == AF_INET6] = true;
	}
	if ((!families[0] && !families[1]) || getifaddrs(&all) < 0)
		return;
	for (int local = 0; local < 2; local++) {
		for (i = all; i != NULL; i = i->ifa_next) {
			struct endpoint ep;
			enum endpoint_scope scope;

			if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
			    endpoint_from_sockaddr(i->ifa_addr, &ep) < 0)
				continue;
			scope = endpoint_scope_of(&ep);
			if (scope == SCOPE_LINK || (scope == SCOPE_LOOPBACK) != local ||
			    !families[ep.family == AF_INET6])
				continue;
			ep.port = l->at[0].port;
			add_url(out, &ep, user, local ? "      (this machine only)" : "");
		}
	}
	freeifaddrs(all);
}

static void
describe(struct buf *out, const struct cmdline *cl, const struct conf *c,
    const struct listeners *l)
{
	char real[PATH_MAX];
	const char *dir = realpath(cl->directory, real) != NULL ? real : cl->directory;

	if (cl->user == NULL)
		buf_printf(
		    out, "Serving %s, read-only, to anyone (user \"anonymous\"):\n", dir);
	else
		buf_printf(out,
		    "Serving %s to user \"%s\", who may change everything in it:\n", dir,
		    cl->user);
	add_urls(out, l, cl->user);
	buf_printf(out,
	    "Passive mode uses ports %llu-%llu: a firewall in front of this machine must "
	    "let them and port "
	    "%u in.\n",
	    (unsigned long long)c->pasv_min_port, (unsigned long long)c->pasv_max_port,
	    l->at[0].port);
	if (cl->user == NULL)
		buf_printf(out,
		    "To allow uploads, start it with a user:  ferryd --user NAME %s\n",
		    cl->directory);
	buf_printf(out, "Stop it with ^C.\n");
}

int
embedded_run(const struct cmdline *cl)
{
	_cleanup_(buf_free)
	struct buf greeting = BUF_INIT(64 * 1024);
	struct master_plan plan = {.served = NULL, .ready_fd = -1};
	struct listeners listeners;
	struct served served;
	const char *why = NULL;
	struct conf conf;
	int status;

	if (open_served(cl, &served) < 0)
		return EXIT_FAILURE;
	if (cl->user != NULL && secret_read(cl, &served.password) < 0)
		return EXIT_FAILURE;
	if (embedded_config(cl, &conf) < 0 || open_port(cl, &conf, &listeners) < 0)
		return EXIT_FAILURE;
	if (logfile_open(&conf, false, &why) < 0) {
		fail(why, strerror(errno));
		return EXIT_FAILURE;
	}
	describe(&greeting, cl, &conf, &listeners);
	plan.conf = &conf;
	plan.served = &served;
	plan.listeners = &listeners;
	plan.greeting = buf_cstr(&greeting);
	status = master_run(&plan);
	secret_free(served.password);
	conf_free(&conf);
	return status;
}
