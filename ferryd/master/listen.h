/*
 * The listening sockets of the control port, and of the passive port that serves all
 * sessions. For the master alone.
 */
#ifndef FERRYD_MASTER_LISTEN_H
#define FERRYD_MASTER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "endpoint.h"

/* IPv4 and IPv6 each have a socket of their own (IPV6_V6ONLY), so both can be had side by
 * side; and both again on implicit_ssl_port. */
#define LISTEN_MAX 4

struct listeners {
	int fd[LISTEN_MAX];
	struct endpoint at[LISTEN_MAX];
	bool implicit[LISTEN_MAX]; /* it is implicit_ssl_port's */
	size_t n;
};

/* Opens what listen, listen_ipv6, listen_address, listen_address6, listen_port and
 * implicit_ssl_port say.
 * vsftpd's listen_ipv6=YES alone also takes IPv4 clients; so does ours. 0; a negative
 * code and *ret_why, a sentence (static storage), with errno of the call that failed. A
 * machine without IPv6 serves IPv4 alone. */
int listeners_open(const struct conf *conf, struct listeners *ret, const char **ret_why);
/* `port` at all addresses of `control`: for a passive port that serves all sessions. As
 * above. */
int listeners_open_passive(const struct listeners *control, uint16_t port,
    struct listeners *ret, const char **ret_why);
void listeners_close(struct listeners *l);

#endif
