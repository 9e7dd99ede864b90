/*
 * The pump: moves bytes between a descriptor that an agent opened and a data connection.
 * It knows no names, no commands and no session; it begins, tells how far it is, and ends
 * once.
 */
#ifndef FERRYD_WORKER_PUMP_H
#define FERRYD_WORKER_PUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "coding.h"
#include "conn.h"

enum pump_end {
	PUMP_DONE, /* every byte: sent and confirmed, or received to an end in order and
		      written */
	PUMP_CANCELLED, /* pump_cancel() */
	PUMP_BROKEN,    /* the data connection failed: error is an errno */
	PUMP_CUT,       /* under TLS it ended without saying so: perhaps cut by somebody */
	PUMP_STALLED,   /* nothing moved on it for too long */
	PUMP_UNREAD,    /* the file could not be read: error, or 0: it became shorter */
	PUMP_UNWRITTEN, /* the file could not be written: error */
	PUMP_UNLISTED,  /* the agent could not finish its listing */
	PUMP_UNENDED,   /* the client ended its upload before the end that MODE wants */
	PUMP_GARBLED,   /* what the client sends is not what MODE says */
	PUMP_SUSPECT,   /* MODE B: whole, but its sender does not vouch for it */
};

struct pump;
/* Called once, from the loop or from pump_cancel(). The pump may be freed in the call. */
typedef void pump_end_cb(struct pump *p, enum pump_end end, int error, void *user);

/* Bytes moved; the total so far is pump_bytes(). */
typedef void pump_moved_cb(struct pump *p, void *user);

struct pump_plan {
	uv_loop_t *loop;
	struct conn *conn; /* borrowed: must live until the pump is freed */
	int fd;            /* the pump's from here on, whatever happens */
	uint8_t *bytes;    /* pump_file: the same, instead of fd: what is at offset; or
			      NULL */
	uint64_t offset;   /* pump_file: where to begin; */
	uint64_t length;   /* and how many bytes to send, not one less or more */
	bool bounded;      /* pump_upload: a byte more than length is EMSGSIZE */
	unsigned *pipes;   /* pump_upload: how many are left for all; outlives the pump */
	unsigned *large;   /* pump_file: how many large files are on their way; the same.
			      Or NULL */
	struct coding coding;
	unsigned stall; /* seconds without a byte after which it ends */
	pump_moved_cb *on_moved;
	pump_end_cb *on_end;
	void *user;
};

/* File to data connection. NULL: out of memory (fd is closed). */
struct pump *pump_file(const struct pump_plan *plan);
/* MODE B: what is left of a file of which the connection has taken so much already:
 * plan.length bytes, as they go over the wire, at plan.bytes; plan.offset have gone. */
struct pump *pump_rest(const struct pump_plan *plan);
/* Listing pipe to data connection. */
struct pump *pump_listing(const struct pump_plan *plan);
/* plan.length bytes of a pattern to the data connection; no fd. */
struct pump *pump_pattern(const struct pump_plan *plan);
/* Data connection to file. */
struct pump *pump_upload(const struct pump_plan *plan);

/* Bytes moved on the data connection. */
uint64_t pump_bytes(const struct pump *p);
/* Uploads: bytes that these have made for the file, without what TYPE and MODE add. */
uint64_t pump_received(const struct pump *p);
/* Uploads that have ended: bytes that belong behind what is in the file. The caller's, to
 * free(); NULL with 0 bytes: there are none. */
uint8_t *pump_take_unwritten(struct pump *p, size_t *ret_n);
/* MODE B, and it has ended: may the data connection carry the next file? */
bool pump_in_step(const struct pump *p);
/* Once the caller is prepared for on_end, which may come in this call. */
void pump_begin(struct pump *p);
/* Ends it as soon as no thread works for it. */
void pump_cancel(struct pump *p);
/* Silent end; a thread that still works for it is waited for in the background. NULL is
 * accepted. */
void pump_free(struct pump *p);

#endif
