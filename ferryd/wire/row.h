/*
 * Files in a row: what worker and agent write into AGENT_ROW and its answer, so that one
 * question is about many small files. Pure; what comes from the other process is taken
 * for hostile.
 */
#ifndef FERRYD_WIRE_ROW_H
#define FERRYD_WIRE_ROW_H

#include "buf.h"
#include "util.h"

/* Most files of a row. */
#define ROW_FILES 32
/* Most bytes of one of them: a larger one is asked for alone. */
#define ROW_FILE_MAX 16384
/* Most bytes of all paths, and of an answer: as messages.def has them. */
#define ROW_PATHS_MAX 16384
#define ROW_TEXT_MAX 65000
/* What a file needs in an answer besides its bytes. */
#define ROW_HEADER 4

/* A path without a NUL. 0; -FERRY_ETOOBIG; -FERRY_ENOMEM. */
int row_put_path(struct buf *paths, struct bytes path);
/* Cuts the first path off; it ends in a NUL. 1; 0: there is none; -FERRY_EPROTO: what
 * stands there is no absolute path. */
int row_get_path(struct bytes *paths, const char **ret_path);

/* n <= ROW_FILE_MAX bytes are at *ret_p to be written behind what says how many they are:
 * they count after row_commit_file(). 0; -FERRY_ETOOBIG; -FERRY_ENOMEM. */
int row_reserve_file(struct buf *text, size_t n, uint8_t **ret_p);
void row_commit_file(struct buf *text, size_t n);
/* Cuts the first file off. 1; 0: there is none; -FERRY_EPROTO. */
int row_get_file(struct bytes *text, struct bytes *ret_file);

#endif
