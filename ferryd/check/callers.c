/*
 * Reading the kernel's tables. See callers.h. Must never take long: a table has a line
 * for each connection of the machine.
 */
#include "callers.h"

#include <arpa/inet.h>
#include <linux/route.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_from.h"
#include "util.h"

/* Lines of one table that are read. */
#define LINES_MAX 100000

/* "0100007F", or 32 digits: words of the machine's own byte order. */
static bool
parse_address(const char *hex, size_t digits, struct endpoint *ret)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	char word[9];

	if (digits == 8) {
		in.sin_addr.s_addr = (uint32_t)strtoul(hex, NULL, 16);
		return endpoint_from_sockaddr((struct sockaddr *)&in, ret) == 0;
	}
	if (digits != 32)
		return false;
	for (size_t i = 0; i < 4; i++) {
		snprintf(word, sizeof(word), "%.8s", hex + 8 * i);
		in6.sin6_addr.s6_addr32[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	return endpoint_from_sockaddr((struct sockaddr *)&in6, ret) == 0;
}

bool
callers_parse(const char *line, uint16_t *ret_port, struct endpoint *ret_peer)
{
	char local[33], peer[33];
	unsigned port, peer_port, state;

	if (sscanf(line, " %*u: %32[0-9A-F]:%x %32[0-9A-F]:%x %x", local, &port, peer,
		&peer_port, &state) != 5 ||
	    state == TCP_LISTEN || state == TCP_SYN_SENT || state == TCP_SYN_RECV ||
	    port > UINT16_MAX)
		return false;
	if (!parse_address(peer, strlen(peer), ret_peer))
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

bool
callers_parse_gateway(const char *line, struct endpoint *ret)
{
	char gateway[9];
	unsigned to, flags, mask;

	return sscanf(line, "%*s %x %8[0-9A-F] %x %*d %*d %*d %x", &to, gateway, &flags,
		   &mask) == 4 &&
	       to == 0 && mask == 0 && (flags & RTF_GATEWAY) != 0 &&
	       parse_address(gateway, strlen(gateway), ret);
}

void
callers_add(const struct conf *conf, struct facts *f, const struct endpoint *peer)
{
	if (f->calls == 0) {
		f->caller = *peer;
		f->one_caller = true;
	}
	f->calls++;
	f->one_caller = f->one_caller && endpoint_same_address(&f->caller, peer);
	if (conf_trusts_proxy(conf, peer))
		f->trusted_calls++;
	else
		f->caller = *peer;
}

static bool
is_control(const struct facts *f, uint16_t port)
{
	for (size_t i = 0; i < f->controls; i++)
		if (f->control[i] == port)
			return true;
	return false;
}

static void
each_line(const char *path,
    void (*line)(const char *, const struct conf *, struct facts *),
    const struct conf *conf, struct facts *f)
{
	FILE *file = fopen(path, "re");
	char text[512];

	if (file == NULL)
		return;
	for (size_t i = 0; i < LINES_MAX && fgets(text, sizeof(text), file) != NULL; i++)
		line(text, conf, f);
	fclose(file);
}

static void
on_connection(const char *line, const struct conf *conf, struct facts *f)
{
	struct endpoint peer;
	uint16_t port;

	if (callers_parse(line, &port, &peer) && is_control(f, port))
		callers_add(conf, f, &peer);
}

static void
on_route(const char *line, const struct conf *conf, struct facts *f)
{
	struct endpoint gateway;

	if (f->calls > 0 && callers_parse_gateway(line, &gateway) &&
	    endpoint_same_address(&gateway, &f->caller))
		f->caller_is_gateway = true;
}

void
callers_gather(const struct conf *conf, struct facts *f)
{
	each_line("/proc/net/tcp", on_connection, conf, f);
	each_line("/proc/net/tcp6", on_connection, conf, f);
	each_line("/proc/net/route", on_route, conf, f);
}
