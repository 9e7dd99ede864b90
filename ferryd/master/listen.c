/*
 * The listening sockets of the control port, and of a passive port that serves all.
 */
#include "listen.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

/* Long enough for a burst of clients while the master is busy elsewhere. */
#define BACKLOG 1024

static int
listener_open(struct endpoint *at)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(at, &ss);
	_cleanup_close_ int fd = -1;
	int on = 1;

	fd = socket(at->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	if (at->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	/* listen_port=0: the system has chosen one. */
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		endpoint_from_sockaddr((struct sockaddr *)&ss, at);
	return fd_take(&fd);
}

/* The address to listen on: the option's, or all of that family. */
static int
listener_at(const char *option, int family, uint64_t port, struct endpoint *ret)
{
	struct endpoint ep = {.family = family};

	if (option != NULL && option[0] != '\0' &&
	    (endpoint_from_text(option, &ep) < 0 || ep.family != family))
		return -FERRY_EINVAL;
	ep.port = (uint16_t)port;
	*ret = ep;
	return 0;
}

static const char *
advice_for(int error)
{
	return error == EACCES       ? " (ports below 1024 need root; try another "
	       : error == EADDRINUSE ? " (another server runs there; try another "
				     : "";
}

/* Opens one more. `option` is what set the port: for the advice. */
static int
open_at(struct listeners *l, struct endpoint at, const char *option, const char **ret_why)
{
	static char why[512];
	char where[ENDPOINT_TEXT_MAX];
	int fd = listener_open(&at);

	if (fd < 0) {
		int saved = errno;

		endpoint_format(&at, where);
		snprintf(why, sizeof(why), "cannot listen on %s: %s%s%s%s", where,
		    strerror(saved), advice_for(saved),
		    advice_for(saved)[0] != '\0' ? option : "",
		    advice_for(saved)[0] != '\0' ? ")" : "");
		*ret_why = why;
		errno = saved;
		return -FERRY_ESYS;
	}
	l->fd[l->n] = fd;
	l->at[l->n++] = at;
	return 0;
}

static int
add(struct listeners *l, const char *option, const char *name, int family, uint64_t port,
    const char **ret_why)
{
	static char why[512];
	struct endpoint at;

	if (port == 0 && l->n > 0)
		port = l->at[0].port; /* both families on the one that the system chose */
	if (listener_at(option, family, port, &at) < 0) {
		snprintf(why, sizeof(why), "%s=%.200s is not an %s address", name, option,
		    family == AF_INET ? "IPv4" : "IPv6");
		*ret_why = why;
		return -FERRY_EINVAL;
	}
	return open_at(l, at, "listen_port", ret_why);
}

/* Both families, as far as they are wanted, on one port. */
static int
add_port(
    struct listeners *l, const struct conf *conf, uint64_t port, const char **ret_why)
{
	bool v4_named = conf->listen_address != NULL && conf->listen_address[0] != '\0';
	bool v6_named = conf->listen_address6 != NULL && conf->listen_address6[0] != '\0';
	/* As vsftpd: the IPv6 wildcard alone means both families. */
	bool v4 = conf->listen || (conf->listen_ipv6 && !v6_named && !v4_named);
	int r = 0;

	if (conf->listen_ipv6) {
		r = add(
		    l, conf->listen_address6, "listen_address6", AF_INET6, port, ret_why);
		if (r < 0 && v4 && !v6_named &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			r = 0; /* a kernel without IPv6 */
	}
	if (r == 0 && v4)
		r = add(
		    l, conf->listen_address, "listen_address", AF_INET, port, ret_why);
	return r;
}

/* All of them or none. */
static int
keep(struct listeners *l, int r, struct listeners *ret)
{
	int saved = errno;

	if (r < 0)
		listeners_close(l);
	else
		*ret = *l;
	errno = saved;
	return r;
}

int
listeners_open(const struct conf *conf, struct listeners *ret, const char **ret_why)
{
	struct listeners l = {.n = 0};
	int r = add_port(&l, conf, conf->listen_port, ret_why);

	if (r == 0 && conf->ssl_enable && conf->implicit_ssl_port != 0) {
		size_t clear = l.n;

		r = add_port(&l, conf, conf->implicit_ssl_port, ret_why);
		for (size_t i = clear; i < l.n; i++)
			l.implicit[i] = true;
	}
	return keep(&l, r, ret);
}

static bool
has_address(const struct listeners *l, const struct endpoint *at)
{
	for (size_t i = 0; i < l->n; i++)
		if (endpoint_same_address(&l->at[i], at))
			return true;
	return false;
}

int
listeners_open_passive(const struct listeners *control, uint16_t port,
    struct listeners *ret, const char **ret_why)
{
	struct listeners l = {.n = 0};
	int r = 0;

	for (size_t i = 0; i < control->n && r == 0; i++) {
		struct endpoint at = control->at[i];

		at.port = port;
		if (!has_address(&l, &at))
			r = open_at(&l, at, "pasv_min_port and pasv_max_port", ret_why);
	}
	return keep(&l, r, ret);
}

void
listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_closep(&l->fd[i]);
	l->n = 0;
}
