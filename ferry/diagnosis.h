/*
 * From what was seen to what is wrong: the signature matrix. A pure function over a
 * checkup. "Certain" is said only of what the client saw itself or what a comparison
 * leaves no other reason for.
 */
#ifndef FERRY_DIAGNOSIS_H
#define FERRY_DIAGNOSIS_H

#include "checkup.h"
#include "locate.h"

#define FINDINGS_MAX 16
#define EVIDENCE_MAX 600

struct finding {
	enum verdict_code code;
	enum verdict_certainty certainty;
	enum verdict_weight weight;  /* here: it may be lighter than the code's */
	char evidence[EVIDENCE_MAX]; /* sentences; a server's own words may be in them */
};

struct diagnosis {
	struct finding findings[FINDINGS_MAX]; /* the gravest first */
	size_t n;
	bool passive_works, active_works, active_tested;
	/* for those who tell what to do */
	const struct visit *visit; /* the one that the main finding is about, or NULL */
	struct location where;     /* where its passive calls end */
	struct sockaddr_storage server_inner; /* its address inside, if it told it */
	struct sockaddr_storage seen; /* ours as the server sees it, if it told it */
	unsigned low_port, high_port; /* passive ports that it named; 0: none */
	unsigned n_ports;
	uint16_t range_low, range_high; /* its passive ports, if it told them; 0: none */
};

void diagnose(const struct checkup *c, struct diagnosis *ret);
/* Was this one found, and how certain is it? */
enum verdict_certainty diagnosis_has(const struct diagnosis *d, enum verdict_code code);

#endif
