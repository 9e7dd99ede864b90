/*
 * bench-load: drives one FTP server with many sessions and counts what comes. Started by
 * bench.py, which talks to it in lines:
 *
 *   all sessions are logged in        -> "ready"
 *   "go"                              -> runs; one line of JSON (tally.h)
 *   end of input, or another line     -> with --do idle every session proves with a NOOP
 *                                        that it still lives, one more line of JSON; ends
 *
 * The sessions stay until then, so that the server's processes can be looked at.
 */
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define EVENTS 256
/* Sessions that log in at the same time. */
#define ENTERING 32
/* A server that does not end an operation within this is stuck. */
#define PATIENCE_NS 10000000000ULL
#define SIP_PAUSE_MS 20

/* ---- epoll ---- */

void
watch_poll(struct watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};
	struct session *s = w->session;
	int how = w->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (epoll_ctl(s->load->epoll, how, w->fd, &e) < 0)
		session_fail(s, "epoll: %s", strerror(errno));
	w->added = true;
}

void
watch_want(struct watch *w, uint32_t events, void (*ready)(struct session *s))
{
	w->events = events;
	w->ready = ready;
	if (!w->shaking)
		watch_poll(w, events);
}

void
watch_start(struct session *s, struct watch *w, int fd, uint32_t events,
    void (*ready)(struct session *s))
{
	*w = (struct watch){.session = s, .fd = fd};
	if (ready != NULL)
		watch_want(w, events, ready);
}

void
watch_stop(struct watch *w)
{
	/* Without it OpenSSL thinks ill of the session, and of its ticket. */
	if (w->ssl != NULL && !w->shaking)
		SSL_shutdown(w->ssl);
	SSL_free(w->ssl);
	w->ssl = NULL;
	fd_closep(&w->fd); /* closing takes it out of epoll */
	w->added = w->shaking = false;
	w->ready = NULL;
}

ssize_t
watch_recv(struct watch *w, void *p, size_t n)
{
	return w->ssl != NULL ? tls_recv(w, p, n) : recv(w->fd, p, n, MSG_DONTWAIT);
}

