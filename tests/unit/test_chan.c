/* Channels and the door for descriptors: order, queues, ends, and descriptors that never
 * leak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <string.h>
#include <sys/socket.h>

#include "chan.h"
#include "fdpass.h"

static size_t
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
test_a_descriptor_travels_and_is_cloexec(void **state)
{
	int pair[2], fds[WIRE_MAX_FDS], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char byte = 'x', got[8];
	size_t n, nfds;

	assert_int_equal(fdpass_pair(pair), 0);
	assert_int_equal(fdpass_send(pair[0], &byte, 1, &null, 1, 0), 0);
	assert_int_equal(
	    fdpass_recv(pair[1], got, sizeof(got), &n, fds, WIRE_MAX_FDS, &nfds, 0), 0);
	assert_int_equal(n, 1);
	assert_int_equal(nfds, 1);
	assert_int_equal(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fds[0]);
	close(null);
	close(pair[0]);
	assert_int_equal(
	    fdpass_recv(pair[1], got, sizeof(got), &n, fds, WIRE_MAX_FDS, &nfds, 0),
	    -FERRY_EOF);
	close(pair[1]);
}

static void
raw_send_fds(int sock, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control = {.bytes = {0}};
	char byte = 'x';
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr mh = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(sizeof(int) * count),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int) * count);
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(cm) + i * sizeof(int), &null, sizeof(int));
	assert_int_equal(sendmsg(sock, &mh, 0), 1);
	close(null);
}

static void
test_surplus_and_cut_descriptors_are_refused_and_closed(void **state)
{
	size_t before = open_descriptors(), n, nfds;
	int pair[2], fds[WIRE_MAX_FDS];
	char got[8];

	assert_int_equal(fdpass_pair(pair), 0);
	for (size_t count = 1; count <= 40; count++) {
		size_t max = count == 1 ? 0 : 1;

		raw_send_fds(pair[0], count);
		assert_int_equal(
		    fdpass_recv(pair[1], got, sizeof(got), &n, fds, max, &nfds, 0),
		    -FERRY_EPROTO);
	}
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(open_descriptors(), before);
}

static void
test_a_cut_datagram_is_refused(void **state)
{
	int pair[2], fds[WIRE_MAX_FDS];
	char got[8];
	size_t n, nfds;

	assert_int_equal(fdpass_pair(pair), 0);
	assert_int_equal(fdpass_send(pair[0], "123456789", 9, NULL, 0, 0), 0);
	assert_int_equal(
	    fdpass_recv(pair[1], got, sizeof(got), &n, fds, WIRE_MAX_FDS, &nfds, 0),
	    -FERRY_EPROTO);
	close(pair[0]);
	close(pair[1]);
}

/* ---- with an event loop ---- */

struct seen {
	uv_loop_t loop;
	struct chan *chan;
	uint32_t next; /* session expected */
	uint32_t last; /* stop the loop after it */
	int fds;
	const char *ended;
	bool free_inside;
};

static void
on_msg(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct seen *s = user;

	assert_int_equal(m->type, MSG_MASTER_CLOSED);
	assert_int_equal(m->master_closed.session, s->next);
	s->fds += (int)nfds;
	if (s->free_inside) {
		chan_free(c);
		s->chan = NULL;
		uv_stop(&s->loop);
	}
	if (s->next++ == s->last)
		uv_stop(&s->loop);
}

static void
on_end(struct chan *c, const char *why, void *user)
{
	struct seen *s = user;

	assert_null(s->ended);
	s->ended = why;
	uv_stop(&s->loop);
}

static void
no_msg(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	fail_msg("unexpected %s", msg_name(m->type));
}

static void
seen_open(struct seen *s, int fd)
{
	*s = (struct seen){.next = 1};
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->chan = chan_new(&s->loop, fd, ROLE_MASTER, ROLE_WORKER, on_msg, on_end, s);
	assert_non_null(s->chan);
}

