/*
 * Host names to addresses. getaddrinfo() blocks: in blocking use it may, in event-driven
 * use it runs in a thread that lives as long as the look-up. Numeric addresses need
 * neither.
 *
 * The look-up is shared by two owners, handle and thread, and freed by the last. So a
 * handle can be freed at any moment without waiting for a name server.
 */
#include "client.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

struct lookup {
	atomic_int owners;
	atomic_bool done;
	int fd; /* eventfd: readable when done */
	int family;
	char *host;
	int error; /* of getaddrinfo() */
	int sys_errno;
	struct addresses found;
};

static bool
addresses_has(const struct addresses *a, const struct endpoint *ep)
{
	for (size_t i = 0; i < a->count; i++)
		if (endpoint_same_address(&a->at[i], ep))
			return true;
	return false;
}

/* The first address of a family at or behind from that is not in done yet. */
static const struct endpoint *
pick(const struct addresses *a, int family, const struct addresses *done)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->at[i].family == family && !addresses_has(done, &a->at[i]))
			return &a->at[i];
	return NULL;
}

/* Families by turns, beginning with the one that the system prefers (RFC 8305 4). */
static void
interleave(struct addresses *a)
{
	struct addresses out = {0};
	int family = a->count ? a->at[0].family : AF_INET;

	while (out.count < a->count) {
		const struct endpoint *ep = pick(a, family, &out);

		if (ep)
			out.at[out.count++] = *ep;
		family = family == AF_INET ? AF_INET6 : AF_INET;
	}
	*a = out;
}

static int
look_up(const char *host, int family, int flags, struct addresses *ret)
{
	struct addrinfo hints = {
	    .ai_family = family,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = flags,
	};
	struct addrinfo *list = NULL;
	struct addresses found = {0};
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r != 0)
		return r;
	for (struct addrinfo *ai = list; ai && found.count < ADDRESS_COUNT_MAX;
	     ai = ai->ai_next) {
		struct endpoint ep;

		if (endpoint_from_sockaddr(ai->ai_addr, &ep) == 0 &&
		    !addresses_has(&found, &ep))
			found.at[found.count++] = ep;
	}
	freeaddrinfo(list);
	if (found.count == 0)
		return EAI_NONAME;
	interleave(&found);
	*ret = found;
	return 0;
}

static int
fail_resolve(struct ferry *h, int error, int sys_errno)
{
	_cleanup_free_ char *host = safe_text(h->host);
	char words[ERRNO_MAX];

	if (error == EAI_MEMORY || !host)
		return fail_memory(h);
	if (error == EAI_SYSTEM)
		return fail(h, FERRY_ERESOLVE, sys_errno, "cannot look up %s: %s", host,
		    say_errno(sys_errno, words));
	return fail(h, FERRY_ERESOLVE, 0, "%s has no address%s: %s", host,
	    h->family == AF_INET6  ? " of IPv6"
	    : h->family == AF_INET ? " of IPv4"
				   : "",
	    gai_strerror(error));
}

/* Gives every address the port, and tells the world. */
static void
resolved(struct ferry *h, struct addresses *a)
{
	for (size_t i = 0; i < a->count; i++)
		a->at[i].port = h->port;
	event_emit(h, (struct ferry_event){
			  .kind = FERRY_EV_RESOLVED,
			  .text = h->host,
			  .count = (unsigned)a->count,
		      });
}

void
lookup_release(struct lookup *l)
{
	if (!l || atomic_fetch_sub(&l->owners, 1) > 1)
		return;
	fd_closep(&l->fd);
	free(l->host);
	free(l);
}

int
lookup_fd(const struct lookup *l)
{
	return l->fd;
}

static void *
lookup_thread(void *arg)
{
	struct lookup *l = arg;
	uint64_t one = 1;

	l->error = look_up(l->host, l->family, 0, &l->found);
	l->sys_errno = errno;
	atomic_store(&l->done, true);
	/* an eventfd takes eight bytes at any time: nothing can fail here */
	while (write(l->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	lookup_release(l);
	return NULL;
}

/* The thread takes no signals: they belong to the program's own threads. */
static int
start_detached(struct lookup *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int r = pthread_attr_init(&attr);

	if (r != 0)
		return r;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, lookup_thread, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static int
lookup_start(struct ferry *h)
{
	struct lookup *l = calloc(1, sizeof(*l));
	char words[ERRNO_MAX];
	int r;

	if (!l)
		return fail_memory(h);
	atomic_init(&l->owners, 1);
	atomic_init(&l->done, false);
	l->family = h->family;
	l->host = strdup(h->host);
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!l->host || l->fd < 0) {
		lookup_release(l);
		return fail(h, FERRY_ESYS, errno, "cannot begin to look up a name");
	}
	atomic_store(&l->owners, 2);
	r = start_detached(l);
	if (r != 0) {
		atomic_store(&l->owners, 1);
		lookup_release(l);
		return fail(h, FERRY_ESYS, r,
		    "cannot start a thread to look up a name: %s", say_errno(r, words));
	}
	h->lookup = l;
	h->lookup_deadline = deadline_in(h->timer[FERRY_TIMER_CONNECT]);
	return FERRY_AGAIN;
}

int
resolve_begin(struct ferry *h, struct addresses *ret)
{
	int r = look_up(h->host, h->family, AI_NUMERICHOST, ret);

	if (r != 0 && h->event_driven)
		return lookup_start(h);
	if (r != 0)
		r = look_up(h->host, h->family, 0, ret);
	if (r != 0)
		return fail_resolve(h, r, errno);
	resolved(h, ret);
	return 0;
}

static int
fail_late_look_up(struct ferry *h)
{
	_cleanup_free_ char *host = safe_text(h->host);

	if (!host)
		return fail_memory(h);
	return fail(h, FERRY_ERESOLVE, ETIMEDOUT,
	    "cannot look up %s: the name server did not answer in %.1f s", host,
	    h->timer[FERRY_TIMER_CONNECT] / 1000.0);
}

int
resolve_work(struct ferry *h, struct addresses *ret)
{
	struct lookup *l = h->lookup;
	int r;

	if (!atomic_load(&l->done)) {
		if (!deadline_over(h->lookup_deadline))
			return FERRY_AGAIN;
		h->lookup = NULL;
		lookup_release(l);
		return fail_late_look_up(h);
	}
	h->lookup = NULL;
	r = l->error;
	if (r == 0)
		*ret = l->found;
	else
		r = fail_resolve(h, r, l->sys_errno);
	lookup_release(l);
	if (r == 0)
		resolved(h, ret);
	return r;
}
