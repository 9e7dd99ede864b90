/*
 * STAT with a path: a listing inside a reply on the control connection, streamed (RFC 959
 * 4.1.3): 212 for a directory, 213 for anything else (5.4).
 */
#ifndef FERRYD_WORKER_REPLYLIST_H
#define FERRYD_WORKER_REPLYLIST_H

struct session;

/* Begins the reply with that code; the agent's pipe comes with *fd, which is taken. The
 * command ends by itself. */
void replylist_begin(struct session *s, int code, int *fd);
/* The control connection has drained. */
void replylist_resume(struct session *s);
/* The session has something else to say: the reply ends here, and says that it is not
 * complete. Harmless when there is none. */
void replylist_break(struct session *s);
/* The session ends without a word. Harmless when there is none. */
void replylist_drop(struct session *s);

#endif
