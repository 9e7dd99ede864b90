/*
 * The story of a session: what the narration says, as rows instead of lines of text.
 * Diagrams of every form are made from it. All texts in it are harmless on a terminal;
 * each form adds its own escaping.
 */
#ifndef FERRY_STORY_H
#define FERRY_STORY_H

#include "draw.h"

enum story_kind {
	STORY_TITLE,   /* what is about to be done */
	STORY_ENDS,    /* who is left and right from here on */
	STORY_CALL,    /* one side dials the other */
	STORY_BROKEN,  /* the same, in vain */
	STORY_MESSAGE, /* a command or a reply */
	STORY_BYTES,   /* on the data connection */
	STORY_STEP,    /* at our end, or at both: a port is opened, TLS begins */
	STORY_GOOD,    /* how it ended */
	STORY_BAD,
};

/* A sentence beside a row; with a label it is advice. */
struct story_note {
	char *label; /* "Admin, do:", or NULL */
	char *text;
};

struct story_row {
	enum story_kind kind;
	double time; /* seconds since the session began */
	struct draw_arrow arrow;
	bool data_open;     /* while this happens there is a data connection */
	char *text;         /* one line; of a long reply the last one */
	char *lines;        /* all lines of a reply that has several, or NULL */
	char *you, *server; /* STORY_ENDS: addresses; "" if not known */
	bool router;        /* STORY_ENDS: is there one? */
	char *subject;      /* of what was tried: STORY_GOOD and STORY_BAD; or NULL */
	uint64_t bytes;     /* STORY_BYTES */
	double seconds;
	struct story_note *notes;
	size_t n_notes;
};

struct story {
	struct story_row *rows;
	size_t n, size;
	char *host;      /* as the user named it, or NULL */
	char *subject;   /* of what is tried now, or NULL */
	char *router;    /* its outer address where known, or NULL */
	bool has_router; /* in any of the rows */
	bool data_open;  /* while the story is told */
	size_t n_said;   /* sentences in said */
	char *said[64];  /* those without a figure: said once */
	bool incomplete; /* out of memory */
	/* for headings; set by the caller */
	int64_t began; /* seconds since 1970 UTC, or -1 */
	double seconds;
};

/* Zeroed is empty. */
void story_clear(struct story *s);

/* Telling: what draw.c calls. Texts are copied and made harmless. */
void story_row(struct story *s, enum story_kind kind, double time, const char *text);
void story_arrow(struct story *s, enum story_kind kind, double time, struct draw_arrow a,
    const char *text);
void story_bytes(
    struct story *s, double time, struct draw_arrow a, uint64_t bytes, double seconds);
void story_note(struct story *s, double time, const char *label, const char *text);
void story_ends(struct story *s, double time, const char *you, const char *router,
    const char *server);
void story_name_router(struct story *s, const char *address);
void story_name_host(struct story *s, const char *host);
/* What the outcomes from here on are about: "RETR report.txt". */
void story_name_subject(struct story *s, const char *verb, const char *path);

/* Who it is that an arrow leaves and reaches: "you", "server", "stranger", "nowhere". */
const char *story_from(const struct story_row *row);
const char *story_to(const struct story_row *row);
/* "command", "reply", "call", "broken-call", "bytes", "step". */
const char *story_word(const struct story_row *row);
bool story_is_arrow(const struct story_row *row);

#endif
