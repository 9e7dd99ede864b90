/*
 * The client engine of libferry, inside: one state machine per handle that never blocks.
 *
 * A public call fills struct op and starts it; ferry_step() drives it: control input
 * becomes replies, each reply goes to the operation's reply(), all other readiness to its
 * work(). The blocking calls are a loop of poll() around the same steps. Only the files
 * of this folder include this header.
 */
#ifndef FERRY_LIB_CLIENT_CLIENT_H
#define FERRY_LIB_CLIENT_CLIENT_H

#include <ferry/ferry.h>
#include <stdatomic.h>

#include "ascii.h"
#include "block.h"
#include "buf.h"
#include "deflate.h"
#include "endpoint.h"
#include "line.h"
#include "reply.h"
#include "tls.h"
#include "util.h"

/* Limits: what a server can make us hold or wait for. */
#define COMMAND_MAX 8192     /* one command line */
#define REPLY_LINE_MAX 16384 /* one line of a reply */
#define PRELIMINARY_MAX 100  /* 1xx replies to one command */
#define UNASKED_MAX 1000     /* replies in a session that answer nothing */
#define ADDRESS_COUNT_MAX 16 /* addresses of a host that are tried */
#define ERROR_TEXT_MAX 8192
#define LISTING_LINE_MAX 16384
#define WARNINGS_MAX 10 /* lines of one listing that are complained of */
#define IO_CHUNK 262144 /* bytes moved at once */
#define STEP_ROUNDS 16  /* rounds of one ferry_step(), so that it returns */
#define REPLIES_PER_ROUND 32
#define DIAL_SLOTS 3 /* addresses tried at the same time (RFC 8305) */
#define DIAL_STAGGER_MS 250
#define DATA_CONNECT_MS 5000   /* at least, for one attempt at a data connection */
#define KNOWN_CONNECT_MS 8000  /* the same for a way that is known to work from here */
#define CALM_MS 35000       /* to be in step again after ABOR: servers dial for 30 s */
#define CALM_GRACE_MS 2000  /* for each reply to ABOR, before NOOP is sent as a mark */
#define CALM_SWIFT_MS 100   /* the same of a server that answers whatever comes at once */
#define QUIT_MS 5000        /* for a word of goodbye */
#define ABORT_REPLY_MS 5000 /* for the reply under way when ferry_abort() comes */
#define WAY_REPLY_MS 20000  /* to EPSV in automatic mode: a router may swallow it */
#define FOREIGN_DOWNLOAD_MAX (64u << 10) /* bytes of one who is not the server */
#define FOREIGN_UPLOAD_MAX (4u << 20)    /* and that such a one takes */
#define HOLLOW_MS 10000     /* for the final reply, when no data connection lasted */
#define PROGRESS_MS 50      /* between two progress events */
/* Files of ferry_get_many() that are asked for ahead of time: always so many, ... */
#define MANY_WINDOW 32
/* ... and where their sizes are known up to so many, with no more bytes than these: far
 * away a round trip is worth hundreds of small files, and of large ones every session
 * wants its part. */
#define MANY_WINDOW_MAX 256
#define MANY_WINDOW_BYTES (1024 * 1024)

/* Milliseconds on the monotonic clock; a deadline of 0 is none. */
typedef int64_t msec;

/* ---- resolve.c: host names ---- */

struct lookup; /* shared with its thread */

struct addresses {
	struct endpoint at[ADDRESS_COUNT_MAX];
	size_t count;
};

/* ---- dial.c: the control connection is made ---- */

struct dial_slot {
	int fd; /* connecting, or -1 */
	struct endpoint to;
	msec began;
	msec deadline;
};

struct dial {
	struct addresses to;
	size_t next;     /* first address not yet tried */
	msec next_start; /* when it may be tried although another try is still open */
	struct dial_slot slot[DIAL_SLOTS];
	struct buf why; /* "192.0.2.1 port 21: Connection refused; ..." */
};

/* ---- control.c ---- */

