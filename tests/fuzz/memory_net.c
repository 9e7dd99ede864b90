/*
 * See memory_net.h. The table of descriptors is this file's one piece of state: the
 * wrapped calls have no other way to hand it from one to the next.
 */
#include "memory_net.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 1024
#define QUEUE_MAX 16
/* Sockets on their way through a channel: closed here, soon to arrive as another number.
 */
#define TRAVELLERS 8

struct entry {
	bool ours;     /* stands for a TCP socket */
	bool reset;    /* the next read fails */
	int error;     /* for SO_ERROR */
	uint64_t twin; /* number of the connection; both ends have it */
	ino_t inode;
	struct endpoint local, peer;
};

struct call {
	int fd;
	struct endpoint at;
};

struct queue {
	struct call calls[QUEUE_MAX];
	size_t n;
};

static struct {
	bool on, ports_taken;
	enum memnet_fate fate;
	struct entry fds[FDS_MAX];
	struct entry travellers[TRAVELLERS];
	size_t travelled;
	uint64_t twins;
	int listener;         /* the youngest, or -1 */
	uint16_t port;        /* the last that the "system" chose */
	struct queue callers; /* who knocks: addresses for accept4() */
	struct queue called;  /* other ends of connect() */
	struct queue silent;  /* ... that nobody has */
} net = {.listener = -1};

int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __real_listen(int fd, int backlog);
int __real_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __real_getpeername(int fd, struct sockaddr *sa, socklen_t *len);
int __real_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __real_getrandom(void *p, size_t n, unsigned flags);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
int __real_close(int fd);

int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_listen(int fd, int backlog);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_getpeername(int fd, struct sockaddr *sa, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
int __wrap_close(int fd);

/* ---- the table ---- */

static ino_t
inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* A descriptor that came through a channel is the socket that went into it. */
static struct entry *
arrived(int fd)
{
	ino_t inode = inode_of(fd);

	for (size_t i = 0; i < TRAVELLERS; i++) {
		struct entry *e = &net.travellers[i];

		if (inode == 0 || !e->ours || e->inode != inode)
			continue;
		net.fds[fd] = *e;
		*e = (struct entry){0};
		return &net.fds[fd];
	}
	return NULL;
}

/* The socket's row, or NULL when it is none of ours. */
static struct entry *
entry_of(int fd)
{
	if (!net.on || fd < 0 || fd >= FDS_MAX)
		return NULL;
	return net.fds[fd].ours ? &net.fds[fd] : arrived(fd);
}

static struct entry *
entry_new(int fd)
{
	assert(fd >= 0 && fd < FDS_MAX);
	net.fds[fd] = (struct entry){.ours = true, .inode = inode_of(fd)};
	return &net.fds[fd];
}

static int
fails(int error)
{
	errno = error;
	return -1;
}

static void
put_address(const struct endpoint *at, struct sockaddr *sa, socklen_t *len)
{
	struct sockaddr_storage ss = {.ss_family = AF_INET};

	socklen_t n = endpoint_to_sockaddr(at, &ss);
	memcpy(sa, &ss, n < *len ? n : *len);
	*len = n;
}

static bool
queue_put(struct queue *q, int fd, const struct endpoint *at)
{
	if (q->n == QUEUE_MAX)
		return false;
	q->calls[q->n++] = (struct call){.fd = fd, .at = *at};
	return true;
}

static int
queue_take(struct queue *q, struct endpoint *ret_at)
{
	if (q->n == 0)
		return -1;
	struct call first = q->calls[0];
	memmove(q->calls, q->calls + 1, --q->n * sizeof(*q->calls));
	*ret_at = first.at;
	return first.fd;
}

/* ---- for the fuzzer ---- */

void
memnet_begin(void)
{
	memset(&net, 0, sizeof(net));
	net.listener = -1;
	net.port = 40000;
	net.on = true;
}

void
memnet_end(void)
{
	struct endpoint at;
	int fd;

	while ((fd = queue_take(&net.called, &at)) >= 0)
		__real_close(fd);
	while ((fd = queue_take(&net.silent, &at)) >= 0)
		__real_close(fd);
	net.on = false;
}

void
memnet_set_fate(enum memnet_fate fate)
{
	net.fate = fate;
}

void
memnet_set_ports_taken(bool taken)
{
	net.ports_taken = taken;
}

void
memnet_reset(int fd)
{
	assert(fd >= 0 && fd < FDS_MAX);
	for (size_t i = 0; i < FDS_MAX; i++) {
		if ((int)i != fd && net.fds[i].twin == net.fds[fd].twin)
			net.fds[i].reset = net.fds[fd].twin != 0;
	}
}

int
memnet_pair(int ret_fds[2], const struct endpoint *local, const struct endpoint *peer)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) <
	    0)
		return -1;
	struct entry *ours = entry_new(ret_fds[0]), *theirs = entry_new(ret_fds[1]);
	ours->local = theirs->peer = *local;
	ours->peer = theirs->local = *peer;
	ours->twin = theirs->twin = ++net.twins;
	return 0;
}

int
memnet_dial(const struct endpoint *from)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	if (net.listener < 0 || net.callers.n == QUEUE_MAX ||
	    __real_getsockname(net.listener, (struct sockaddr *)&sun, &len) < 0)
		return -1;
	int fd = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || __real_connect(fd, (struct sockaddr *)&sun, len) < 0) {
		if (fd >= 0)
			__real_close(fd);
		return -1;
	}
	entry_new(fd)->twin = ++net.twins;
	queue_put(&net.callers, fd, from);
	return fd;
}