ssize_t
watch_send(struct watch *w, const void *p, size_t n)
{
	return w->ssl != NULL ? tls_send(w, p, n)
			      : send(w->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
watch_fire(struct watch *w)
{
	if (w->fd >= 0 && (!w->shaking || tls_shake(w)) && w->ready != NULL)
		w->ready(w->session);
}

/* ---- phases ---- */

static void
enter_next(struct load *l)
{
	if (!l->running && l->next < l->count)
		session_connect(&l->sessions[l->next++]);
}

void
load_arrived(struct load *l)
{
	l->waiting--;
	enter_next(l);
}

static void
sip_all(struct load *l)
{
	for (unsigned i = l->plan.sessions; i < l->count; i++)
		data_sip(&l->sessions[i]);
}

/* Serves events until nobody is waited for. What is stuck is an error of its own. */
static void
serve(struct load *l, uint64_t limit)
{
	struct epoll_event events[EVENTS];
	uint64_t sipped = now_ns();

	while (l->waiting > 0) {
		int n =
		    epoll_wait(l->epoll, events, EVENTS, l->plan.slow > 0 ? 10 : 1000);

		for (int i = 0; i < n; i++)
			watch_fire(events[i].data.ptr);
		uint64_t now = now_ns();
		if (l->running && l->plan.slow > 0 &&
		    now - sipped > SIP_PAUSE_MS * 1000000) {
			sip_all(l);
			sipped = now;
		}
		if (now > limit) {
			tally_error(&l->tally, "operations did not come to an end");
			return;
		}
	}
}

static void
enter(struct load *l)
{
	l->waiting = l->count;
	if (l->plan.deed == DEED_LOGIN)
		l->waiting = 0;
	for (unsigned i = 0; i < ENTERING && l->plan.deed != DEED_LOGIN; i++)
		enter_next(l);
	serve(l, now_ns() + 5 * PATIENCE_NS);
}

/* Calls begin for every session that has not failed yet. */
static void
for_all(struct load *l, unsigned n, void (*begin)(struct session *s))
{
	l->waiting = 1; /* held until all have begun */
	for (unsigned i = 0; i < n; i++) {
		if (l->sessions[i].failed)
			continue;
		l->waiting++;
		begin(&l->sessions[i]);
	}
	l->waiting--;
}

static void
run(struct load *l)
{
	l->running = true;
	l->tally.began = now_ns();
	l->until = l->tally.began + (uint64_t)(l->plan.seconds * 1e9);
	l->tally.closed = l->until;
	if (l->plan.deed == DEED_IDLE)
		return;
	for_all(l, l->plan.sessions, session_next);
	serve(l, l->until + PATIENCE_NS);
}

static void
prove(struct session *s)
{
	s->state = STATE_NOOP;
	session_send(s, "NOOP", NULL);
}

/* ---- talking to bench.py ---- */

static bool
told_to_go(void)
{
	char line[64];

	return fgets(line, sizeof(line), stdin) != NULL;
}

static void
talk(struct load *l)
{
	enter(l);
	if (l->tally.errors > 0) {
		tally_print(&l->tally, stdout);
		return;
	}
	puts("ready");
	fflush(stdout);
	if (!told_to_go())
		return;
	run(l);
	tally_print(&l->tally, stdout);
	told_to_go();
	if (l->plan.deed != DEED_IDLE)
		return;
	for_all(l, l->count, prove);
	serve(l, now_ns() + PATIENCE_NS);
	tally_print(&l->tally, stdout);
}

/* ---- what all sessions share ---- */

/* Uploads need bytes to send: a memfd of their size. */
static int
make_source(const struct plan *p)
{
	static uint8_t block[1024 * 1024];
	int fd = memfd_create("upload", MFD_CLOEXEC);

	if (p->deed != DEED_STOR || fd < 0)
		return fd;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 2654435761U >> 13);
	for (uint64_t at = 0; at < p->size; at += sizeof(block)) {
		uint64_t left = p->size - at;
		if (write(fd, block, left < sizeof(block) ? left : sizeof(block)) < 0) {
			fd_closep(&fd);
			return -1;
		}
	}
	return fd;
}

static const uint8_t *
map_source(const struct load *l)
{
	void *p = NULL;

	if (l->plan.deed == DEED_STOR && l->plan.size > 0)
		p = mmap(NULL, l->plan.size, PROT_READ, MAP_SHARED, l->source, 0);
	return p == MAP_FAILED ? NULL : p;
}

static int
load_init(struct load *l)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	l->count = l->plan.sessions + l->plan.slow;
	l->sessions = calloc(l->count > 0 ? l->count : 1, sizeof(*l->sessions));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->source = make_source(&l->plan);
	if (l->sessions == NULL || l->epoll < 0 || l->source < 0)
		return -FERRY_ESYS;
	l->bytes = map_source(l);
	if (l->plan.tls && tls_init(l) < 0)
		return -FERRY_ESYS;
	for (unsigned i = 0; i < l->count; i++) {
		struct session *s = &l->sessions[i];

		s->load = l;
		s->number = i;
		s->slow = i >= l->plan.sessions;
		s->control.fd = s->data.fd = s->listener.fd = -1;
	}
	return 0;
}

static void
load_free(struct load *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		session_close(&l->sessions[i]);
		block_free(l->sessions[i].block);
		SSL_SESSION_free(l->sessions[i].ticket);
	}
	free(l->sessions);
	tls_free(l);
}

int
main(int argc, char **argv)
{
	static struct load load;

	plan_parse(&load.plan, argc, argv);
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	if (load_init(&load) < 0) {
		perror("bench-load");
		return 1;
	}
	talk(&load);
	load_free(&load);
	return load.tally.errors > 0 ? 1 : 0;
}
