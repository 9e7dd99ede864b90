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
#include <arpa/inet.h>
#include <ferry/ferry.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

#define EVENTS 256
/* Sessions that log in at the same time. */
#define ENTERING 32
/* A server that does not end an operation within this is stuck. */
#define PATIENCE_NS 20000000000ULL
#define SIP_PAUSE_MS 20

/* ---- epoll ---- */

void
watch_start(struct session *s, struct watch *w, int fd, uint32_t events,
    void (*ready)(struct session *s))
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	*w = (struct watch){.session = s, .fd = fd, .ready = ready};
	if (ready != NULL && epoll_ctl(s->load->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		session_fail(s, "epoll: %s", strerror(errno));
}

void
watch_stop(struct watch *w)
{
	fd_closep(&w->fd); /* closing takes it out of epoll */
	w->ready = NULL;
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

		for (int i = 0; i < n; i++) {
			struct watch *w = events[i].data.ptr;
			if (w->fd >= 0 && w->ready != NULL)
				w->ready(w->session);
		}
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

/* ---- command line ---- */

struct choice {
	const char *word;
	int value;
};

static const struct choice deeds[] = {
    {"retr", DEED_RETR},
    {"stor", DEED_STOR},
    {"list", DEED_LIST},
    {"mlsd", DEED_MLSD},
    {"login", DEED_LOGIN},
    {"idle", DEED_IDLE},
    {NULL, 0},
};

static const struct choice ways[] = {
    {"epsv", WAY_EPSV},
    {"pasv", WAY_PASV},
    {"eprt", WAY_EPRT},
    {"port", WAY_PORT},
    {NULL, 0},
};

static int
usage(void)
{
	fputs("usage: bench-load --port N --do retr|stor|list|mlsd|login|idle\n"
	      "  [--way epsv|pasv|eprt|port] [--host ADDRESS] [--user NAME] "
	      "[--password WORD]\n"
	      "  [--path PATH] [--size BYTES] [--sessions N] [--seconds S] [--most N]\n"
	      "  [--slow N --slow-path PATH]\n"
	      "In PATH, # stands for the session's number.\n",
	    stderr);
	return 2;
}

static int
choose(const struct choice *c, const char *word)
{
	for (; c->word != NULL; c++)
		if (strcmp(c->word, word) == 0)
			return c->value;
	exit(usage());
}

static uint64_t
number(const char *text, uint64_t max)
{
	uint64_t value;

	if (parse_uint(text, strlen(text), max, &value) < 0)
		exit(usage());
	return value;
}

static void
set_host(struct plan *p, const char *text)
{
	if (inet_pton(AF_INET, text, &p->server.sin_addr) != 1)
		exit(usage());
}

static void
set(struct plan *p, int option, const char *value)
{
	switch (option) {
	case 'h':
		set_host(p, value);
		break;
	case 'P':
		p->server.sin_port = htons((uint16_t)number(value, 65535));
		break;
	case 'd':
		p->deed = (enum deed)choose(deeds, value);
		break;
	case 'w':
		p->way = (enum way)choose(ways, value);
		break;
	case 'u':
		p->user = value;
		break;
	case 'p':
		p->password = value;
		break;
	case 'f':
		p->path = value;
		break;
	case 's':
		p->size = number(value, INT64_MAX);
		p->any_size = false;
		break;
	case 'n':
		p->sessions = (unsigned)number(value, 1000000);
		break;
	case 't':
		p->seconds = strtod(value, NULL);
		break;
	case 'm':
		p->most = number(value, UINT64_MAX);
		break;
	case 'S':
		p->slow = (unsigned)number(value, 100000);
		break;
	case 'F':
		p->slow_path = value;
		break;
	default:
		exit(usage());
	}
}

static void
parse(struct plan *p, int argc, char **argv)
{
	static const struct option options[] = {
	    {"host", required_argument, NULL, 'h'},
	    {"port", required_argument, NULL, 'P'},
	    {"do", required_argument, NULL, 'd'},
	    {"way", required_argument, NULL, 'w'},
	    {"user", required_argument, NULL, 'u'},
	    {"password", required_argument, NULL, 'p'},
	    {"path", required_argument, NULL, 'f'},
	    {"size", required_argument, NULL, 's'},
	    {"sessions", required_argument, NULL, 'n'},
	    {"seconds", required_argument, NULL, 't'},
	    {"most", required_argument, NULL, 'm'},
	    {"slow", required_argument, NULL, 'S'},
	    {"slow-path", required_argument, NULL, 'F'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	*p = (struct plan){
	    .server.sin_family = AF_INET,
	    .user = "anonymous",
	    .password = "bench@",
	    .path = "/",
	    .slow_path = "/",
	    .any_size = true,
	    .sessions = 1,
	    .seconds = 1,
	};
	set_host(p, "127.0.0.1");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		set(p, c, optarg);
	if (optind != argc || p->server.sin_port == 0)
		exit(usage());
}

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
	for (unsigned i = 0; i < l->count; i++) {
		struct session *s = &l->sessions[i];

		s->load = l;
		s->number = i;
		s->slow = i >= l->plan.sessions;
		s->control.fd = s->data.fd = s->listener.fd = -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static struct load load;

	parse(&load.plan, argc, argv);
	if (load_init(&load) < 0) {
		perror("bench-load");
		return 1;
	}
	talk(&load);
	free(load.sessions);
	return load.tally.errors > 0 ? 1 : 0;
}
