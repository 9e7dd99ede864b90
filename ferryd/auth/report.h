/*
 * What a checking process tells auth: a decision as one datagram. Both ends are the same
 * program, but the checking one has foreign modules in it, so its bytes are read like a
 * stranger's.
 */
#ifndef FERRYD_AUTH_REPORT_H
#define FERRYD_AUTH_REPORT_H

#include "backend.h"

/* Largest report: answer, length, cause, an encoded MSG_MASTER_VERDICT. */
#define REPORT_MAX (3 + WHY_MAX + WIRE_MAX)

/* Writes d into out (REPORT_MAX bytes) and returns the length. A decision that cannot be
 * told (a path over the limits) becomes ANSWER_AGAIN. */
size_t report_encode(
    const struct decision *d, uint32_t worker, uint32_t session, uint8_t *out);

/* Fills *ret, an initialised decision. 0; -FERRY_EPROTO: malformed, or about another
 * session; -FERRY_ENOMEM. */
int report_decode(
    const uint8_t *p, size_t n, uint32_t worker, uint32_t session, struct decision *ret);

#endif
