/*
 * The memory of ways, at work. EPSV that works is what one expects: then there is nothing
 * to remember. A line is as old as its failures are: what works because of it does not
 * renew it, so that after a week the usual order finds out whether a firewall was mended.
 */
#include "memory.h"

#include "own.h"

#include <time.h>

void
memory_init(struct memory *m, char *path)
{
	*m = (struct memory){.path = path};
}

void
memory_clear(struct memory *m)
{
	free(m->path);
	*m = (struct memory){.path = NULL};
}

/* ---------------------------------------------------------------- recall */

void
memory_connect(struct memory *m, const char *host, uint16_t port)
{
	m->open = m->has_way = m->moved = false;
	m->seen = (struct way){.mode = FERRY_MODE_AUTO};
	m->key = (struct way_key){.port = port};
	snprintf(m->key.host, sizeof m->key.host, "%s", host);
}

/* "EPSV (no answer), PASV (the port was refused)" */
static void
list_failures(const struct way *way, char *out, size_t cap)
{
	size_t at = 0;

	*out = '\0';
	for (int i = 0; i <= FERRY_MODE_PORT; i++)
		if (way->failed[i] != HOW_NONE && at < cap)
			at += (size_t)snprintf(out + at, cap - at, "%s%s (%s)",
			    at > 0 ? ", " : "", way_name((enum ferry_mode)i),
			    way_how_text(way->failed[i]));
}

static void
tell_handle(struct memory *m, struct ferry *h)
{
	char failed[200], why[300];

	list_failures(&m->way, failed, sizeof failed);
	snprintf(why, sizeof why, "it worked from this network before%s%s",
	    *failed == '\0' ? "" : ", and this did not: ", failed);
	(void)ferry_set_first_way(h, m->way.mode, why);
}

/* The session before was not tried, because of this one. */
static void
tell_family(struct memory *m, struct ferry *h)
{
	char failed[200], why[300];
	bool four = m->key.family == AF_INET;

	list_failures(&m->left_way, failed, sizeof failed);
	snprintf(why, sizeof why,
	    "%s worked from this network before, and over %s this did not: %s",
	    four ? "IPv4" : "IPv6", four ? "IPv6" : "IPv4", failed);
	(void)ferry_set_first_way(h, FERRY_MODE_EPSV, why);
}

/* Are we here because of what the file says of the other family? */
static bool
is_other_family(const struct memory *m)
{
	const struct way_key *k = &m->left_key;

	return m->left && m->chose && k->family != m->key.family &&
	       k->port == m->key.port && strcmp(k->host, m->key.host) == 0;
}

void
memory_begin(struct memory *m, struct ferry *h)
{
	struct ferry_tls_info info = {.struct_size = sizeof info};
	struct sockaddr_storage own, peer;

	if (m->path == NULL || ferry_local_address(h, &own) < 0 ||
	    ferry_remote_address(h, &peer) < 0 ||
	    network_identify(&own, &peer, m->key.network) < 0)
		return;
	m->key.family = own.ss_family;
	m->key.tls = ferry_tls_info(h, &info) == 0;
	m->open = ways_can_store(&m->key);
	m->has_way = m->open && ways_lookup(m->path, &m->key, time(NULL), &m->way);
	if (m->has_way && m->way.mode != FERRY_MODE_AUTO)
		tell_handle(m, h);
	else if (is_other_family(m))
		tell_family(m, h);
}

bool
memory_is_elsewhere(const struct memory *m)
{
	return m->open && m->has_way && m->way.mode == FERRY_MODE_AUTO;
}

bool
memory_is_active(const struct memory *m)
{
	return m->open && m->has_way &&
	       (m->way.mode == FERRY_MODE_EPRT || m->way.mode == FERRY_MODE_PORT);
}

void
memory_leave(struct memory *m, bool tried)
{
	m->left = m->open;
	m->chose = m->left && !tried;
	m->left_key = m->key;
	m->left_way = tried ? m->seen : m->way;
	m->left_way.mode = FERRY_MODE_AUTO;
}

/* ---------------------------------------------------------------- experience */

void
memory_event(struct memory *m, const struct ferry_event *ev)
{
	if (ev->kind == FERRY_EV_MODE)
		m->now = ev->mode;
	else if (ev->kind == FERRY_EV_TRANSFER)
		m->moved = true;
	else if (ev->kind == FERRY_EV_MODE_FAILED && *way_name(ev->mode) != '\0')
		m->seen.failed[ev->mode] = way_how_of(ev);
}

bool
memory_failed(const struct memory *m, enum ferry_mode way)
{
	return m->seen.failed[way] != HOW_NONE;
}

void
memory_carry(struct memory *m, const struct way *seen)
{
	for (int i = 0; i <= FERRY_MODE_PORT; i++)
		m->seen.failed[i] = seen->failed[i];
}

static void
store(struct memory *m, const struct way_key *key, const struct way *way)
{
	(void)ways_store(m->path, key, way, time(NULL));
}

void
memory_return(struct memory *m)
{
	if (m->left && m->chose)
		store(m, &m->left_key, NULL);
	m->left = m->chose = false;
}

/* NULL: there is nothing remarkable about this session. */
static void
keep(struct memory *m, const struct way *way)
{
	if (way == NULL && !m->has_way)
		return;
	store(m, &m->key, way);
	m->has_way = way != NULL;
	if (way != NULL)
		m->way = *way;
}

static bool
has_failures(const struct way *way)
{
	for (int i = 0; i <= FERRY_MODE_PORT; i++)
		if (way->failed[i] != HOW_NONE)
			return true;
	return false;
}

static void
worked(struct memory *m)
{
	if (m->left && !m->chose)
		store(m, &m->left_key, &m->left_way);
	m->left = false;
	if (m->has_way && m->way.mode == m->now)
		return;
	m->seen.mode = m->now;
	m->seen.failed[m->now] = HOW_NONE;
	if (m->now == FERRY_MODE_EPSV)
		keep(m, NULL);
	else if (has_failures(&m->seen))
		keep(m, &m->seen);
}

void
memory_settle(struct memory *m, int result)
{
	bool moved = m->moved;

	m->moved = false;
	if (!m->open || m->now == FERRY_MODE_AUTO)
		return;
	if (result == 0 && moved)
		worked(m);
	else if (result == -FERRY_EDATA && m->seen.failed[m->way.mode] != HOW_NONE)
		keep(m, NULL);
}
