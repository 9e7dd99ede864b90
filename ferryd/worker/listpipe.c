/*
 * Reading a listing from an agent's pipe, for the pump (LIST, NLST, MLSD) and for STAT.
 * Looks at no byte but the last; never blocks.
 */
#include "listpipe.h"

#include <ferry/ferry.h>
#include <stdlib.h>

#include "conn.h"

#define LISTPIPE_COMPLETE 0x00

struct listpipe {
	struct conn *conn;
	bool has_last;
	uint8_t last; /* the newest byte: it may be the status */
	listpipe_bytes_cb *on_bytes;
	listpipe_end_cb *on_end;
	void *user;
};

static void
on_pipe(struct conn *c, unsigned events, void *user)
{
	struct listpipe *lp = user;
	uint8_t chunk[1 + LISTPIPE_CHUNK];
	size_t n = 0;

	/* The byte held back comes first, and the newest takes its place. */
	int r = conn_read(c, chunk + 1, LISTPIPE_CHUNK, &n);
	if (r == FERRY_AGAIN)
		return;
	if (r < 0) {
		conn_want(c, 0);
		lp->on_end(lp->user,
		    r == -FERRY_EOF && lp->has_last && lp->last == LISTPIPE_COMPLETE);
		return;
	}
	size_t skip = lp->has_last ? 0 : 1;
	chunk[0] = lp->last;
	lp->last = chunk[n];
	lp->has_last = true;
	if (n > skip)
		lp->on_bytes(lp->user, chunk + skip, n - skip);
}

struct listpipe *
listpipe_new(uv_loop_t *loop, int fd, listpipe_bytes_cb *on_bytes,
    listpipe_end_cb *on_end, void *user)
{
	struct listpipe *lp = calloc(1, sizeof(*lp));

	if (lp == NULL) {
		close(fd);
		return NULL;
	}
	lp->on_bytes = on_bytes;
	lp->on_end = on_end;
	lp->user = user;
	lp->conn = conn_new(loop, fd, on_pipe, lp);
	if (lp->conn == NULL) {
		free(lp);
		return NULL;
	}
	return lp;
}

void
listpipe_free(struct listpipe *lp)
{
	if (lp == NULL)
		return;
	conn_free(lp->conn);
	free(lp);
}

void
listpipe_pause(struct listpipe *lp)
{
	conn_want(lp->conn, 0);
}

void
listpipe_resume(struct listpipe *lp)
{
	conn_want(lp->conn, CONN_READABLE);
}
