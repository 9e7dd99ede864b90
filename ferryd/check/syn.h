/*
 * The packets that ferryd check --watch looks at: the beginnings of TCP connections and
 * the answers to them. A pure parser over what a packet socket gives, from the IP header
 * on; the bytes are anybody's.
 */
#ifndef FERRYD_CHECK_SYN_H
#define FERRYD_CHECK_SYN_H

#include <stdint.h>

#include "endpoint.h"

enum packet_kind {
	PACKET_CALL,      /* SYN: from calls to */
	PACKET_WELCOME,   /* SYN and ACK: from has taken the call of to */
	PACKET_RESET,     /* RST: from has refused, or ended it */
	PACKET_SENT_AWAY, /* ICMP unreachable about a packet that `to` sent to `from` */
};

struct packet {
	enum packet_kind kind;
	struct endpoint from, to;
};

/* 0; -FERRY_EPROTO for everything that is none of these. */
int packet_parse(const uint8_t *p, size_t n, struct packet *ret);

#endif
