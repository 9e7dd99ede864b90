/*
 * One file down or up: local file, remote file, resume, progress and narration together.
 * The one-shot commands and the prompt share this.
 */
#ifndef FERRY_TRANSFER_H
#define FERRY_TRANSFER_H

#include "local.h"
#include "session.h"

struct download {
	const char *remote;
	const char *local;
	enum local_name who;
	bool resume;    /* go on with what is there */
	bool keep_time; /* give the file the server's time */
};

/* 0 or an error; session_error() has the sentence. */
int transfer_download(struct session *s, const struct download *d);

struct upload {
	const char *local;
	const char *remote;
	enum local_name who;
	enum ferry_put_how how;
	bool resume;
};

int transfer_upload(struct session *s, const struct upload *u);

/* ---- for transfer_many.c ---- */

/* "NAME: why", with the name that the user knows the local file by. Returns rc. */
int transfer_fail_local(
    struct session *s, int rc, const char *name, const char *why);
/* Its bytes came from offset on, with that result: the file takes its name, or its part
 * stays. */
int transfer_close_sink(struct session *s, const struct download *d,
    struct local_sink *sink, uint64_t offset, int rc);

#endif
