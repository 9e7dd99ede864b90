/*
 * Several sessions with one server in one loop, for get -r and put -r. The caller gives
 * each of them one operation after the other. The first session is opened like any other,
 * with whatever a person has to say to it; the others log in as it did and insist on its
 * key.
 *
 * How many: as many as were asked for, or more as long as that makes it faster, up to
 * eight. Where the server is far away, up to 48: as many as there are small things to do,
 * or more as long as that makes it faster; but a few at a time, so that a server that
 * refuses one more, or sends one away (421), and so has as many as it wants, is not asked
 * by many others.
 */
#ifndef FERRY_LANES_H
#define FERRY_LANES_H

#include "session.h"

enum lane_state {
	LANE_CLOSED,
	LANE_CONNECTING, /* ended by the greeting, and TLS */
	LANE_LOGIN,      /* ended by the answer to the login */
	LANE_IDLE,       /* logged in, nothing to do */
	LANE_BUSY,       /* an operation of the caller's runs */
};

/* begin() had nothing to do. */
#define LANE_NOTHING 2

struct lane {
	struct session s;
	enum lane_state state;
	bool made;       /* s is there */
	bool in;         /* this connection has logged in */
	bool useful;     /* and done something since */
	bool due;        /* there is something for its next step */
	bool pipelines;  /* MODE B: any number of files are under way in it */
	unsigned number; /* from 0 */
};

struct lanes_work {
	/* Begins the next operation: FERRY_AGAIN, LANE_NOTHING, or the result at once. */
	int (*begin)(struct lane *l, void *user);
	/* The operation is over. Not called for LANE_NOTHING. */
	void (*end)(struct lane *l, int result, void *user);
	/* Is there work for one more? */
	bool (*has_more)(void *user);
	/* How many things wait that take a few round trips each, and little else? */
	size_t (*errands)(void *user);
	/* How much is done: files and bytes in one number, for comparing. */
	uint64_t (*score)(void *user);
	/* After everything that happened; may be NULL. */
	void (*tick)(void *user);
};

struct lanes {
	const struct options *opt;
	const struct target *t;
	const struct lanes_work *work;
	void *user;
	struct login login;
	struct lane lane[SESSIONS_MAX];
	unsigned goal;        /* so many are to be open */
	unsigned busy;        /* so many work */
	unsigned most;        /* so many worked at the same time */
	bool is_far;          /* the server */
	bool settled;         /* the goal is not raised any more */
	bool stopping;        /* ^C: no new operation */
	unsigned reopened;    /* connections that were lost and made again */
	unsigned strikes;     /* of these, in a row, that had done nothing */
	char fingerprint[65]; /* of the server's key, or "" */
	int result;           /* what ended it before its end */
	char *why;            /* its sentence, or NULL */
	/* the last look at the speed */
	double looked;
	uint64_t scored;
	double best;
	unsigned misses;
	unsigned before; /* the goal at best */
};

/* Opens the first session; lanes[0].s has the sentence of a failure. */
int lanes_open(struct lanes *ls, const struct options *opt, const struct target *t);
/* Until there is nothing to do: 0; or what ended it: -FERRY_EABORTED for ^C, or the loss
 * of the last session, and then lanes.why has the sentence. */
int lanes_run(struct lanes *ls, const struct lanes_work *work, void *user);
/* QUIT, all at the same time; its answers are awaited where somebody sees them. The first
 * session's trace is saved: 0, or what that said.
 */
int lanes_close(struct lanes *ls);
/* May an operation take more than it was begun with, or are there too many? */
bool lanes_goes_on(const struct lanes *ls);
/* Nothing new is begun after this. The sentence is that of this session. */
void lanes_fail(struct lanes *ls, const struct lane *l, int rc);

#endif
