/*
 * A call that may go n hops passes n-1 routers: each of them takes one off before it
 * looks at its rules. So a router that swallows calls still says "died here" of those
 * that die there, and one that rejects them does it one hop later. Only a router that is
 * itself meant by the server's address (address translation) decides at its own hop.
 */
#include "locate.h"

#include "address.h"

/* Hops to the machine that has the server's address: the server, or a router before it.
 */
static unsigned
hops_to_address(const struct hops *h, const struct sockaddr_storage *peer)
{
	for (unsigned i = 1; i < h->distance; i++)
		if (h->command[i].kind == HOP_PASSED &&
		    address_same(&h->command[i].who, peer))
			return i;
	return h->distance;
}

/* The first call of that kind; 0: none. */
static unsigned
first_of(const struct hops *h, enum hop_kind kind)
{
	for (unsigned i = 1; i <= HOPS_MAX; i++)
		if (h->data[i].kind == kind)
			return i;
	return 0;
}

static unsigned
last_passed(const struct hops *h)
{
	unsigned last = 0;

	for (unsigned i = 1; i <= HOPS_MAX; i++)
		if (h->data[i].kind == HOP_PASSED)
			last = i;
	return last;
}

/* The first router behind hop i that was heard of on the way of the command connection.
 */
static unsigned
next_heard(const struct hops *h, unsigned i)
{
	for (i++; i < h->distance && h->command[i].kind != HOP_PASSED; i++)
		;
	return i;
}

static bool
all_heard(const struct hops *h)
{
	for (unsigned i = 1; i < h->distance; i++)
		if (h->command[i].kind != HOP_PASSED)
			return false;
	return true;
}

/* Our own network goes as far as the first router, or as the addresses are inner ones. */
static bool
is_ours(const struct hops *h, unsigned hop)
{
	for (unsigned i = 2; i <= hop; i++)
		if (h->command[i].kind != HOP_PASSED ||
		    !address_is_inner(&h->command[i].who))
			return false;
	return true;
}

/* The machine at that hop ends the calls, the server's address is end hops away. */
static enum side
side_of(const struct hops *h, unsigned hop, unsigned end)
{
	if (hop + 1 >= end)
		return SIDE_THEIRS;
	return is_ours(h, hop) ? SIDE_OURS : SIDE_BETWEEN;
}

static void
locate_silence(const struct hops *h, unsigned end, struct location *ret)
{
	unsigned last = last_passed(h), next = next_heard(h, last);

	ret->hop = last;
	if (last > 0)
		ret->who = h->data[last].who;
	ret->side = side_of(h, last + 1 >= end ? last : next - 1, end);
	/* routers that never say anything may stand between */
	if (next > last + 1 && ret->side != SIDE_OURS && last + 1 < end)
		ret->side = SIDE_UNKNOWN;
}

/* By a reset at the i-th hop, in the server's name. */
static void
locate_refusal(const struct hops *h, unsigned i, unsigned end, struct location *ret)
{
	ret->router_itself = ret->nat && i == end;
	ret->hop = ret->router_itself || i >= h->distance ? i : i - 1;
	ret->side = i >= end ? SIDE_THEIRS : side_of(h, ret->hop, end);
	if (ret->hop > 0 && h->command[ret->hop].kind == HOP_PASSED)
		ret->who = h->command[ret->hop].who;
}

static void
locate_rejection(const struct hops *h, unsigned i, unsigned end,
    const struct sockaddr_storage *peer, struct location *ret)
{
	unsigned hop;

	ret->who = h->data[i].who;
	for (hop = 1; hop < h->distance; hop++)
		if (address_same(&h->command[hop].who, &ret->who))
			break;
	if (address_same(&ret->who, peer))
		hop = end;
	else if (hop ==
		 h->distance) /* not heard of before: the one that it died behind */
		hop = i - 1;
	ret->hop = hop;
	ret->side = side_of(h, hop, end);
}

void
locate(const struct hops *hops, const struct sockaddr_storage *peer, struct location *ret)
{
	unsigned refused = first_of(hops, HOP_REFUSED);
	unsigned rejected = first_of(hops, HOP_REJECTED);
	unsigned end = hops_to_address(hops, peer);

	*ret = (struct location){.distance = hops->distance};
	if (!hops->measured || hops->distance == 0)
		return;
	ret->nat = end < hops->distance;
	ret->no_nat = !ret->nat && all_heard(hops);
	if (rejected > 0)
		locate_rejection(hops, rejected, end, peer, ret);
	else if (refused > 0)
		locate_refusal(hops, refused, end, ret);
	else if (hops->data[0].kind == HOP_SILENT)
		locate_silence(hops, end, ret);
}
