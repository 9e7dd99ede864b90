/*
 * Several threads, one order. See convoy.h. Must never deliver a slot that somebody works
 * on, and never leave a thread behind.
 */
#include "convoy.h"

#include <pthread.h>
#include <time.h>

/* As much as a listing's own thread has. */
#define HELPER_STACK (256U << 10)
/* A helper with nothing to do for so long is of more use to others: what holds the work
 * up is the one who takes it. */
#define HELPER_PATIENCE_MS 250
#define HELPERS_MAX 8

/* Pieces are counted from the first; piece n is in slot n % CONVOY_SLOTS. Always
 * delivered <= taken <= loaded <= delivered + CONVOY_SLOTS, once the lock is free. */
struct road {
	const struct convoy *convoy;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t loaded_more, done_more;
	unsigned long loaded, taken, delivered;
	bool done[CONVOY_SLOTS];
	bool dry;  /* nothing is loaded any more */
	bool over; /* helpers go home */
	unsigned helping;
	pthread_t helpers[HELPERS_MAX]; /* all that were started */
	unsigned started;
};

/* ---- working ---- */

/* Takes the oldest piece that nobody has begun, and does it. Called with the lock held,
 * which is free meanwhile. */
static void
road_work(struct road *r)
{
	unsigned slot = r->taken++ % CONVOY_SLOTS;

	pthread_mutex_unlock(&r->lock);
	r->convoy->work(r->convoy->user, slot);
	pthread_mutex_lock(&r->lock);
	r->done[slot] = true;
}

/* ---- helpers ---- */

/* Waits for a piece to work on; false: it is time to go. */
static bool
helper_wait(struct road *r)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += HELPER_PATIENCE_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (!r->over && r->taken == r->loaded && error == 0)
		error = pthread_cond_clockwait(
		    &r->loaded_more, &r->lock, CLOCK_MONOTONIC, &until);
	return !r->over && r->taken < r->loaded;
}

static void *
helper_run(void *user)
{
	struct road *r = user;

	pthread_mutex_lock(&r->lock);
	while (helper_wait(r)) {
		road_work(r);
		pthread_cond_signal(&r->done_more);
	}
	r->helping--;
	++*r->convoy->spare;
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static bool
spare_take(_Atomic unsigned *spare)
{
	unsigned n = *spare;

	while (n > 0)
		if (atomic_compare_exchange_weak(spare, &n, n - 1))
			return true;
	return false;
}

static bool
road_hire_one(struct road *r)
{
	pthread_attr_t attr;

	if (r->started == HELPERS_MAX || !spare_take(r->convoy->spare))
		return false;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, HELPER_STACK);
	int error = pthread_create(&r->helpers[r->started], &attr, helper_run, r);
	pthread_attr_destroy(&attr);
	if (error != 0) {
		++*r->convoy->spare;
		return false;
	}
	r->started++;
	r->helping++;
	return true;
}

static void
road_hire(struct road *r)
{
	if (r->convoy->spare && r->delivered == CONVOY_ALONE && !r->dry)
		while (road_hire_one(r))
			continue;
}

static void
road_dismiss(struct road *r)
{
	pthread_mutex_lock(&r->lock);
	r->over = true;
	pthread_cond_broadcast(&r->loaded_more);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < r->started; i++)
		pthread_join(r->helpers[i], NULL);
}

/* ---- the first thread ---- */

static void
road_load(struct road *r)
{
	unsigned slot = r->loaded % CONVOY_SLOTS;

	pthread_mutex_unlock(&r->lock);
	bool more = r->convoy->load(r->convoy->user, slot);
	pthread_mutex_lock(&r->lock);
	r->dry |= !more;
	if (!more)
		return;
	r->loaded++;
	pthread_cond_signal(&r->loaded_more);
}

static void
road_deliver(struct road *r)
{
	unsigned slot = r->delivered % CONVOY_SLOTS;

	pthread_mutex_unlock(&r->lock);
	bool wanted = r->convoy->deliver(r->convoy->user, slot);
	pthread_mutex_lock(&r->lock);
	r->done[slot] = false;
	r->delivered++;
	if (!wanted)
		r->dry = r->over = true;
	road_hire(r);
}

/* What can be done now: first what somebody waits for. False at the end. */
static bool
road_step(struct road *r)
{
	unsigned long width = r->helping > 0 ? CONVOY_SLOTS : 1;

	if (r->over)
		return false;
	if (r->delivered < r->loaded && r->done[r->delivered % CONVOY_SLOTS])
		road_deliver(r);
	else if (!r->dry && r->loaded - r->delivered < width)
		road_load(r);
	else if (r->taken < r->loaded)
		road_work(r);
	else if (r->delivered < r->loaded)
		pthread_cond_wait(&r->done_more, &r->lock);
	else
		return false;
	return true;
}

void
convoy_run(const struct convoy *c)
{
	struct road r = {
	    .convoy = c,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .loaded_more = PTHREAD_COND_INITIALIZER,
	    .done_more = PTHREAD_COND_INITIALIZER,
	};

	pthread_mutex_lock(&r.lock);
	while (road_step(&r))
		continue;
	pthread_mutex_unlock(&r.lock);
	road_dismiss(&r);
	pthread_cond_destroy(&r.done_more);
	pthread_cond_destroy(&r.loaded_more);
	pthread_mutex_destroy(&r.lock);
}
