/*
 * The drawing of the narration: numbered arrow lines between two columns, and wrapped
 * sentences. Knows nothing of FTP.
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

struct draw {
	FILE *out;
	bool colour;
	unsigned step; /* number of the last arrow line */
};

/* Ports are those at our end (left) and the server's (right); 0: not known, left empty.
 */

/* "====== text =====>" or, inward, "<===== text =====": who dials whom. */
void draw_call(
    struct draw *d, uint16_t ours, uint16_t theirs, bool inward, const char *text);
/* "======X text": a call that failed. */
void draw_broken_call(
    struct draw *d, uint16_t ours, uint16_t theirs, bool inward, const char *text);
/* --> "text" -----> : a message on an open connection. Foreign text is made harmless, and
 * cut where it is too long: then true. */
bool draw_message(
    struct draw *d, uint16_t ours, uint16_t theirs, bool inward, const char *text);
/* "<<<<< 18 432 bytes <<<<<": the arrows point where the bytes go. */
void draw_bytes(
    struct draw *d, uint16_t ours, uint16_t theirs, bool inward, uint64_t bytes);
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
/* "  YOU address      SERVER address", and the steps are counted from 1 again. */
void draw_columns(struct draw *d, const char *you, const char *server);
/* "18 432": digits in groups of three. out holds at least 32 bytes. */
const char *draw_number(uint64_t n, char *out);

#endif
