/*
 * A worker with everything around it in one process and one event loop: a master, an auth
 * and an agent made of channels, and a client on loopback TCP. For test_dispatch.c and
 * test_session.c. Nothing here waits by the clock: the loop runs until what is expected
 * has come, or the test has failed.
 */
#ifndef FERRY_TESTS_WORKER_WORLD_H
#define FERRY_TESTS_WORKER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "chan.h"
#include "conf.h"
#include "endpoint.h"
#include "fdpass.h"
#include "grant.h"
#include "row.h"
#include "worker.h"

#define WORLD_PATIENCE_MS 30000
#define WORLD_FILES 8

struct world;
/* Sees each answer of the agent first. True: it has taken it, and *fd. */
typedef bool world_answer_cb(struct world *w, struct msg *back, int *fd);

/* What the agent holds: files by their absolute path. */
struct world_file {
	char path[64];
	int fd; /* a memfd */
};

struct world {
	uv_loop_t loop;
	uv_timer_t patience, tick;
	bool too_late;
	struct conf conf;
	struct worker worker;
	bool worker_ended;
	struct chan *master, *auth, *agent; /* our ends */
	bool agent_given, agent_mute, master_mute;
	unsigned counted;           /* MASTER_PEER */
	world_answer_cb *on_answer; /* NULL: every answer is sent as it is */
	int agent_end; /* the worker's end, until it is granted */
	struct world_file files[WORLD_FILES];
	int stored;               /* memfd of the last upload, or -1 */
	unsigned commits, aborts; /* COMMIT complete, and not */
	unsigned commit_error;
	const char *message;   /* of directories */
	const char *facts;     /* what MLST tells */
	bool stores_read_only; /* STORE gives a file that cannot be written */
	bool gives_devices;    /* OPEN and STORE give no file, but /dev/zero */
	bool inlines;          /* small files come with the answer */
	uint8_t inlined[16384];
	uint8_t row[16384];    /* the answer to AGENT_ROW: small files, if inlines */
	unsigned opens, rows;  /* so often was asked for a file, for a row of them */
	uint64_t lie;          /* for a test's own on_answer */
	size_t rest_n;         /* bytes that came with COMMIT */
	int store_flags;       /* of the descriptor that STORE gives */
	const char *listing;   /* what LIST sends */
	int listing_status;    /* its last byte; -1: none */
	int listing_end;       /* a pipe's write end that the test keeps, or -1 */
	bool keep_listing_open;
	struct msg_agent_list asked_list;
	uint64_t asked_offset; /* of OPEN */
	char asked_path[4096], asked_pattern[256], asked_shown[4096];
	char asked_peer[65];
	struct msg_agent_change asked_change;
	unsigned logins, logouts, closed, binds, stats;
	int bind_error;  /* what MASTER_BIND is answered with; 0: a socket */
	char log[65536]; /* lines, kind in front */
	int listener;    /* the "public" port: clients connect here */
	struct endpoint at;
	uint32_t sessions;
	int client;
	bool client_eof;
	struct buf got;
};

/* ---- the loop ---- */

static inline void
world_on_patience(uv_timer_t *timer)
{
	struct world *w = timer->data;

	w->too_late = true;
}

static inline void
world_read(struct world *w)
{
	uint8_t chunk[4096];
	ssize_t n;

	while (w->client >= 0 &&
	       (n = recv(w->client, chunk, sizeof(chunk), MSG_DONTWAIT)) >= 0) {
		if (n == 0) {
			w->client_eof = true;
			return;
		}
		assert_int_equal(buf_append(&w->got, chunk, (size_t)n), 0);
	}
	if (w->client >= 0 && errno == ECONNRESET)
		w->client_eof = true;
}

/* One turn of everything. A client's socket is looked at every few milliseconds at the
 * latest. */
static inline void
world_turn(struct world *w)
{
	uv_run(&w->loop, UV_RUN_ONCE);
	world_read(w);
	if (w->too_late)
		fail_msg("nothing came any more; so far: %s", buf_cstr(&w->got));
}

static inline void
world_nothing(uv_timer_t *timer)
{
}

#define WORLD_UNTIL(w, condition)                                                        \
	do {                                                                             \
		world_read(w);                                                           \
		while (!(condition))                                                     \
			world_turn(w);                                                   \
	} while (0)

/* ---- the master and auth ---- */

