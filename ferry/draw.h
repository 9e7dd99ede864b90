/*
 * The drawing of the narration: numbered arrow lines between two columns, and wrapped
 * sentences. Knows nothing of FTP. With a story it draws nothing and tells the story
 * instead, from which diagrams are made.
 */
#ifndef FERRY_DRAW_H
#define FERRY_DRAW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The column where the server's ports stand, and the last column of a line. */
#define DRAW_RIGHT 76
#define DRAW_WIDTH 100

enum draw_colour { DRAW_PLAIN, DRAW_TITLE, DRAW_CALL, DRAW_BYTES, DRAW_GOOD, DRAW_BAD };

struct story;

struct draw {
	FILE *out; /* may be NULL when there is a story */
	bool colour;
	unsigned step;       /* number of the last arrow line */
	struct story *story; /* or NULL */
	double time;         /* of what is drawn: for the story */
};

/* Where an arrow begins and ends. */
struct draw_arrow {
	uint16_t ours, theirs; /* ports, left and right; 0: not known, left empty */
	bool inward;           /* towards us */
	bool data;             /* on the data connection */
	bool stranger;         /* inward, but not from the server */
};

/* "====== text =====>" or, inward, "<===== text =====": who dials whom. */
void draw_call(struct draw *d, struct draw_arrow a, const char *text);
/* "======X text": a call that failed. */
void draw_broken_call(struct draw *d, struct draw_arrow a, const char *text);
/* --> "text" -----> : a message on an open connection; of several lines the last one.
 * Foreign text is made harmless, and cut where it is too long: then true. */
bool draw_message(struct draw *d, struct draw_arrow a, const char *text);
/* "<<<<< 18 432 bytes <<<<<": the arrows point where the bytes go. */
void draw_bytes(struct draw *d, struct draw_arrow a, uint64_t bytes, double seconds);
/* A numbered line without an arrow. */
__attribute__((format(printf, 2, 3))) void draw_step(
    struct draw *d, const char *format, ...);
/* A wrapped paragraph below the last step. */
__attribute__((format(printf, 2, 3))) void draw_sentence(
    struct draw *d, const char *format, ...);
/* A wrapped paragraph at the left edge; its following lines are indented. */
__attribute__((format(printf, 4, 5))) void draw_paragraph(
    struct draw *d, enum draw_colour colour, unsigned indent, const char *format, ...);
/* "  label:   text", the text wrapped in its own column. */
void draw_advice(struct draw *d, const char *label, const char *text);
/* "  YOU address      your router      SERVER address", and the steps are counted from 1
 * again. router: NULL if there seems to be none, "" if its address is not known. */
void draw_columns(
    struct draw *d, const char *you, const char *router, const char *server);
/* An empty line. */
void draw_gap(struct draw *d);
/* "18 432": digits in groups of three. out holds at least 32 bytes. */
const char *draw_number(uint64_t n, char *out);

#endif
