/*
 * The inside of the diagnosis: what its files share. Each matrix_judge_ function looks at
 * the whole checkup and adds what it finds. Only diagnosis.c and matrix_*.c include this
 * header.
 */
#ifndef FERRY_MATRIX_H
#define FERRY_MATRIX_H

#include "diagnosis.h"

enum way { WAY_EPSV, WAY_PASV, WAY_ACTIVE };

/* Which trials are meant. */
struct pick {
	int family;    /* 0: any */
	unsigned port; /* of the command connection; 0: any */
	int tls;       /* 1, 0; -1: any */
};

struct tally {
	unsigned n;
	unsigned of[OUTCOME_STALLED + 1];
};

/* What passive mode came to. */
enum state { STATE_UNTESTED, STATE_WORKS, STATE_PARTLY, STATE_FAILS };

struct work {
	const struct checkup *c;
	struct diagnosis *d;
	struct pick home; /* family and port of the session that the user asked for */
};

/* diagnosis.c: adds a finding with its evidence; one that is there already is replaced
 * only if this one is more certain. NULL: there are too many. */
__attribute__((format(printf, 4, 5))) struct finding *matrix_found(struct work *w,
    enum verdict_code code, enum verdict_certainty certainty, const char *format, ...);

/* matrix_tally.c */
bool matrix_matches(const struct checkup *c, const struct trial *t, const struct pick *p);
enum way matrix_way(const struct attempt *a);
struct tally matrix_count(const struct work *w, const struct pick *p, enum way way);
/* Calls that got through, whatever came then; those that did not. */
unsigned tally_through(const struct tally *t);
unsigned tally_shut(const struct tally *t);
enum state matrix_passive_state(const struct work *w, const struct pick *p);
/* The last trial of that kind which ended so, or NULL. */
const struct trial *matrix_example(
    const struct work *w, const struct pick *p, enum way way, enum outcome outcome);
/* In the same small network, as far as one can tell by the numbers? */
bool matrix_is_near(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* Does the server say that it listened where we called, and that nothing came? */
bool matrix_is_unheard(const struct trial *t);

/* matrix_shut.c: of passive trials, none, a part or all of which got through */
void matrix_judge_shut(struct work *w, const struct pick *p, enum outcome outcome);
void matrix_judge_partly(struct work *w, const struct pick *p);
void matrix_judge_delays(struct work *w, const struct pick *p);
/* How most of the calls that did not get through ended. */
enum outcome matrix_usual_outcome(const struct tally *e, const struct tally *p);
/* The visit whose way was measured, or NULL; and the diagnosis is about that one now. */
const struct visit *matrix_measured_visit(const struct work *w, const struct pick *p);
void matrix_look_at(struct work *w, const struct visit *v);

/* matrix_passive.c, matrix_active.c */
void matrix_judge_passive(struct work *w);
void matrix_judge_families(struct work *w);
void matrix_judge_active(struct work *w);

/* matrix_data.c */
void matrix_judge_transfers(struct work *w);
/* Did the server itself say what is wrong? */
bool matrix_judge_words(struct work *w, const struct attempt *a);

#endif