static void
seen_close(struct seen *s)
{
	chan_free(s->chan);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void
test_order_is_kept_through_the_queue(void **state)
{
	struct msg m = {.type = MSG_MASTER_CLOSED};
	struct chan *sender;
	struct seen s;
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	seen_open(&s, pair[0]);
	sender = chan_new(&s.loop, pair[1], ROLE_WORKER, ROLE_MASTER, no_msg, on_end, &s);
	for (uint32_t i = 1; i <= 3000; i++) {
		m.master_closed.session = i;
		assert_int_equal(chan_send(sender, &m, -1), 0);
	}
	assert_true(chan_queued(sender) > 0); /* else this proves nothing */
	s.last = 3000;
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_int_equal(s.next, 3001);
	assert_int_equal(chan_queued(sender), 0);
	chan_free(sender);
	seen_close(&s);
}

static void
test_a_full_queue_refuses_and_leaks_nothing(void **state)
{
	size_t before = open_descriptors();
	struct msg m = {.type = MSG_WORKER_SESSION};
	uv_loop_t loop;
	struct chan *c;
	int pair[2], r = 0;
	size_t sent;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(fdpass_pair(pair), 0);
	c = chan_new(&loop, pair[0], ROLE_MASTER, ROLE_WORKER, no_msg, on_end, NULL);
	for (sent = 0; sent < 100000; sent++) {
		m.worker_session.session = (uint32_t)sent + 1;
		r = chan_send(c, &m, fcntl(0, F_DUPFD_CLOEXEC, 0));
		if (r < 0)
			break;
	}
	assert_int_equal(r, -FERRY_ETOOBIG);
	chan_free(c);
	close(pair[1]);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(open_descriptors(), before);
}

static void
test_a_lie_ends_the_channel_with_its_rule(void **state)
{
	struct msg m = {.type = MSG_AGENT_REVOKE, .agent_revoke = {.grant = 1}};
	struct seen s;
	int pair[2];
	uint8_t bytes[WIRE_MAX];
	size_t n;

	assert_int_equal(fdpass_pair(pair), 0);
	seen_open(&s, pair[0]);
	/* What a master may send, from a worker. */
	assert_int_equal(msg_encode(&m, ROLE_MASTER, ROLE_AGENT, 0, bytes, &n), 0);
	assert_int_equal(fdpass_send(pair[1], bytes, n, NULL, 0, 0), 0);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_string_equal(s.ended, "a type that this sender may not send");
	close(pair[1]);
	seen_close(&s);
}

static void
test_the_end_is_told_once(void **state)
{
	struct seen s;
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	seen_open(&s, pair[0]);
	close(pair[1]);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_string_equal(s.ended, "it has ended");
	seen_close(&s);
}

/* A peer says something and dies with something unread: its end comes with an error of
 * its own. */
static void
last_words(struct seen *s)
{
	struct msg m = {.type = MSG_MASTER_CLOSED};
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	seen_open(s, pair[0]);
	assert_int_equal(
	    chan_send(s->chan, &(struct msg){.type = MSG_WORKER_DRAIN}, -1), 0);
	for (uint32_t i = 1; i <= 100; i++) {
		m.master_closed.session = i;
		assert_int_equal(
		    wire_send(pair[1], ROLE_WORKER, ROLE_MASTER, &m, NULL, 0), 0);
	}
	close(pair[1]);
}

static void
test_last_words_are_heard(void **state)
{
	struct seen s;

	last_words(&s);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_int_equal(s.next, 101);
	assert_string_equal(s.ended, "it has ended");
	seen_close(&s);
}

static void
test_last_words_are_drained(void **state)
{
	struct seen s;

	last_words(&s);
	chan_drain(s.chan);
	assert_int_equal(s.next, 101);
	assert_string_equal(s.ended, "it has ended");
	uv_run(&s.loop, UV_RUN_NOWAIT); /* on_end has stopped it */
	seen_close(&s);
}

static void
test_freed_while_reading(void **state)
{
	struct msg m = {.type = MSG_MASTER_CLOSED, .master_closed = {.session = 1}};
	struct seen s;
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	seen_open(&s, pair[0]);
	s.free_inside = true;
	assert_int_equal(wire_send(pair[1], ROLE_WORKER, ROLE_MASTER, &m, NULL, 0), 0);
	m.master_closed.session = 2;
	assert_int_equal(wire_send(pair[1], ROLE_WORKER, ROLE_MASTER, &m, NULL, 0), 0);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_int_equal(s.next, 2);
	close(pair[1]);
	seen_close(&s);
}

static void
test_blocking_side(void **state)
{
	static struct wire_box box;
	struct msg m = {.type = MSG_START};
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(fdpass_pair(pair), 0);
	m.start.user = bytes_of("nobody");
	m.start.has_root = 1;
	assert_int_equal(wire_send(pair[0], ROLE_MASTER, ROLE_AGENT, &m, &null, 1), 0);
	assert_int_equal(wire_recv(pair[1], ROLE_AGENT, ROLE_MASTER, &box), 0);
	assert_int_equal(box.msg.type, MSG_START);
	assert_int_equal(box.nfds, 1);
	wire_box_close(&box);
	assert_int_equal(fdpass_send(pair[0], "junk", 4, NULL, 0, 0), 0);
	assert_int_equal(
	    wire_recv(pair[1], ROLE_AGENT, ROLE_MASTER, &box), -FERRY_EPROTO);
	assert_non_null(box.why);
	close(null);
	close(pair[0]);
	assert_int_equal(wire_recv(pair[1], ROLE_AGENT, ROLE_MASTER, &box), -FERRY_EOF);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_descriptor_travels_and_is_cloexec),
	    cmocka_unit_test(test_surplus_and_cut_descriptors_are_refused_and_closed),
	    cmocka_unit_test(test_a_cut_datagram_is_refused),
	    cmocka_unit_test(test_order_is_kept_through_the_queue),
	    cmocka_unit_test(test_a_full_queue_refuses_and_leaks_nothing),
	    cmocka_unit_test(test_a_lie_ends_the_channel_with_its_rule),
	    cmocka_unit_test(test_the_end_is_told_once),
	    cmocka_unit_test(test_last_words_are_heard),
	    cmocka_unit_test(test_last_words_are_drained),
	    cmocka_unit_test(test_freed_while_reading),
	    cmocka_unit_test(test_blocking_side),
	};

	return cmocka_run_group_tests_name("chan", tests, NULL, NULL);
}