static inline void
world_grant(struct world *w, uint32_t session)
{
	struct msg m = {
	    .type = MSG_WORKER_GRANT,
	    .worker_grant =
		{
		    .session = session,
		    .grant = 7,
		    .agent = 3,
		    .user = bytes_of("somebody"),
		    .cwd = bytes_of("/home"),
		    .rights = RIGHT_ALL,
		    .umask = 077,
		},
	};

	chan_send(w->master, &m, w->agent_given ? -1 : fd_take(&w->agent_end));
	w->agent_given = true;
}

static inline void
world_bind(struct world *w, const struct msg *m)
{
	struct bytes address = m->master_bind.address;
	struct msg back = {.type = MSG_WORKER_BOUND, .id = m->id};
	struct endpoint at = {.family = address.n == 4 ? AF_INET : AF_INET6};
	struct sockaddr_storage ss;
	int fd = -1;

	w->binds++;
	memcpy(address.n == 4 ? (void *)&at.v4 : (void *)&at.v6, address.p, address.n);
	back.worker_bound.error = (uint32_t)w->bind_error;
	if (w->bind_error == 0) {
		socklen_t len = endpoint_to_sockaddr(&at, &ss);

		fd = socket(at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	}
	assert_int_equal(chan_send(w->master, &back, fd), 0);
}

/* A proxy's client: nothing is said when the master is mute. */
static inline void
world_count(struct world *w, const struct msg *m)
{
	struct msg back = {.type = MSG_WORKER_PEER, .id = m->id};

	w->counted++;
	if (!w->master_mute)
		assert_int_equal(chan_send(w->master, &back, -1), 0);
}

static inline void
world_on_master(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct world *w = user;

	if (m->type == MSG_MASTER_CLOSED)
		w->closed++;
	if (m->type == MSG_MASTER_LOGOUT)
		w->logouts++;
	if (m->type == MSG_MASTER_LOG) {
		size_t n = strlen(w->log);

		snprintf(w->log + n, sizeof(w->log) - n, "%d %.*s\n", m->master_log.kind,
		    (int)m->master_log.text.n, (const char *)m->master_log.text.p);
	}
	if (m->type == MSG_MASTER_BIND)
		world_bind(w, m);
	if (m->type == MSG_MASTER_PEER)
		world_count(w, m);
}

static inline void
world_on_auth(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct world *w = user;
	struct bytes password = m->auth_login.password;

	w->logins++;
	snprintf(w->asked_peer, sizeof(w->asked_peer), "%.*s", (int)m->auth_login.peer.n,
	    (const char *)m->auth_login.peer.p);
	if (password.n == 5 && memcmp(password.p, "right", 5) == 0) {
		world_grant(w, m->auth_login.session);
		return;
	}
	if (password.n == 4 && memcmp(password.p, "none", 4) == 0)
		return; /* auth thinks for ever */
	struct msg back = {
	    .type = MSG_WORKER_DENIED,
	    .worker_denied = {.session = m->auth_login.session},
	};
	assert_int_equal(chan_send(w->auth, &back, -1), 0);
}

/* ---- the agent ---- */

static inline struct world_file *
world_file(struct world *w, const char *path)
{
	for (size_t i = 0; i < WORLD_FILES; i++) {
		if (strcmp(w->files[i].path, path) == 0)
			return &w->files[i];
	}
	return NULL;
}

static inline void
world_add_file(struct world *w, const char *path, const void *p, size_t n)
{
	for (size_t i = 0; i < WORLD_FILES; i++) {
		struct world_file *f = &w->files[i];

		if (f->path[0] != '\0')
			continue;
		snprintf(f->path, sizeof(f->path), "%s", path);
		f->fd = memfd_create("file", MFD_CLOEXEC);
		assert_int_equal(write(f->fd, p, n), n);
		return;
	}
	fail();
}

static inline int
world_device(void)
{
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static inline int
world_read_only(void)
{
	char path[32];
	int fd = memfd_create("full", MFD_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return r;
}

static inline void
world_answer_file(struct world *w, const char *path, bool open, uint64_t offset,
    uint32_t inlined, struct msg *back, int *ret_fd)
{
	struct world_file *f = world_file(w, path);

	if (f == NULL) {
		back->worker_answer.error = ENOENT;
		back->worker_answer.text = bytes_of("no such file");
		return;
	}
	back->worker_answer.type = TYPE_FILE;
	back->worker_answer.size = (uint64_t)lseek(f->fd, 0, SEEK_END);
	back->worker_answer.mtime = 1000000000;
	uint64_t left = back->worker_answer.size - offset;
	if (open && offset > back->worker_answer.size)
		back->worker_answer.error = EINVAL;
	else if (open && w->inlines && left <= inlined)
		back->worker_answer.text = (struct bytes){.p = w->inlined,
		    .n = (size_t)pread(f->fd, w->inlined, left, (off_t)offset)};
	else if (open)
		*ret_fd =
		    w->gives_devices ? world_device() : fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
}

/* One file of a row; false: it goes alone. */
static inline bool
world_row_file(struct world *w, const char *path, size_t *at)
{
	const struct world_file *f = world_file(w, path);
	off_t size = f != NULL ? lseek(f->fd, 0, SEEK_END) : 0;
	uint32_t n = (uint32_t)size;

	if (f == NULL || !w->inlines || size > (off_t)(sizeof(w->row) - *at - ROW_HEADER))
		return false;
	memcpy(w->row + *at, &n, ROW_HEADER);
	assert_int_equal(pread(f->fd, w->row + *at + ROW_HEADER, n, 0), n);
	*at += ROW_HEADER + n;
	return true;
}

static inline void
world_answer_row(struct world *w, struct bytes paths, struct msg *back)
{
	bool more = true;
	const char *path;
	size_t at = 0;
	int r;

	w->rows++;
	while (more && (r = row_get_path(&paths, &path)) > 0) {
		more = world_row_file(w, path, &at);
		back->worker_answer.size++;
		if (more)
			snprintf(w->asked_path, sizeof(w->asked_path), "%s", path);
	}
	assert_true(r >= 0);
	w->asked_offset = 0;
	back->worker_answer.type = at > 0 ? TYPE_FILE : TYPE_OTHER;
	back->worker_answer.text = (struct bytes){.p = w->row, .n = at};
}

static inline int
world_list(struct world *w)
{
	int pipe[2];

	assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
	assert_int_equal(
	    write(pipe[1], w->listing, strlen(w->listing)), strlen(w->listing));
	if (w->keep_listing_open) {
		w->listing_end = pipe[1];
		return pipe[0];
	}
	if (w->listing_status >= 0) {
		uint8_t status = (uint8_t)w->listing_status;

		assert_int_equal(write(pipe[1], &status, 1), 1);
	}
	close(pipe[1]);
	return pipe[0];
}

static inline void
world_keep(char *out, size_t cap, struct bytes b)
{
	snprintf(out, cap, "%.*s", (int)b.n, (const char *)b.p);
}

static inline void
world_on_agent(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct world *w = user;
	struct msg back = {.type = MSG_WORKER_ANSWER, .id = m->id};
	int fd = -1;

	if (w->agent_mute)
		return;
	switch (m->type) {
	case MSG_AGENT_ROW:
		world_answer_row(w, m->agent_row.paths, &back);
		break;
	case MSG_AGENT_OPEN:
		w->opens++;
		world_keep(w->asked_path, sizeof(w->asked_path), m->agent_open.path);
		w->asked_offset = m->agent_open.offset;
		world_answer_file(w, w->asked_path, true, m->agent_open.offset,
		    m->agent_open.inlined, &back, &fd);
		break;
	case MSG_AGENT_STAT:
		w->stats++;
		world_keep(w->asked_path, sizeof(w->asked_path), m->agent_stat.path);
		world_answer_file(w, w->asked_path, false, 0, 0, &back, &fd);
		break;
	case MSG_AGENT_CHDIR:
		world_keep(w->asked_path, sizeof(w->asked_path), m->agent_chdir.path);
		if (strstr(w->asked_path, "missing") != NULL)
			back.worker_answer.error = ENOENT;
		else if (m->agent_chdir.message)
			back.worker_answer.text = bytes_of(
			    w->message != NULL ? w->message : "226 hello\r\nsecond\n");
		break;
	case MSG_AGENT_LIST:
		w->asked_list = m->agent_list;
		world_keep(w->asked_path, sizeof(w->asked_path), m->agent_list.path);
		world_keep(
		    w->asked_pattern, sizeof(w->asked_pattern), m->agent_list.pattern);
		world_keep(w->asked_shown, sizeof(w->asked_shown), m->agent_list.shown);
		if (strstr(w->asked_path, "missing") != NULL)
			back.worker_answer.error = ENOENT;
		else
			fd = world_list(w);
		break;
	case MSG_AGENT_FACTS:
		back.worker_answer.text =
		    bytes_of(w->facts != NULL ? w->facts : "type=dir; /home");
		break;
	case MSG_AGENT_STORE:
		world_keep(w->asked_path, sizeof(w->asked_path), m->agent_store.path);
		if (strstr(w->asked_path, "denied") != NULL) {
			back.worker_answer.error = EACCES;
			break;
		}
		if (w->stored >= 0)
			close(w->stored);
		w->stored = w->gives_devices ? world_device()
					     : memfd_create("upload", MFD_CLOEXEC);
		fd = w->stores_read_only ? world_read_only()
					 : fcntl(w->stored, F_DUPFD_CLOEXEC, 3);
		if (w->store_flags != 0)
			assert_int_equal(fcntl(fd, F_SETFL, w->store_flags), 0);
		back.worker_answer.upload = 9;
		if (m->agent_store.how == STORE_UNIQUE)
			back.worker_answer.text = bytes_of("file.0123");
		break;
	case MSG_AGENT_COMMIT:
		w->rest_n = m->agent_commit.rest.n;
		if (w->stored >= 0 && !w->stores_read_only)
			assert_int_equal(
			    write(w->stored, m->agent_commit.rest.p, w->rest_n),
			    w->rest_n);
		if (m->agent_commit.complete)
			w->commits++;
		else
			w->aborts++;
		back.worker_answer.error = w->commit_error;
		break;
	case MSG_AGENT_CHANGE:
		w->asked_change = m->agent_change;
		world_keep(w->asked_path, sizeof(w->asked_path), m->agent_change.path);
		back.worker_answer.mtime = m->agent_change.mtime;
		break;
	default:
		break;
	}
	if (w->on_answer == NULL || !w->on_answer(w, &back, &fd))
		assert_int_equal(chan_send(w->agent, &back, fd), 0);
}

static inline void
world_on_end(struct chan *c, const char *why, void *user)
{
	struct world *w = user;

	if (c == w->agent)
		w->agent = NULL;
	if (c == w->auth)
		w->auth = NULL;
	if (c == w->master)
		w->master = NULL;
	chan_free(c);
}

static inline void
world_worker_ended(struct worker *worker, const char *why, void *user)
{
	struct world *w = user;

	w->worker_ended = true;
}

/* ---- the client ---- */

static inline void
world_connect(struct world *w)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&w->at, &ss);
	struct msg m = {
	    .type = MSG_WORKER_SESSION,
	    .worker_session = {.session = ++w->sessions, .slot = 0},
	};

	if (w->client >= 0)
		close(w->client);
	buf_clear(&w->got);
	w->client_eof = false;
	w->client = socket(w->at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(w->client, (struct sockaddr *)&ss, len), 0);
	int server = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	assert_int_equal(chan_send(w->master, &m, server), 0);
}

static inline void
world_send(struct world *w, const void *p, size_t n)
{
	assert_int_equal(send(w->client, p, n, MSG_NOSIGNAL), n);
}

static inline void
world_say(struct world *w, const char *line)
{
	char text[16384];

	world_send(w, text, (size_t)snprintf(text, sizeof(text), "%s\r\n", line));
}

/* The next line the client reads, without its CR LF; valid until the next call. */
static inline const char *
world_hear(struct world *w)
{
	static char line[16384];
	const uint8_t *end;

	WORLD_UNTIL(
	    w, (end = memmem(buf_data(&w->got), buf_len(&w->got), "\r\n", 2)) != NULL ||
		   w->client_eof);
	if (end == NULL)
		return "(end)";
	size_t n = (size_t)(end - buf_data(&w->got));
	assert_true(n < sizeof(line));
	memcpy(line, buf_data(&w->got), n);
	line[n] = '\0';
	buf_consume(&w->got, n + 2);
	return line;
}

/* The next line must begin like this. */
static inline void
world_expect(struct world *w, const char *begin)
{
	const char *line = world_hear(w);

	if (strncmp(line, begin, strlen(begin)) != 0)
		fail_msg("expected \"%s\", heard \"%s\"", begin, line);
}

static inline void
world_ask(struct world *w, const char *line, const char *begin)
{
	world_say(w, line);
	world_expect(w, begin);
}

static inline void
world_login(struct world *w)
{
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "PASS right", "230 ");
}

