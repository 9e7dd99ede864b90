/*
 * What the three pumps share: life and end, the stall timer, work in a thread, the last
 * stretch of a download. For pump*.c only.
 */
#ifndef FERRYD_WORKER_PUMP_IMPL_H
#define FERRYD_WORKER_PUMP_IMPL_H

#include "pump.h"

struct pump_kind {
	/* Tried at once, before the data connection is watched: what is small and on its
	 * way is over then, and the system calls of watching are saved. */
	bool eager;
	/* The data connection may be ready for what was wanted. What is wanted from here
	 * on is the kind's to say. */
	void (*on_ready)(struct pump *p);
	/* The thread has finished; p->job tells. */
	void (*on_worked)(struct pump *p);
	/* Optional: what the thread did is taken in, before on_worked() and also when the
	 * end is known already. */
	void (*collect)(struct pump *p);
	/* Optional: pump_pause() is over, and neither a thread nor an end came. */
	void (*on_paused)(struct pump *p);
	/* Optional: pump_take_unwritten(). */
	uint8_t *(*unwritten)(struct pump *p, size_t *ret_n);
	/* Frees what the kind has added. */
	void (*release)(struct pump *p);
};

/* What a thread is asked to do, and did. Nobody else touches it meanwhile. */
struct pump_job {
	int fd;
	uint8_t *p;
	size_t n;
	uint64_t offset;
	ssize_t result; /* bytes; -1, or what the kind's work returns, with error */
	int error;
};

struct pump {
	const struct pump_kind *kind;
	struct pump_plan plan; /* fd is the pump's */
	uint64_t bytes;
	uint64_t received; /* uploads: of them, for the file */
	bool working; /* a thread has p->job */
	bool ending;  /* the end is known, and told when no thread works */
	bool told;
	bool freed;
	bool in_step; /* MODE B: the connection is between two files */
	enum pump_end end;
	int error;
	uv_work_t work;
	struct pump_job job;
	uv_timer_t timer;
	uint64_t moved_at; /* loop time of the last byte on the data connection */
	bool pausing;
	bool draining;
	size_t unconfirmed;
	uint64_t drain_pause;
};

/* Closes and frees what comes with a plan. */
void pump_plan_close(const struct pump_plan *plan);

/* pump_file() where bytes are not sent as they are. */
struct pump *pump_coded(const struct pump_plan *plan);
/* For the kinds' constructors: p is zeroed memory with the kind's own part behind it. */
struct pump *pump_start(struct pump *p, const struct pump_kind *kind,
    const struct pump_plan *plan, unsigned want);
/* on_paused() is called in so many ms. */
void pump_pause(struct pump *p, uint64_t ms);
/* n bytes went over the data connection. */
void pump_moved(struct pump *p, size_t n);
/* The end, told now or when no thread works for p any more. */
void pump_finish(struct pump *p, enum pump_end end, int error);
/* p->job is filled in: fn runs in a thread, then kind->on_worked(). */
void pump_work(struct pump *p, void (*fn)(uv_work_t *work));
struct pump_job *pump_job_of(uv_work_t *work);
/* In a thread: writes all of it to a file, or returns false with errno. */
bool pump_write_all(int fd, const uint8_t *p, size_t n);
/* All is sent: sees it through to the peer, then ends. */
void pump_drain(struct pump *p);

#endif