struct control {
	int fd;
	struct tls *tls; /* or NULL: in clear */
	struct endpoint local, remote;
	struct buf out;
	struct line_reader lines;
	struct reply reply; /* the reply being read, or the one just read */
	uint8_t in[4096];
	size_t in_pos, in_len;
	unsigned waiting;     /* final replies still owed to us */
	unsigned preliminary; /* 1xx replies since the last command */
	unsigned unasked;     /* replies that answered nothing */
	bool broken;          /* what comes is not FTP any more: close it */
	bool corked;          /* commands are collected: nothing is sent yet */
	msec deadline;        /* for the next reply */
	msec since;           /* when the wait for it began */
	struct buf sent;      /* the last command as it may be shown */
	struct buf goodbye;   /* text of a 421 */
};

/* ---- data.c ---- */

struct data {
	int fd;       /* connected or connecting, or -1 */
	int listener; /* active mode, or -1 */
	bool open;    /* fd is connected */
	uint16_t last_port; /* that was dialled before this one, or 0 */
	bool secret;  /* the control connection was encrypted when this one was made */
	struct tls *tls; /* made by data_secure(), or NULL */
	struct endpoint local, remote;
	msec began;    /* this attempt */
	msec deadline; /* of this attempt */
	int sys_errno; /* why it failed */
};

/* ---- ladder.c: which way to a data connection ---- */

#define LADDER_MAX 6

struct ladder {
	enum ferry_mode rung[LADDER_MAX];
	size_t count, next;
	enum ferry_mode now;
	bool no_call;     /* the server accepted PORT or EPRT and did not call */
	bool has_again;   /* this passive way is tried once more if its port is closed: another */
	enum ferry_mode again; /* one may be open */
	struct buf tried; /* "EPSV (192.0.2.1 port 61017: no answer in 5.0 s), ..." */
	int sys_errno;
};

/* ---- coding.c: MODE ---- */

struct coding {
	enum ferry_coding wanted;             /* the caller's */
	enum ferry_coding now;                /* in force; FERRY_CODING_AUTO: not known */
	enum ferry_coding asked;              /* of the MODE command under way */
	bool refused[FERRY_CODING_BLOCK + 1]; /* in this session */
	bool warned;                          /* the caller knows that it is a stream */
	struct block_reader blocks;           /* of this data connection */
	struct deflate_packer *packer;        /* of this upload, or NULL */
	struct deflate_unpacker *unpacker;    /* of this download, or NULL */
};

/* ---- transfer.c ---- */

enum transfer_state {
	XFER_IDLE,
	XFER_TYPE, /* TYPE sent; ended by its reply */
	XFER_MODE, /* MODE sent; ended by its reply */
	XFER_SIZE, /* SIZE sent; ended by its reply */
	XFER_TIME, /* MDTM sent, perhaps with the transfer command behind it; ended by its
		      reply */
	XFER_LADDER, /* a data connection is being arranged; ladder.c knows more */
	XFER_REST,   /* REST sent; ended by its reply */
	XFER_RUN,    /* the transfer command is sent: replies, the server's call and bytes
			come */
	XFER_CALM,   /* ABOR sent: replies are read until the session is in step again */
};

/* A type of transfer: as it is, but not TYPE I (RFC 959 4.1.3 wants LIST and NLST in A).
 */
#define TYPE_LISTING 'L'

