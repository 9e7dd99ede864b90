/*
 * Local files: where a download goes and where an upload comes from.
 *
 * A download is written beside its goal as ".NAME.ferry-part" and takes the name in one
 * rename when it is complete, so an interrupted one never harms the old file. Names that
 * a server chose are one plain component of the current directory, opened without
 * following links, or refused.
 */
#ifndef FERRY_LOCAL_H
#define FERRY_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Who chose the local name. */
enum local_name {
	LOCAL_TYPED,   /* the user: "-" and "|command" have their meaning */
	LOCAL_LITERAL, /* the user, by a pattern or the shell: a path and nothing else */
	LOCAL_FOREIGN, /* the server */
};

struct local_sink {
	int dir;      /* directory of name, or -1 */
	int fd;       /* where the bytes go, or -1 */
	FILE *stream; /* standard output or a pipe instead of fd */
	bool is_pipe;
	bool direct;  /* written in place: no rename */
	char *name;   /* last component */
	char *part;   /* temporary name in dir, or NULL */
	char held[8]; /* end of a cut character on a terminal */
	size_t n_held;
	int64_t mtime;   /* for the finished file, or INT64_MIN */
	char error[512]; /* what failed, in words; "" */
};

/* Opens the place for a download. resume: goes on with the part or the shorter file that
 * is there and tells how long it is in *ret_offset, else 0. 0; -FERRY_EINVAL for a
 * foreign name that is no plain one; -FERRY_ELOCAL. sink->error has the sentence. */
int local_sink_open(struct local_sink *sink, const char *name, enum local_name who,
    bool resume, uint64_t *ret_offset);
/* The same for a name that a server chose, in that directory, which stays the caller's. */
int local_sink_open_at(struct local_sink *sink, int dir, const char *name, bool resume,
    uint64_t *ret_offset);
/* Is there a part of this file to go on with? */
bool local_has_part_at(int dir, const char *name);
/* A ferry_write_cb; user is the sink. */
int local_sink_write(const void *data, size_t n, void *user);
/* Ends it: a complete file takes its name; of an incomplete one the part stays for
 * resume, unless it is empty. 0 or -FERRY_ELOCAL with sink->error. Everything is closed
 * and freed. */
int local_sink_close(struct local_sink *sink, bool complete);
/* Forgets all bytes behind the first offset ones. false: they have gone out already. */
bool local_sink_rewind(struct local_sink *sink, uint64_t offset);
/* Does a part of an incomplete download lie there? Ask before local_sink_close(). */
bool local_sink_has_part(const struct local_sink *sink);

struct local_source {
	int fd;
	FILE *pipe;
	int64_t size; /* bytes from the start, or -1 */
	char error[512];
};

/* Opens a file to upload; "-" is standard input, "|command" a command's output (typed
 * names). 0 or -FERRY_ELOCAL. */
int local_source_open(struct local_source *src, const char *name, enum local_name who);
/* An ordinary file of that directory, no link. */
int local_source_open_at(struct local_source *src, int dir, const char *name);
/* Leaves out the first offset bytes. -FERRY_ELOCAL. */
int local_source_skip(struct local_source *src, uint64_t offset);
/* A ferry_read_cb; user is the source. */
int64_t local_source_read(void *data, size_t max, void *user);
void local_source_close(struct local_source *src);

/* The top of a tree: a directory that the user named. create: it is made if it is not there.
 * A descriptor, or -FERRY_ELOCAL with a sentence. */
int local_tree_open(const char *path, bool create, char error[512]);
/* A directory of the tree, by plain names: "" or "a/b". No link is followed on the way, so
 * that it is below the top whatever others do there. create: as above. */
int local_tree_enter(int top, const char *path, bool create, char error[512]);

/* What follows the last "/". */
const char *local_last_component(const char *path);

#endif
