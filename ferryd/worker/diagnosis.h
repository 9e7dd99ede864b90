/*
 * What a session remembers of its last data connection, for SITE FERRY: which way it was
 * to be made, who came, who was sent away, what the system said. For data.c, which notes
 * it, and cmd_diagnosis.c, which tells it. Costs nothing in sessions that may not ask.
 */
#ifndef FERRYD_WORKER_DIAGNOSIS_H
#define FERRYD_WORKER_DIAGNOSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "util.h"

struct conn;
struct session;

/* What is kept of PORT's and EPRT's argument as it came. */
#define DIAGNOSIS_ARGUMENT 96

struct diagnosis {
	char verb[8]; /* PASV, EPSV, PORT or EPRT; "": none yet */
	bool active;
	struct endpoint at;    /* where we listen, or what we dial */
	uint64_t begun, ended; /* ms of the loop; ended 0: it still goes on */
	unsigned accepted, rejected;
	struct endpoint rejected_from;
	const char *why; /* ... it was: static text */
	bool dialled;
	int error; /* of dialling; 0: it worked, or goes on */
	struct endpoint source;

	char port_verb[8];
	uint8_t argument[DIAGNOSIS_ARGUMENT];
	size_t argument_n;

	unsigned probes;   /* SITE FERRY PROBE, so far */
	uint32_t probe;    /* the master was asked under this id; or 0 */
	struct conn *conn; /* it dials */
	struct endpoint to;
	uint64_t probe_begun;
	uint16_t source_port; /* of the last call to the client; 0: none yet */
};

/* May this session ask? */
bool diagnosis_works(const struct session *s);
/* Its record is there. False: it may not ask, or memory is out. */
bool diagnosis_ready(struct session *s);

/* PORT or EPRT came with this argument. */
void diagnosis_port(struct session *s, struct bytes arg);
/* A port is told, or an address is known: the beginning. */
void diagnosis_begin(struct session *s);
/* Somebody came and was taken, or was not: why. */
void diagnosis_accepted(struct session *s);
void diagnosis_rejected(struct session *s, const struct endpoint *from, const char *why);
/* We dialled from the socket fd, and it ended so. */
void diagnosis_dialled(struct session *s, int fd, int error);
/* Nothing listens or dials any more. */
void diagnosis_end(struct session *s);
void diagnosis_free(struct session *s);

/* SITE FERRY PROBE: the master's answer (takes *fd if it can use it), and the end of
 * patience. In cmd_diagnosis.c. */
void probe_allowed(struct session *s, int error, int *fd);
void probe_timeout(struct session *s);

#endif
