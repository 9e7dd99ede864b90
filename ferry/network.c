/*
 * Two questions over rtnetlink(7), one answer each: the route to the server, and the
 * neighbour that is its first station.
 */
#include "network.h"

#include "address.h"
#include "own.h"

#include <ifaddrs.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/time.h>

#define HARDWARE_MAX 32

/* A question, and then the answer in the same place. */
union message {
	struct nlmsghdr head;
	char bytes[4096];
};

static size_t
address_bytes(const struct sockaddr_storage *a, const void **ret)
{
	if (a->ss_family == AF_INET6) {
		*ret = &((const struct sockaddr_in6 *)a)->sin6_addr;
		return 16;
	}
	*ret = &((const struct sockaddr_in *)a)->sin_addr;
	return 4;
}

static bool
set_address(int family, const void *p, size_t n, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	if (family == AF_INET && n == 4)
		memcpy(&((struct sockaddr_in *)ret)->sin_addr, p, n);
	else if (family == AF_INET6 && n == 16)
		memcpy(&((struct sockaddr_in6 *)ret)->sin6_addr, p, n);
	else
		return false;
	return true;
}

/* ---------------------------------------------------------------- rtnetlink */

static void
add_attribute(union message *m, unsigned short type, const struct sockaddr_storage *a)
{
	struct rtattr *rta = (struct rtattr *)(m->bytes + NLMSG_ALIGN(m->head.nlmsg_len));
	const void *p;
	size_t n = address_bytes(a, &p);

	rta->rta_type = type;
	rta->rta_len = (unsigned short)RTA_LENGTH(n);
	memcpy(RTA_DATA(rta), p, n);
	m->head.nlmsg_len =
	    (unsigned)(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(rta->rta_len));
}

/* An answer of this type with at least size bytes behind its head. */
static bool
is_answer(const union message *m, ssize_t got, unsigned short type, size_t size)
{
	return got >= (ssize_t)sizeof m->head && m->head.nlmsg_len <= (size_t)got &&
	       m->head.nlmsg_type == type && m->head.nlmsg_len >= NLMSG_LENGTH(size);
}

static bool
ask(union message *m, unsigned short type, size_t size)
{
	_cleanup_close_ int fd =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl from = {.nl_family = AF_NETLINK};
	const struct timeval patience = {.tv_sec = 1};
	socklen_t len = sizeof from;
	ssize_t got;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
	    sendto(fd, m, m->head.nlmsg_len, 0, (struct sockaddr *)&from, sizeof from) <
		0)
		return false;
	got = recvfrom(fd, m, sizeof *m, 0, (struct sockaddr *)&from, &len);
	return got > 0 && from.nl_pid == 0 && is_answer(m, got, type, size);
}

/* An attribute of an answer, with *ret_len bytes. NULL: it is not there. */
static const void *
attribute(union message *m, size_t size, unsigned short type, size_t *ret_len)
{
	struct rtattr *rta = (struct rtattr *)(m->bytes + NLMSG_SPACE(size));
	int left = (int)m->head.nlmsg_len - (int)NLMSG_SPACE(size);

	for (; RTA_OK(rta, left); rta = RTA_NEXT(rta, left)) {
		if (rta->rta_type != type)
			continue;
		*ret_len = RTA_PAYLOAD(rta);
		return RTA_DATA(rta);
	}
	return NULL;
}

/* ---------------------------------------------------------------- the questions */

/* false: the kernel does not say. Without a router ret_router has no family. */
static bool
find_router(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    struct sockaddr_storage *ret_router, int *ret_link)
{
	union message m = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			       .nlmsg_type = RTM_GETROUTE,
			       .nlmsg_flags = NLM_F_REQUEST}};
	struct rtmsg *route = NLMSG_DATA(&m.head);
	const void *p, *n;
	size_t len, link_len;
	const unsigned char bits = peer->ss_family == AF_INET ? 32 : 128;

	*route = (struct rtmsg){.rtm_family = (unsigned char)peer->ss_family,
	    .rtm_dst_len = bits,
	    .rtm_src_len = bits};
	add_attribute(&m, RTA_DST, peer);
	add_attribute(&m, RTA_SRC, own);
	if (!ask(&m, RTM_NEWROUTE, sizeof *route))
		return false;
	n = attribute(&m, sizeof *route, RTA_OIF, &link_len);
	if (n == NULL || link_len != sizeof *ret_link)
		return false;
	memcpy(ret_link, n, sizeof *ret_link);
	p = attribute(&m, sizeof *route, RTA_GATEWAY, &len);
	ret_router->ss_family = AF_UNSPEC;
	return p == NULL || set_address(peer->ss_family, p, len, ret_router);
}