struct transfer {
	enum transfer_state state;
	const char *verb;
	char type; /* 'A', 'I', TYPE_LISTING, or 0: whatever is set (MLSD) */
	bool upload;
	bool convert;    /* TYPE A conversion of the bytes */
	bool check_size; /* ask SIZE, compare the count */
	bool want_time;  /* ask MDTM */
	uint64_t offset;
	int64_t size;   /* bytes expected, or -1 */
	int64_t mtime;  /* of the file, or INT64_MIN */
	uint64_t bytes; /* moved, as the caller counts them */
	uint64_t wire;  /* moved on the data connection */
	ferry_write_cb *write;
	ferry_read_cb *read;
	void *user;
	struct ascii_encoder encoder;
	struct ascii_decoder decoder;
	uint8_t *io; /* IO_CHUNK bytes: what the caller gives or gets */
	size_t io_pos, io_len;
	uint8_t *cooked; /* TYPE A: the other side of the conversion */
	size_t cooked_pos, cooked_len;
	uint8_t *coded; /* MODE Z and B: what is packed, or put into blocks */
	size_t coded_pos, coded_len;
	bool begun;      /* 1xx or the first byte was seen */
	bool source_end; /* upload: the callback has no more */
	bool data_end;   /* the data connection has done its work, or broke */
	bool reused;     /* it was open already */
	bool coded_end;  /* upload: the end of the file is coded too */
	bool cut;        /* download: it ended before the end of the file */
	bool suspect;    /* download: the server does not believe in what it sent */
	int data_errno;  /* why it broke, or 0 */
	char tls_why[TLS_WHY_MAX]; /* what TLS says to that, or "" */
	int final;       /* code of the final reply, or 0 */
	msec began;
	msec stall;    /* deadline for the next byte */
	msec hollow;   /* deadline for the final reply, when nothing came or broke */
	msec progress; /* when the last progress event was sent */
	/* XFER_CALM */
	bool calm_next_rung; /* then go on with the ladder */
	bool calm_noop;      /* NOOP sent as a mark in the stream of replies */
	bool calm_settled; /* whatever came belongs to ABOR or NOOP: silence now means in
			      step */
	unsigned calm_grace; /* milliseconds */
	int calm_result;   /* then this is the result; its sentence is set */
	msec calm_end;
};

/* ---- list.c ---- */

struct listing_state {
	struct buf line;
	bool skipping; /* inside a line that is too long */
	bool mlsx;
	unsigned warnings;
	ferry_entry_cb *cb;
	void *user;
};

/* ---- many.c ---- */

struct many_file {
	size_t index; /* the caller's */
	char *path;
	int64_t size, mtime; /* what the caller knows, or -1 and INT64_MIN */
	bool opened;         /* upload: the caller has it open */
};

#define AHEAD_MAX 4 /* TYPE, SIZE, MDTM, EPSV */

struct many {
	struct ferry_many to;       /* downloads */
	struct ferry_put_many from; /* uploads */
	void *user;
	bool ahead_wanted; /* the caller's */
	struct many_file *file; /* from those under way on */
	size_t count;
	size_t taken; /* from the caller */
	bool several; /* there are more than one, or may be */
	size_t head;   /* the file that the next reply and the next byte belong to */
	size_t sent;   /* one past the last one whose commands are sent */
	size_t window; /* how many were under way when it was last filled */
	bool times;    /* MDTM is asked where the time is not known */
	bool begun;    /* begin() was called for head */
	const char *ahead[AHEAD_MAX]; /* sent for the file behind the head, or, when that is
					 the head, still to be answered */
	size_t n_ahead;
	bool draining; /* the data connection is lost: what was asked for is refused */
};

/* ---- op.c: operations ---- */

/* What an operation does; one constant per operation. Functions return FERRY_AGAIN or the
 * result. */
struct op_type {
	const char *name;
	bool offline;     /* needs no control connection */
	bool preliminary; /* 1xx replies go to reply() too */
	/* The first command. */
	int (*begin)(struct ferry *h);
	/* A reply is in h->control.reply. NULL: any positive reply is success. */
	int (*reply)(struct ferry *h);
	/* Everything but the control connection; *ret_moved when something happened. Or
	 * NULL. */
	int (*work)(struct ferry *h, bool *ret_moved);
	/* The control connection ended. Or NULL: that is a failure. */
	int (*lost)(struct ferry *h);
	/* ferry_abort() was called. Or NULL: the reply under way is awaited first. */
	int (*abort)(struct ferry *h);
	/* The operation is over: give back what it holds. Or NULL. */
	void (*end)(struct ferry *h, int result);
};

