/*
 * The upload promise. Bytes go to a temporary name in the same directory and take the
 * real one in a single rename, after fsync: whoever looks sees the old file or the new
 * one, whole, and what has been acknowledged is on the disk (durable_uploads). An upload that did not end
 * well leaves an old file as it was; where there was none, what arrived is kept under the
 * real name so that REST or APPE can go on (keep_partial, delete_failed_uploads).
 *
 * APPE and REST + STOR write in place, since that is what they ask for.
 */
#ifndef FERRYD_AGENT_UPLOAD_H
#define FERRYD_AGENT_UPLOAD_H

#include "answer.h"
#include "grants.h"

#define UPLOADS_MAX 64

/* Begins an upload of the grant: AGENT_STORE with its path. The answer has the descriptor
 * and the upload's number, or tells what is wrong. */
int upload_begin(
    struct grant *g, const struct msg_agent_store *m, const char *path, struct answer *a);

/* AGENT_COMMIT: rest is written first. 0 with an answer; -EPROTO: that number was never
 * given out. Of two that want to end the same upload (COMMIT and a revoked grant) one
 * does, and the other finds it gone (EBADF). */
int upload_end(
    struct grant *g, uint32_t number, bool complete, struct bytes rest, struct answer *a);

/* The grant is over: its uploads end as failed ones, and no new one begins. */
void upload_end_all(struct grant *g);

#endif
