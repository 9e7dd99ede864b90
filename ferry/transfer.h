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

/* Does the server carry many files over one data connection? Only then the next is of
 * use. */
bool transfer_can_many(const struct session *s);
/* Several downloads, all with the same settings and from the beginning; done(i, result)
 * after each that was tried. 0: all were; else the failure that ended it. */
typedef void transfer_done(size_t i, int result, void *user);
int transfer_download_many(struct session *s, const struct download *d, size_t n,
    transfer_done *done, void *user);

struct upload {
	const char *local;
	const char *remote;
	enum local_name who;
	enum ferry_put_how how;
	bool resume;
};

int transfer_upload(struct session *s, const struct upload *u);

#endif
