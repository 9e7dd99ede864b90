/*
 * bench-link: a cable with latency between two network namespaces, for kernels without
 * netem. Its two ends are TAP devices whose descriptors bench.py hands it; every frame
 * that is read from one is written to the other so many milliseconds later. Must never
 * change the order of frames, and must never keep more than QUEUE of them: what comes on
 * top is dropped, as a router does it.
 *
 *   bench-link FD FD MILLISECONDS      until SIGTERM
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tally.h"
#include "util.h"

#define FRAME_SIZE 1600 /* Ethernet, with some room */
#define QUEUE 8192
#define NEVER UINT64_MAX

struct frame {
	uint64_t due; /* ns */
	size_t n;
	uint8_t bytes[FRAME_SIZE];
};

/* One direction. */
struct way {
	int from, to;
	uint64_t delay; /* ns */
	size_t head, count;
	struct frame *ring;
};

static void
way_take(struct way *w)
{
	static uint8_t spill[FRAME_SIZE];

	for (;;) {
		bool room = w->count < QUEUE;
		struct frame *f = &w->ring[(w->head + w->count) % QUEUE];
		ssize_t n = read(w->from, room ? f->bytes : spill, FRAME_SIZE);

		if (n <= 0)
			return;
		if (!room)
			continue;
		f->due = now_ns() + w->delay;
		f->n = (size_t)n;
		w->count++;
	}
}

/* Delivers what is due; when the next one will be. */
static uint64_t
way_give(struct way *w)
{
	uint64_t now = now_ns();

	for (; w->count > 0; w->count--, w->head = (w->head + 1) % QUEUE) {
		struct frame *f = &w->ring[w->head];

		if (f->due > now)
			return f->due;
		/* A device that takes no more loses the frame: TCP sends it again. */
		(void)!write(w->to, f->bytes, f->n);
	}
	return NEVER;
}

static void
set_timer(int timer, uint64_t due)
{
	struct itimerspec at = {0};

	if (due != NEVER) {
		at.it_value.tv_sec = (time_t)(due / 1000000000);
		at.it_value.tv_nsec = (long)(due % 1000000000);
	}
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static int
carry(struct way *there, struct way *back, int timer)
{
	struct pollfd fds[] = {
	    {.fd = there->from, .events = POLLIN},
	    {.fd = back->from, .events = POLLIN},
	    {.fd = timer, .events = POLLIN},
	};

	for (;;) {
		uint64_t a = way_give(there), b = way_give(back), ticks;

		set_timer(timer, a < b ? a : b);
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return -1;
		(void)!read(timer, &ticks, sizeof(ticks));
		way_take(there);
		way_take(back);
	}
}

int
main(int argc, char **argv)
{
	struct way there = {0}, back = {0};
	uint64_t fds[2], ms;

	if (argc != 4 || parse_uint(argv[1], strlen(argv[1]), INT32_MAX, &fds[0]) < 0 ||
	    parse_uint(argv[2], strlen(argv[2]), INT32_MAX, &fds[1]) < 0 ||
	    parse_uint(argv[3], strlen(argv[3]), 60000, &ms) < 0) {
		fputs("usage: bench-link FD FD MILLISECONDS\n", stderr);
		return 2;
	}
	there.from = back.to = (int)fds[0];
	there.to = back.from = (int)fds[1];
	there.delay = back.delay = ms * 1000000;
	there.ring = calloc(QUEUE, sizeof(*there.ring));
	back.ring = calloc(QUEUE, sizeof(*back.ring));
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (there.ring == NULL || back.ring == NULL || timer < 0 ||
	    carry(&there, &back, timer) < 0) {
		perror("bench-link");
		return 1;
	}
	return 0;
}
