/*
 * Several files of one session, down or up, as one operation.
 */
#ifndef FERRY_TRANSFER_MANY_H
#define FERRY_TRANSFER_MANY_H

#include "transfer.h"

/* Is that of any use here? A narration or a trace of streams is easier to read file by
 * file. */
bool transfer_can_many(const struct session *s);

struct transfer_told {
	/* The next one's turn begins; may be NULL. */
	void (*begins)(size_t i, void *user);
	/* And ends: in this order for each file, and for one after the other. One that
	 * may have failed because of what was sent behind it has its turn again at the
	 * end. */
	void (*done)(size_t i, int result, void *user);
};

/* All with the same settings and from their beginning. *ret_tried: of so many the turn is
 * over. 0; or the failure that ended it in the turn of the next one, which was not told
 * of it: session_error() has the sentence. */
int transfer_download_many(struct session *s, const struct download *d, size_t n,
    const struct transfer_told *told, void *user, size_t *ret_tried);
/* The same for ordinary files that become new ones there (FERRY_PUT_STORE). */
int transfer_upload_many(struct session *s, const struct upload *u, size_t n,
    const struct transfer_told *told, void *user, size_t *ret_tried);

#endif