struct op {
	const struct op_type *type; /* NULL: none runs */
	int state;                  /* the operation's own enum */
	bool aborting;              /* ferry_abort() was seen */
	bool keep_reply; /* replies do not become the last reply (FEAT after login) */
	char *path, *path2;
	char *secret, *account; /* wiped at the end, as path is */
	char *kept;             /* ferry_stat: where to go back to */
	int64_t number;
	struct ferry_entry entry;
	uint64_t *ret_u64;
	int64_t *ret_i64;
	char **ret_text;
	struct ferry_entry *ret_entry;
};

struct ferry {
	/* options */
	ferry_event_cb *event_cb;
	void *event_user;
	ferry_secret_cb *secret_cb;
	void *secret_user;
	enum ferry_mode mode;
	bool active_allowed;
	uint16_t active_low, active_high;
	bool has_active_address;
	struct endpoint active_address;
	bool trust_pasv;
	int family;
	bool has_source;
	struct endpoint source;
	unsigned timer[5]; /* enum ferry_timer */
	bool connect_timer_set; /* FERRY_TIMER_DATA_CONNECT is the caller's */
	bool event_driven;
	bool binary;

	/* what happened last */
	struct buf error;
	int sys_errno;
	int reply_code;
	struct buf reply_text;
	char *unique;

	/* session */
	char *host;
	uint16_t port;
	bool connected; /* the greeting was positive */
	bool logged_in;
	char type;    /* TYPE in force: 'A', 'I', or 0: not known */
	bool no_epsv; /* refused with 5xx in this session */
	bool no_pasv;
	bool no_mlsd;
	bool no_ahead; /* replies do not come in the order of the commands */
	bool no_hurry; /* an upload was refused whose bytes were sent already */
	bool has_worked;
	enum ferry_mode worked; /* the way that worked last in this session */
	char *first_why; /* it has not yet: the caller knows from before; or NULL */
	struct buf features;    /* LF, feature, LF, ... in capitals */
	bool knows_features;    /* from another session */

	/* machinery */
	uint64_t born_ns;
	atomic_int abort_wanted;
	atomic_int wake_fd; /* eventfd that ferry_abort() writes to, or -1 */
	bool stepping;
	bool more; /* the last step ended before its input did */
	struct op op;
	struct lookup *lookup;
	msec lookup_deadline;
	struct dial dial;
	struct control control;
	struct data data;
	struct ladder ladder;
	struct coding coding;
	struct transfer xfer;
	struct many many;
	struct listing_state listing;
	struct security security;
};