/* ---- data connections of the client ---- */

static inline int
world_dial(struct world *w, uint16_t port)
{
	struct endpoint to = w->at;
	struct sockaddr_storage ss;

	to.port = port;
	socklen_t len = endpoint_to_sockaddr(&to, &ss);
	int fd = socket(to.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* EPSV, and the connection. */
static inline int
world_epsv(struct world *w)
{
	unsigned port = 0;

	world_say(w, "EPSV");
	assert_int_equal(
	    sscanf(world_hear(w), "229 Entering Extended Passive Mode (|||%u|)", &port),
	    1);
	int fd = world_dial(w, (uint16_t)port);
	assert_true(fd >= 0);
	return fd;
}

/* The next n bytes of a data connection are these. */
static inline void
world_expect_bytes(struct world *w, int fd, const void *want, size_t n)
{
	uint8_t got[4096];
	size_t at = 0;

	while (at < n) {
		size_t room = n - at < sizeof(got) ? n - at : sizeof(got);
		ssize_t r = recv(fd, got, room, MSG_DONTWAIT);

		if (r > 0) {
			assert_memory_equal(got, (const uint8_t *)want + at, r);
			at += (size_t)r;
		} else if (r == 0 || errno != EAGAIN) {
			fail_msg("the connection ended after %zu of %zu bytes", at, n);
		} else {
			world_turn(w);
		}
	}
}

/* Reads a data connection to its end. -1: it was reset. */
static inline ssize_t
world_slurp(struct world *w, int fd, uint8_t *p, size_t cap)
{
	size_t got = 0;

	for (;;) {
		ssize_t n = recv(fd, p + got, cap - got, MSG_DONTWAIT);

		if (n > 0) {
			got += (size_t)n;
			assert_true(got < cap);
		} else if (n == 0) {
			return (ssize_t)got;
		} else if (errno != EAGAIN) {
			return -1;
		} else {
			world_turn(w);
		}
	}
}

/* ---- birth and death ---- */

static inline void
world_open_channels(struct world *w)
{
	int master[2], auth[2], agent[2];
	struct msg m = {.type = MSG_WORKER_AUTH};

	assert_int_equal(fdpass_pair(master), 0);
	assert_int_equal(fdpass_pair(auth), 0);
	assert_int_equal(fdpass_pair(agent), 0);
	assert_int_equal(worker_init(&w->worker, &w->loop, &w->conf, NULL, master[1],
			     world_worker_ended, w),
	    0);
	w->master = chan_new(&w->loop, master[0], ROLE_MASTER, ROLE_WORKER,
	    world_on_master, world_on_end, w);
	w->auth = chan_new(
	    &w->loop, auth[0], ROLE_AUTH, ROLE_WORKER, world_on_auth, world_on_end, w);
	w->agent = chan_new(
	    &w->loop, agent[0], ROLE_AGENT, ROLE_WORKER, world_on_agent, world_on_end, w);
	w->agent_end = agent[1];
	assert_int_equal(chan_send(w->master, &m, auth[1]), 0);
}

/* A listener that ends up wherever the system likes; the passive range is moved to free
 * ports too. */
static inline void
world_listen(struct world *w, const char *address)
{
	struct sockaddr_storage ss;
	socklen_t len;

	assert_int_equal(endpoint_from_text(address, &w->at), 0);
	len = endpoint_to_sockaddr(&w->at, &ss);
	w->listener = socket(w->at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(w->listener, 16), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &w->at), 0);
}

static inline struct world *
world_new(const char *address)
{
	struct world *w = calloc(1, sizeof(*w));

	w->client = w->stored = w->listing_end = -1;
	w->listing = "";
	buf_init(&w->got, 1 << 20);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	uv_timer_init(&w->loop, &w->patience);
	w->patience.data = w;
	uv_timer_start(&w->patience, world_on_patience, WORLD_PATIENCE_MS, 0);
	assert_int_equal(conf_init(&w->conf), 0);
	w->conf.delay_failed_login = 0;
	world_listen(w, address);
	world_open_channels(w);
	return w;
}

/* Rings all the time, so that a turn never waits for a socket that the loop does not
 * know. */
static inline void
world_start_tick(struct world *w)
{
	uv_timer_init(&w->loop, &w->tick);
	uv_timer_start(&w->tick, world_nothing, 1, 1);
}

static inline int
world_setup(void **state)
{
	struct world *w = world_new("127.0.0.1");

	world_start_tick(w);
	*state = w;
	return 0;
}

/* Everything but the loop and what its owner made. */
static inline void
world_close(struct world *w)
{
	worker_free(&w->worker);
	chan_free(w->master);
	chan_free(w->auth);
	chan_free(w->agent);
	fd_closep(&w->agent_end);
	fd_closep(&w->client);
	fd_closep(&w->listener);
	fd_closep(&w->stored);
	fd_closep(&w->listing_end);
	for (size_t i = 0; i < WORLD_FILES; i++) {
		if (w->files[i].path[0] != '\0')
			close(w->files[i].fd);
	}
	conf_free(&w->conf);
	buf_free(&w->got);
}

static inline int
world_teardown(void **state)
{
	struct world *w = *state;

	world_close(w);
	uv_close((uv_handle_t *)&w->patience, NULL);
	uv_close((uv_handle_t *)&w->tick, NULL);
	while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
		;
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

#endif
