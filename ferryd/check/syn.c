/*
 * IPv4 (RFC 791), IPv6 without extension headers (RFC 8200), TCP (RFC 9293), ICMP
 * unreachable (RFC 792, RFC 4443). Must never read behind the end, nor trust a length.
 */
#include "syn.h"

#include <ferry/ferry.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

#define ICMP4_UNREACHABLE 3
#define ICMP6_UNREACHABLE 1
#define ICMP_HEADER 8

/* An IP header taken apart. */
struct ip {
	struct endpoint from, to;
	uint8_t protocol;
	const uint8_t *payload;
	size_t n;
};

static bool
parse_v4(const uint8_t *p, size_t n, struct ip *ret)
{
	size_t header = (size_t)(p[0] & 0xf) * 4;

	/* a later fragment has no TCP header */
	if (n < 20 || header < 20 || header > n || ((p[6] & 0x1f) | p[7]) != 0)
		return false;
	ret->from = (struct endpoint){.family = AF_INET};
	ret->to = ret->from;
	memcpy(&ret->from.v4, p + 12, 4);
	memcpy(&ret->to.v4, p + 16, 4);
	ret->protocol = p[9];
	ret->payload = p + header;
	ret->n = n - header;
	return true;
}

static bool
parse_v6(const uint8_t *p, size_t n, struct ip *ret)
{
	if (n < 40)
		return false;
	ret->from = (struct endpoint){.family = AF_INET6};
	ret->to = ret->from;
	memcpy(&ret->from.v6, p + 8, 16);
	memcpy(&ret->to.v6, p + 24, 16);
	ret->protocol = p[6];
	ret->payload = p + 40;
	ret->n = n - 40;
	return true;
}

static bool
parse_ip(const uint8_t *p, size_t n, struct ip *ret)
{
	if (n == 0)
		return false;
	return p[0] >> 4 == 4   ? parse_v4(p, n, ret)
	       : p[0] >> 4 == 6 ? parse_v6(p, n, ret)
				: false;
}

static bool
take_ports(struct ip *ip)
{
	if (ip->protocol != IPPROTO_TCP || ip->n < 4)
		return false;
	ip->from.port = (uint16_t)(ip->payload[0] << 8 | ip->payload[1]);
	ip->to.port = (uint16_t)(ip->payload[2] << 8 | ip->payload[3]);
	return true;
}

static int
parse_tcp(struct ip *ip, struct packet *ret)
{
	uint8_t flags;

	if (!take_ports(ip) || ip->n < 14)
		return -FERRY_EPROTO;
	flags = ip->payload[13];
	if ((flags & FLAG_RST) != 0)
		ret->kind = PACKET_RESET;
	else if ((flags & FLAG_SYN) == 0)
		return -FERRY_EPROTO;
	else
		ret->kind = (flags & FLAG_ACK) != 0 ? PACKET_WELCOME : PACKET_CALL;
	ret->from = ip->from;
	ret->to = ip->to;
	return 0;
}

/* What it is about stands inside: the first bytes of the packet that was not let in. */
static int
parse_unreachable(const struct ip *icmp, uint8_t type, struct packet *ret)
{
	struct ip inner;

	if (icmp->n < ICMP_HEADER || icmp->payload[0] != type ||
	    !parse_ip(icmp->payload + ICMP_HEADER, icmp->n - ICMP_HEADER, &inner) ||
	    !take_ports(&inner))
		return -FERRY_EPROTO;
	ret->kind = PACKET_SENT_AWAY;
	ret->from = inner.to;
	ret->to = inner.from;
	return 0;
}

int
packet_parse(const uint8_t *p, size_t n, struct packet *ret)
{
	struct ip ip;

	if (!parse_ip(p, n, &ip))
		return -FERRY_EPROTO;
	switch (ip.protocol) {
	case IPPROTO_TCP:
		return parse_tcp(&ip, ret);
	case IPPROTO_ICMP:
		return parse_unreachable(&ip, ICMP4_UNREACHABLE, ret);
	case IPPROTO_ICMPV6:
		return parse_unreachable(&ip, ICMP6_UNREACHABLE, ret);
	default:
		return -FERRY_EPROTO;
	}
}