/* event.c */
msec now_ms(void);
uint64_t now_ns(void);
/* 0 if ms is 0 (no limit). */
msec deadline_in(unsigned ms);
bool deadline_over(msec deadline);
/* Fills in size and time and calls the callback. */
void event_emit(struct ferry *h, struct ferry_event ev);
void event_text(struct ferry *h, enum ferry_event_kind kind, const char *text);
void event_warning(struct ferry *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* ep may be NULL: not known. */
void event_address(struct sockaddr_storage *out, const struct endpoint *ep);

/* fail.c: sentences. Each returns its code, negated. */
int fail(struct ferry *h, enum ferry_error code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The last reply was not the one we wanted: the code follows from its digits (RFC
 * 959 4.2.1). */
int fail_reply(struct ferry *h);
int fail_memory(struct ferry *h);
/* Out of a reply code: FERRY_ETEMPORARY, FERRY_EUNSUPPORTED, FERRY_EREFUSED or
 * FERRY_EPROTO. */
enum ferry_error reply_error(int code);
/* Foreign text, made harmless and cut at about 200 bytes; owned by the caller. */
char *safe_text(const char *text);
/* "192.0.2.1 port 21" */
#define PLACE_MAX (ENDPOINT_TEXT_MAX + 16)
const char *say_place(const struct endpoint *ep, char out[PLACE_MAX]);
/* strerror() without its static buffer. */
#define ERRNO_MAX 128
const char *say_errno(int sys_errno, char out[ERRNO_MAX]);
/* Words for errno of a connection attempt that took that long. */
void say_cause(char *out, size_t cap, int sys_errno, msec took);

/* op.c */
/* Is the handle free for an operation? Clears the last error, takes the strings (NULL:
 * none). 0; -FERRY_ESTATE; -FERRY_EINVAL; -FERRY_ENOMEM. */
int op_prepare(
    struct ferry *h, const struct op_type *type, const char *path, const char *path2);
/* Runs the prepared operation: to its end, or only begins it in event-driven use. */
int op_run(struct ferry *h);
/* Both. */
int op_simple(struct ferry *h, const struct op_type *type, const char *path);
/* Sends a command and notes the state that its reply ends. FERRY_AGAIN or an error. */
int op_send(struct ferry *h, int state, const char *verb, const char *arg);
/* The sentence of -FERRY_EABORTED. */
int fail_aborted(struct ferry *h);
/* ferry_abort() while a reply is under way: it is awaited, so that the session stays in
 * step, but not for long. FERRY_AGAIN, or at once -FERRY_EABORTED when none is awaited.
 */
int op_abort_soon(struct ferry *h);
/* Drops what the operation holds. */
void op_release(struct ferry *h);

/* resolve.c */
/* Numeric text, or in blocking use a name too: 0 and *ret filled; FERRY_AGAIN: h->lookup
 * works on it; -FERRY_ERESOLVE, -FERRY_ENOMEM, -FERRY_ESYS. */
int resolve_begin(struct ferry *h, struct addresses *ret);
/* FERRY_AGAIN while the look-up goes on. */
int resolve_work(struct ferry *h, struct addresses *ret);
int lookup_fd(const struct lookup *l);
/* Lets go of it; its thread, if any, ends by itself. NULL is accepted. */
void lookup_release(struct lookup *l);

/* dial.c */
void dial_init(struct dial *d);
/* 0 when h->control has its connection, FERRY_AGAIN, or -FERRY_ECONNECT. */
int dial_work(struct ferry *h, bool *ret_moved);
void dial_close(struct ferry *h);

/* control.c */
void control_init(struct control *c);
/* Takes over a socket that is connected to that place. */
int control_open(struct ferry *h, int fd, const struct endpoint *to);
/* Closes it with an event; error: positive code, or 0 for an orderly end. */
void control_close(struct ferry *h, int error);
void control_free(struct control *c);
/* May these bytes stand in a command line? Says why not. 0 or -FERRY_EINVAL. */
int control_check(struct ferry *h, const char *what, const char *text);
/* Sends "VERB" or "VERB arg"; one final reply is then awaited. Every command passes here.
 */
int control_command(struct ferry *h, const char *verb, const char *arg);
/* Telnet IP and Synch as urgent data (RFC 959 4.1.3 ABOR), before ABOR. */
void control_synch(struct ferry *h);
/* Writes what waits. Never fails: a broken connection is found by reading. */
void control_flush(struct ferry *h);
/* Reads up to the next complete reply. *ret_got tells whether there is one. 0; FERRY_EOF:
 * the server hung up (errno in *ret_errno); a negative error whose sentence is set. */
int control_next(struct ferry *h, bool *ret_got, int *ret_errno);
/* Starts and stops the wait for a reply. */
void control_await(struct ferry *h);
/* Not longer than that, if there is a limit at all. */
void control_hurry(struct ferry *h, unsigned ms);
void control_rest(struct ferry *h);
bool control_has_input(const struct ferry *h);
/* What to poll for. */
short control_events(const struct ferry *h);

/* data.c */
void data_init(struct data *d);
/* Dials. 0: connected at once; FERRY_AGAIN; -FERRY_EDATA with h->data.sys_errno. */
int data_dial(struct ferry *h, const struct endpoint *to);
int data_dial_work(struct ferry *h);
/* Listens; *ret_told is the address and port to tell the server. 0 or -FERRY_EDATA. */
int data_listen(struct ferry *h, struct endpoint *ret_told);
/* 0: the server's call came; FERRY_AGAIN. Strangers are sent away. */
int data_accept(struct ferry *h, bool *ret_moved);
/* Where the control connection is encrypted, so is this one. 0: bytes may flow;
 * FERRY_AGAIN; -FERRY_ETLS with h->xfer.tls_why; -FERRY_ETLSCERT, -FERRY_ENOMEM with the
 * sentence. */
int data_secure(struct ferry *h, bool *ret_moved);
/* As recv() and send(), through TLS if there is any. */
ssize_t data_recv(struct ferry *h, void *p, size_t n);
ssize_t data_send(struct ferry *h, const void *p, size_t n);
/* The end of an upload, as the server shall see it. 0 or FERRY_AGAIN. */
int data_finish(struct ferry *h);
/* Bytes of an upload at its end which the other side has not confirmed. */
unsigned data_unsent(const struct ferry *h);
/* What to poll for instead of the usual. */
short data_events(const struct ferry *h, short usual);
/* error: positive code or 0. reset: the peer shall see a failure, not an end of file. */
void data_close(struct ferry *h, int error, bool reset);
/* An open connection on which nothing is owed: is it of use for another transfer? Not
 * when the peer has closed it, nor when it has sent what nobody asked for. */
bool data_is_idle(struct ferry *h);

/* ladder.c */
void ladder_begin(struct ferry *h);
/* Begins the next way. FERRY_AGAIN; 0: the transfer command may be sent; an error. */
int ladder_next(struct ferry *h);
int ladder_reply(struct ferry *h);
int ladder_work(struct ferry *h, bool *ret_moved);
/* The present way failed; text says why. Goes on with the next one, if there is one. */
int ladder_failed(struct ferry *h, int error, int sys_errno, const char *text);
/* The same, and there is no next one in this operation: what the caller gave or got
 * cannot be taken back. */
int ladder_over(struct ferry *h, int error, int sys_errno, const char *text);
/* The command connection is lost, by this error. If it happened while the answer to EPSV
 * or the like was awaited, that way is told to have failed. */
void ladder_lost(struct ferry *h, int error);
/* Does the mode that the caller has set include this way? */
bool ladder_allows(const struct ferry *h, enum ferry_mode mode);
void ladder_worked(struct ferry *h);
/* The way that worked is not known, or is not any more. */
void ladder_forget(struct ferry *h);
/* Milliseconds for the present attempt; 0: no limit. */
unsigned ladder_budget(const struct ferry *h);
const char *mode_name(enum ferry_mode mode);
bool mode_is_active(enum ferry_mode mode);

/* transfer.c */
/* What all operations with a data connection share. */
#define TRANSFER_OP                                                                      \
	.preliminary = true, .begin = transfer_begin, .lost = transfer_lost,             \
	.abort = transfer_abort
/* Clears h->xfer for an operation that is prepared. */
void transfer_prepare(struct ferry *h, const char *verb, char type);
int transfer_begin(struct ferry *h);
int transfer_reply(struct ferry *h);
int transfer_work(struct ferry *h, bool *ret_moved);
int transfer_lost(struct ferry *h);
void transfer_end(struct ferry *h, int result);
/* Nothing has happened yet: the ladder goes on with another way. */
void transfer_restart(struct ferry *h);
void transfer_set_state(struct ferry *h, enum transfer_state state);
/* Data has ended and the reply is there: good or not? */
int transfer_judge(struct ferry *h);
/* The same for another file of the same operation: only what belongs to one file is
 * forgotten. */
void transfer_next(struct ferry *h);
/* The file's final reply is here and its bytes are not: replies to what was asked for
 * behind it must wait. */
bool transfer_holds_replies(const struct ferry *h);

/* coding.c */
/* Does the next transfer need another MODE than the one in force? *ret is the one. */
bool coding_differs(struct ferry *h, enum ferry_coding *ret);
/* Sends MODE; its reply goes to coding_reply(), which returns 0 when it is settled: the
 * one that was asked for, or a stream. */
int coding_ask(struct ferry *h, enum ferry_coding coding);
int coding_reply(struct ferry *h);
/* Nothing of the last data connection is valid any more. */
void coding_fresh(struct ferry *h);
/* Does not have the server do this again in this session. */
void coding_give_up(struct ferry *h, enum ferry_coding coding);
/* Nothing is known of this session. */
void coding_reset(struct ferry *h);
/* MODE B: may the data connection of the transfer that ends now be used again? */
bool coding_keeps(const struct ferry *h);
/* MODE B: is there one to be used? FERRY_EV_REUSED tells. */
bool coding_reuses(struct ferry *h);
/* Bytes of io that came become bytes of the file, for take(), a chunk at a time.
 * FERRY_AGAIN; 0: the file has ended; or an error. */
typedef int take_fn(struct ferry *h, const uint8_t *p, size_t n);
int coding_unwrap(struct ferry *h, take_fn *take);
/* Is there more to unwrap of what came? */
bool coding_has_more(const struct ferry *h);
/* The connection has ended: was that the end of the file? */
bool coding_is_whole(const struct ferry *h);
/* n bytes of the file into coded, which is empty; last: none will come behind them.
 * *ret_used were taken. 0 or -FERRY_ENOMEM. */
int coding_wrap(struct ferry *h, const uint8_t *p, size_t n, bool last, size_t *ret_used);

/* pump.c */
/* 0, or -FERRY_ENOMEM. */
int pump_prepare(struct ferry *h);
/* The same for what the MODE in force needs besides. */
int pump_prepare_coding(struct ferry *h);
void pump_free(struct ferry *h);
/* Moves bytes. FERRY_AGAIN; or an error after which the transfer is to be aborted. */
int pump_work(struct ferry *h, bool *ret_moved);
/* The server has begun: FERRY_EV_TRANSFER, once. */
void pump_begun(struct ferry *h);
/* Is it time to look for bytes of a download? */
bool pump_may_read(const struct ferry *h);
/* Is it time to send those of an upload? */
bool pump_may_write(const struct ferry *h);
/* Something moved, or may move from now on: the stall timer starts again. */
void pump_touch(struct ferry *h);

/* abort.c */
/* Stops the running transfer; when the session is in step again, result is returned, or
 * the ladder goes on (next_rung). The sentence of result is already set. */
int abort_begin(struct ferry *h, int result, bool next_rung);
/* The same where the server has answered a later command before the transfer's end: it
 * keeps nothing waiting, so what it has not said soon it will not say. */
int abort_swiftly(struct ferry *h, int result);
int abort_reply(struct ferry *h);
int abort_work(struct ferry *h);
int transfer_abort(struct ferry *h);

/* many.c */
/* Are transfer commands sent ahead of time? */
bool many_pipelines(const struct ferry *h);
/* The data connection is ready: as many commands as the window takes. */
int many_send(struct ferry *h);
/* One by one, with what the next file needs behind it. */
bool many_goes_ahead(const struct ferry *h);
int many_send_ahead(struct ferry *h);
/* Is this command out already? Then its reply comes next. */
bool many_was_sent(struct ferry *h, const char *verb);
/* May the transfer command go before the data connection stands? */
bool many_is_sure(const struct ferry *h);
/* May an upload's bytes go before the server's word for it? */
bool many_may_hurry(const struct ferry *h);
/* A reply that cannot be the running transfer's. */
bool many_is_stray(struct ferry *h, int code);
/* TYPE was refused: the sentence, and an end to going ahead. */
int many_fail_type(struct ferry *h);

/* session.c */
extern const struct op_type op_connect;
/* A new control connection: nothing is known yet. */
void session_reset(struct ferry *h);

/* files.c */
/* The quoted path of a 257 reply (RFC 959 appendix II). *ret is allocated. 0,
 * -FERRY_EPROTO, -FERRY_ENOMEM. */
int parse_257(const char *text, char **ret);

#endif
