/*
 * The handlers behind the rows of verbs.def: cmd_<handler>() in cmd_*.c. Each is called
 * for a command that dispatch.c has found allowed, with its argument (bytes without NUL;
 * p is NULL when there is none), which is valid during the call. It answers, or begins
 * something whose end answers.
 */
#ifndef FERRYD_WORKER_COMMANDS_H
#define FERRYD_WORKER_COMMANDS_H

#include <stdbool.h>

#include "buf.h"
#include "session.h"
#include "util.h"

#define VERB(name, state, argument, handler, feat, help)                                 \
	void cmd_##handler(struct session *s, struct bytes arg);
#include "verbs.def"
#undef VERB

/* The path that arg means for s, absolute, into the empty buffer out. False after having
 * told the user why not. */
bool command_path(struct session *s, struct bytes arg, struct buf *out);
/* The same for a command that has to do with files only: a slash at the end makes it a
 * directory's name (POSIX 4.13), which is refused with code. */
bool command_file(struct session *s, struct bytes arg, int code, struct buf *out);
/* The same as command_path when there may be no argument: the working directory. */
bool command_path_or_cwd(struct session *s, struct bytes arg, struct buf *out);

/* Keeps the content of b in s->pending until the running command's answer comes. False
 * after having told the user that memory is out. */
bool command_keep(struct session *s, struct bytes b);

/* Does the user see this directory for the first time? From now on, not any more. In
 * cmd_dir.c. */
bool dir_is_new(struct session *s, const char *path);

/* Is what an agent handed over a regular file? It is read and written by threads that all
 * sessions share: at a pipe or a terminal one of them could wait for ever. */
bool command_is_file(int fd);

/* Asks the agent to set the modification time of the file in arg. In cmd_file.c. */
void file_set_time(
    struct session *s, struct bytes arg, int64_t when, agent_answer_cb *fn);

/* The 1xx reply to RETR with this code (transfer_opening()), for the transfer of s, whose
 * file has that size. In cmd_transfer.c. */
void retr_answer_sending(struct session *s, int code, uint64_t size);

/* Does arg equal word, in any case of letters? */
bool command_is(struct bytes arg, const char *word);
/* Cuts the first word (up to a blank) off arg; what follows the blank stays in it. */
struct bytes command_word(struct bytes *arg);
/* Cuts a name off arg into the empty buffer out: quoted ("" is a quote in it), or up to a
 * blank; and the blank behind it. False when it is empty, or a quote is missing or
 * followed by something else. */
bool command_quoted(struct bytes *arg, struct buf *out);

/* The content of a buffer as a field of a message. */
static inline struct bytes
bytes_of_buf(const struct buf *b)
{
	return (struct bytes){.p = buf_data(b), .n = buf_len(b)};
}

#endif
