/*
 * TYPE A in stream mode, RFC 959 3.1.1.1: LF here is CR LF on the wire, both ways, across
 * any cut of the stream. Nothing else is changed: a bare CR or a bare LF from the wire is
 * kept.
 */
#ifndef FERRY_LIB_ASCII_H
#define FERRY_LIB_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Local to wire: every LF becomes CR LF. Stateless between calls except for a LF whose CR
 * was already written when the output was full. */
struct ascii_encoder {
	bool owe_lf;
};

/* Wire to local: CR LF becomes LF; a CR at the end of the input is held back. */
struct ascii_decoder {
	bool held_cr;
};

/* Both: convert as much as fits. *ret_used bytes of in were taken, *ret_made bytes
 * written to out (cap >= 2). */
void ascii_encode(struct ascii_encoder *e, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made);
void ascii_decode(struct ascii_decoder *d, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made);
/* At the end of the stream: a CR held back is written. Returns 0 or 1 bytes; cap >= 1. */
size_t ascii_decode_end(struct ascii_decoder *d, uint8_t *out);

/* Line ends in p: what TYPE A adds to the size (RFC 3659 4.2). */
uint64_t ascii_count_lf(const uint8_t *p, size_t n);

#endif