/* ",02:42:ac:11:00:02", or "". */
static void
find_hardware(const struct sockaddr_storage *router, int link, char ret[HARDWARE_MAX * 3])
{
	union message m = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
			       .nlmsg_type = RTM_GETNEIGH,
			       .nlmsg_flags = NLM_F_REQUEST}};
	struct ndmsg *neighbour = NLMSG_DATA(&m.head);
	const unsigned char *p;
	size_t len = 0, at = 0;

	*ret = '\0';
	*neighbour = (struct ndmsg){
	    .ndm_family = (unsigned char)router->ss_family, .ndm_ifindex = link};
	add_attribute(&m, NDA_DST, router);
	if (!ask(&m, RTM_NEWNEIGH, sizeof *neighbour))
		return;
	p = attribute(&m, sizeof *neighbour, NDA_LLADDR, &len);
	for (size_t i = 0; p != NULL && i < len && i < HARDWARE_MAX; i++)
		at += (size_t)snprintf(
		    ret + at, 4, "%c%02x", i == 0 ? ',' : ':', (unsigned)p[i]);
}

/* ---------------------------------------------------------------- the prefix */

static unsigned
count_bits(const struct sockaddr_storage *mask)
{
	const void *p;
	size_t n = address_bytes(mask, &p);
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		bits += (unsigned)__builtin_popcount(((const unsigned char *)p)[i]);
	return bits;
}

/* Our address without what makes it ours alone. */
static void
mask_address(struct sockaddr_storage *a, const struct sockaddr_storage *mask)
{
	const void *p, *q;
	size_t n = address_bytes(a, &p);

	address_bytes(mask, &q);
	for (size_t i = 0; i < n; i++)
		((unsigned char *)(void *)p)[i] &= ((const unsigned char *)q)[i];
}

static socklen_t
size_of(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in)
				 : sizeof(struct sockaddr_in6);
}

static bool
find_mask(const struct sockaddr_storage *own, struct sockaddr_storage *ret)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
		struct sockaddr_storage a = {.ss_family = AF_UNSPEC};

		if (i->ifa_addr == NULL || i->ifa_netmask == NULL ||
		    i->ifa_addr->sa_family != own->ss_family)
			continue;
		memcpy(&a, i->ifa_addr, size_of(own->ss_family));
		if (!address_same(&a, own))
			continue;
		*ret = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
		memcpy(ret, i->ifa_netmask, size_of(own->ss_family));
		ret->ss_family = own->ss_family;
		found = true;
	}
	freeifaddrs(list);
	return found;
}

int
network_identify(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    char ret[NETWORK_MAX])
{
	struct sockaddr_storage prefix = *own, mask, router;
	char hardware[HARDWARE_MAX * 3] = "";
	char prefix_text[ADDRESS_TEXT_MAX], router_text[ADDRESS_TEXT_MAX];
	int link;

	if ((own->ss_family != AF_INET && own->ss_family != AF_INET6) ||
	    peer->ss_family != own->ss_family || !find_mask(own, &mask) ||
	    !find_router(own, peer, &router, &link))
		return -1;
	mask_address(&prefix, &mask);
	if (router.ss_family != AF_UNSPEC)
		find_hardware(&router, link, hardware);
	snprintf(ret, NETWORK_MAX, "%.46s/%u,%.46s%.60s",
	    address_text(&prefix, prefix_text), count_bits(&mask),
	    router.ss_family == AF_UNSPEC ? "direct" : address_text(&router, router_text),
	    hardware);
	return 0;
}
