/*
 * The inside of the narration: its state, and what its three files share. Only explain*.c
 * include this header.
 */
#ifndef FERRY_EXPLAIN_STATE_H
#define FERRY_EXPLAIN_STATE_H

#include "address.h"
#include "explain.h"
#include "witness.h"

#define CHORES_MAX 200

struct explain {
	struct draw draw;
	bool whole; /* every command is told, whether a transfer was planned or not */
	/* the command connection */
	char *host;
	struct sockaddr_storage own, peer;
	char router[ADDRESS_TEXT_MAX]; /* outer address of our router where known, or "" */
	bool connected;
	bool dial_untold; /* the call was made before there was a title */
	bool has_columns;
	/* the transfer */
	bool planned; /* between explain_plan() and explain_end() */
	bool titled;
	bool active; /* the title said active */
	bool missed; /* that the server's call did not come was told */
	bool upload; /* the transfer under way */
	char *verb, *path;
	unsigned calls_by_you, calls_by_server;
	bool blocks;      /* MODE B: the data connection stays open */
	bool ahead;       /* commands are sent ahead of time, and that was said */
	size_t n_files;   /* that came or went over data connections */
	size_t n_planned; /* files; 0 or 1: one */
	struct sockaddr_storage caller; /* the server's end of its call */
	struct witness witness;         /* its attempts */
	/* the conversation */
	char command[16];        /* verb of the last command sent */
	char *line;              /* that command */
	bool in_story;           /* is its reply told? */
	char chores[CHORES_MAX]; /* commands that are only named */
	bool has_login;
	char *reply; /* the last reply that was not told */
	int reply_code;
	char *held; /* the final reply, if it came before the last bytes: told behind them
		     */
	int held_code;
	double held_at;
	/* the data connection */
	bool encrypted; /* the command connection */
	bool tls_untold;
	char tls[64]; /* version and cipher */
	enum ferry_trust trust;
	bool data_open;
	uint16_t data_own, data_peer;
};

/* explain.c */
void explain_replace(char **field, const char *text);
/* The attempt under way; a spare one if there is none. */
struct attempt *explain_attempt(struct explain *x);
/* Whatever is drawn next needs the columns above it, and the call that came before. */
void explain_open_story(struct explain *x);
/* Is what happens now part of what is told? */
bool explain_is_open(const struct explain *x);
/* Arrows on the two connections. */
struct draw_arrow explain_control_arrow(const struct explain *x, bool inward);
struct draw_arrow explain_data_arrow(const struct explain *x, bool inward);
/* The outer address of our router has become known. */
void explain_note_router(struct explain *x, const char *address);

/* explain_talk.c: commands and replies */
bool explain_is_upload(const char *verb);
bool explain_is_listing(const char *verb);
void explain_on_command(struct explain *x, const struct ferry_event *ev);
void explain_on_reply(struct explain *x, const struct ferry_event *ev);
/* A final reply that waited for the last bytes. */
void explain_tell_held(struct explain *x);

/* explain_data.c: addresses and calls */
void explain_on_address(struct explain *x, const struct ferry_event *ev);
void explain_on_listening(struct explain *x, const struct ferry_event *ev);
void explain_on_accepted(struct explain *x, const struct ferry_event *ev);
void explain_on_stranger(struct explain *x, const struct ferry_event *ev);
void explain_on_called(struct explain *x, const struct ferry_event *ev);
void explain_on_connect_failed(struct explain *x, const struct ferry_event *ev);
void explain_on_data_end(struct explain *x, const struct ferry_event *ev);
void explain_on_reused(struct explain *x, const struct ferry_event *ev);
void explain_on_closed(struct explain *x, const struct ferry_event *ev);
/* Active mode: the server was told where to call, and nobody came. True if that was told
 * now. */
bool explain_missed_call(struct explain *x);

/* explain_tls.c */
void explain_on_tls(struct explain *x, const struct ferry_event *ev);
/* What was encrypted before there was a place to say so. */
void explain_tell_tls(struct explain *x);

#endif
