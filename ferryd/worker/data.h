/*
 * The data connection of a session: made by them (PASV, EPSV) or by us (PORT, EPRT), one
 * at a time, for one transfer, or in block mode for many. transfer.c asks for it with
 * data_begin() and hears transfer_opened() or transfer_failed(). Nobody but the control
 * connection's peer ever gets it, unless configured.
 */
#ifndef FERRYD_WORKER_DATA_H
#define FERRYD_WORKER_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "conn.h"
#include "endpoint.h"
#include "listener.h"

struct session;

enum data_state {
	/* Neither PASV nor PORT since the last transfer. */
	DATA_NONE,
	/* One passive port for all: the master was asked whether the client may be told.
	   Ended by: its answer, the clock of the session. */
	DATA_CLAIMING,
	/* A port is open (listener), or it is this session's turn at the one for all.
	   Ended by: the right peer's call, the accept timer while a transfer waits. */
	DATA_LISTENING,
	/* PORT said where to. Ended by: a transfer command. */
	DATA_ADDRESSED,
	/* The master was asked for the source port. Ended by: its answer, the connect
	   timer. */
	DATA_BINDING,
	/* connect() is under way. Ended by: success, an error, the connect timer. */
	DATA_DIALLING,
	/* conn is the data connection. */
	DATA_OPEN,
	/* MODE B: conn has carried a file and waits for the next. Ended by: a transfer
	   command, the client closing it, bytes that no command has announced, the timer,
	   a change of MODE. */
	DATA_KEPT,
	/* It goes under TLS (PROT P): a transfer wants it, or the client has begun. Ended
	   by: its success or failure, the handshake timer. */
	DATA_SECURING,
};

struct data {
	enum data_state state;
	bool wanted;            /* a transfer waits for the connection */
	bool prompt;            /* kept, and Nagle's algorithm is off */
	bool active;            /* we dial */
	bool ticketless;        /* under TLS: it brings no ticket of its own */
	bool from_port;         /* dialled from the active source port */
	bool secure_call;       /* under TLS, at the port for all */
	uint32_t call;          /* it is expected there; or 0 */
	uint64_t turn;          /* when it began to listen: the worker's count of turns */
	unsigned headerless;    /* calls of trusted proxies without a PROXY header */
	unsigned unproved;      /* calls of its address that could have been another's */
	struct listener listener;
	struct conn *conn;      /* dialled socket or data connection */
	struct endpoint target; /* active: where to. passive: where we listen */
	unsigned strangers;
	struct endpoint stranger; /* the last of them */
	uint64_t listened_at; /* of the loop, ms */
	uint64_t hold;        /* ms by which replies to PASV and EPSV are held back */
	uint64_t due; /* of the loop, ms: on_due() is called then, by the session's clock;
			 0: never */
	void (*on_due)(struct session *s);
};

/* Opens a port for the client to call. 0; FERRY_AGAIN: the port is for all, and it is
 * others' turn: DATA_CLAIMING; -FERRY_ETOOBIG: the whole range is taken; -FERRY_ESYS. */
int data_listen(struct session *s);
/* PORT or EPRT said where to; it has been checked. */
void data_address(struct session *s, const struct endpoint *to);
/* May a transfer command run? */
static inline bool
data_is_set(const struct data *d)
{
	return d->state != DATA_NONE;
}

/* Is there none yet, but one on its way, to us or from us? */
static inline bool
data_is_awaited(const struct data *d)
{
	return d->state == DATA_LISTENING || d->state == DATA_BINDING ||
	       d->state == DATA_DIALLING;
}

/* MODE B: is there a connection that has carried a file already? Looks for an end or
 * unasked bytes that the loop has not come to yet, and closes it then. */
bool data_is_kept(struct session *s);
/* The transfer is over, and the connection stays for the next one. */
void data_keep(struct session *s);
/* Something is set that a kept connection does not fit any more: closes it. A connection
 * that no transfer has used yet stays. */
void data_unkeep(struct session *s);

/* A transfer wants the connection now. */
void data_begin(struct session *s);
/* Forgets it all: listener, address, connection. Harmless when there is nothing. */
void data_close(struct session *s);
/* The same, but a peer that is connected sees a reset, unless all that was begun is sent
 * (DATA_KEPT). */
void data_reset(struct session *s);

/* Somebody calls the session's own port, which is open. */
void data_knock(struct session *s);
/* ... and has been accepted: peer, as the system or a trusted proxy says.
 * Takes fd. */
void data_call(struct session *s, int fd, const struct endpoint *peer);
/* Does it wait for a call to that port, and of its own? */
bool data_listens_at(const struct session *s, uint16_t port);
/* Does it wait for one, and did so when the worker had counted so many turns? A call that
 * came earlier, and whose owner is only known now, answers what was told before. */
bool data_waited(const struct session *s, uint64_t turns);

/* The master on the port for all: the session's turn begins; it is over, nobody called; the
 * client calls (takes fd). */
void data_expected(struct session *s);
void data_unexpected(struct session *s);
void data_called(struct session *s, int fd, const struct endpoint *peer);
/* The same under TLS, by caller.c: c is connected, its handshake is done. */
void data_called_securely(struct session *s, struct conn *c, const struct endpoint *peer);

/* A socket bound to the address at which the client knows us. A descriptor, or -FERRY_ESYS. */
int data_outgoing_socket(const struct session *s);
/* The master's answer to worker_bind(). Takes *fd if it can use it. */
void data_bound(struct session *s, int error, int *fd);

#endif