int
memnet_called(struct endpoint *ret_to)
{
	return queue_take(&net.called, ret_to);
}

/* ---- the wrapped calls ---- */

int
__wrap_socket(int domain, int type, int protocol)
{
	if (!net.on || (domain != AF_INET && domain != AF_INET6))
		return __real_socket(domain, type, protocol);
	int fd = __real_socket(AF_UNIX, type, 0);
	if (fd >= 0)
		entry_new(fd);
	return fd;
}

int
__wrap_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct entry *e = entry_of(fd);

	if (e == NULL)
		return __real_bind(fd, sa, len);
	if (endpoint_from_sockaddr(sa, &e->local) < 0)
		return fails(EINVAL);
	if (net.ports_taken && e->local.port != 0)
		return fails(EADDRINUSE);
	if (e->local.port == 0)
		e->local.port = ++net.port;
	return 0;
}

int
__wrap_listen(int fd, int backlog)
{
	const struct sockaddr sa = {.sa_family = AF_UNIX};

	/* A name that the kernel chooses. */
	if (entry_of(fd) != NULL) {
		if (__real_bind(fd, &sa, sizeof(sa_family_t)) < 0)
			return -1;
		net.listener = fd;
		net.callers.n = 0;
	}
	return __real_listen(fd, backlog);
}

int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct entry *e = entry_of(fd), *made;
	struct endpoint from;

	if (e == NULL)
		return __real_accept4(fd, sa, len, flags);
	int got = __real_accept4(fd, NULL, NULL, flags);
	if (got < 0)
		return got;
	int caller = queue_take(&net.callers, &from);
	assert(caller >= 0);
	made = entry_new(got);
	made->local = e->local;
	made->peer = from;
	made->twin = net.fds[caller].twin;
	if (sa != NULL)
		put_address(&from, sa, len);
	return got;
}

/* As if nobody took what was sent: never writable. */
static void
stuff(int fd)
{
	static const char junk[65536];
	ssize_t n;

	while ((n = send(fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		continue;
	while ((n = send(fd, junk, 1, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		continue;
}

int
__wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct entry *e = entry_of(fd);
	struct endpoint to;
	int pair[2];

	if (e == NULL)
		return __real_connect(fd, sa, len);
	if (endpoint_from_sockaddr(sa, &to) < 0 || net.fate == MEMNET_REFUSED)
		return fails(ECONNREFUSED);
	if (memnet_pair(pair, &e->local, &to) < 0)
		return -1;
	*e = net.fds[pair[0]];
	if (e->local.family == 0) {
		/* not bound: the "system" chooses */
		e->local = to;
		e->local.port = ++net.port;
	}
	net.fds[pair[0]].ours = false;
	net.fds[pair[0]].twin = 0;
	dup3(pair[0], fd, O_CLOEXEC);
	__real_close(pair[0]);
	if (net.fate == MEMNET_FAILS)
		e->error = ECONNREFUSED;
	if (net.fate == MEMNET_SILENT)
		stuff(fd);
	/* Nobody will ask for an end that never answered; one that is silent stays open. */
	struct queue *q = net.fate == MEMNET_SILENT ? &net.silent : &net.called;
	if (net.fate == MEMNET_FAILS || !queue_put(q, pair[1], &to))
		__real_close(pair[1]);
	return net.fate == MEMNET_ANSWERED ? 0 : fails(EINPROGRESS);
}

int
__wrap_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct entry *e = entry_of(fd);

	if (e == NULL)
		return __real_getpeername(fd, sa, len);
	put_address(&e->peer, sa, len);
	return 0;
}

int
__wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct entry *e = entry_of(fd);

	if (e == NULL)
		return __real_getsockname(fd, sa, len);
	put_address(&e->local, sa, len);
	return 0;
}

int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct entry *e = entry_of(fd);

	if (e == NULL || level != SOL_SOCKET || name != SO_ERROR || e->error == 0)
		return __real_getsockopt(fd, level, name, value, len);
	memcpy(value, &e->error, sizeof(e->error));
	e->error = 0;
	return 0;
}

ssize_t
__wrap_getrandom(void *p, size_t n, unsigned flags)
{
	if (!net.on)
		return __real_getrandom(p, n, flags);
	memset(p, 4, n);
	return (ssize_t)n;
}

/* The reset that was asked for, once. */
static bool
is_reset(int fd)
{
	if (!net.on || fd < 0 || fd >= FDS_MAX || !net.fds[fd].reset)
		return false;
	net.fds[fd].reset = false;
	errno = ECONNRESET;
	return true;
}

ssize_t
__wrap_read(int fd, void *p, size_t n)
{
	return is_reset(fd) ? -1 : __real_read(fd, p, n);
}

ssize_t
__wrap_recv(int fd, void *p, size_t n, int flags)
{
	return is_reset(fd) ? -1 : __real_recv(fd, p, n, flags);
}

/* Urgent bytes come in their place, as to a server with SO_OOBINLINE. */
ssize_t
__wrap_send(int fd, const void *p, size_t n, int flags)
{
	return __real_send(fd, p, n, net.on ? flags & ~MSG_OOB : flags);
}

int
__wrap_close(int fd)
{
	if (net.on && fd >= 0 && fd < FDS_MAX) {
		if (net.fds[fd].ours)
			net.travellers[net.travelled++ % TRAVELLERS] = net.fds[fd];
		net.fds[fd] = (struct entry){0};
		if (fd == net.listener)
			net.listener = -1;
	}
	return __real_close(fd);
}
