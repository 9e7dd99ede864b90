/*
 * Where files live: one const table of functions per backend. Paths are absolute and seen
 * from a grant's root; a backend says what is there and does one step at a time. Who may
 * do it (ops.c), in which order an upload takes its steps (upload.c) and what the user is
 * told (answer.c) is decided above and is the same for every backend.
 *
 * Functions return 0 or a negative errno. They may block on the disk, never on a peer.
 */
#ifndef FERRYD_AGENT_STORE_H
#define FERRYD_AGENT_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* A file on its way in. Filled by part_find, then by part_create or part_open. */
struct part {
	int fd;         /* to write to */
	int dir;        /* the directory that holds both names */
	int entry;      /* what had the name when the upload began, or -1 */
	bool linked;    /* a symbolic link led here */
	bool created;   /* part_open made the file */
	bool unnamed;   /* its bytes wait under temp for their name */
	struct stat st; /* of entry */
	char name[NAME_MAX + 1];
	char temp[32];
};

#define PART_INIT ((struct part){.fd = -1, .dir = -1, .entry = -1})

struct store {
	const char *name;

	/* The directory a grant's paths begin at. */
	int (*root_open)(const char *path, int *ret_root);

	/* A regular file for reading; others are refused without blocking: -EISDIR,
	 * -EOPNOTSUPP. */
	int (*open)(int root, const char *path, int *ret_fd, struct stat *ret_st);
	int (*stat)(int root, const char *path, bool follow, struct stat *ret_st);
	/* May we R_OK, W_OK, X_OK it? 0 or -EACCES. */
	int (*access)(int root, const char *path, int mode);
	/* A directory, open for reading its entries. */
	int (*directory)(int root, const char *path, int *ret_fd);

	int (*make)(int root, const char *path, mode_t mode);
	int (*remove)(int root, const char *path, bool directory);
	/* The link itself is renamed. Without replace an existing `to` is -EEXIST. */
	int (*rename)(int root, const char *from, const char *to, bool replace);
	int (*set_mode)(int root, const char *path, mode_t mode);
	/* *ret_st: what is in force now. -ERANGE: the file system cannot keep that time,
	 * and the old one stays. */
	int (*set_mtime)(int root, const char *path, int64_t mtime, struct stat *ret_st);
	/* A link named `link` that leads to path, which is there; both have no link among
	 * their directories (-ELOOP). */
	int (*link)(int root, const char *path, const char *link);
	/* Bytes free for us where path lies. */
	int (*room)(int root, const char *path, uint64_t *ret_bytes);

	/* An upload, step by step. */

	/* Which file does path mean? Fills dir, name, entry, st, linked. -EISDIR,
	 * -EOPNOTSUPP for what is no regular file; -ENOENT with linked set for a link
	 * that leads nowhere; -EACCES or -EPERM when what is there may not be
	 * replaced. */
	int (*part_find)(int root, const char *path, struct part *p);
	/* Bytes free for us where the part lies. */
	int (*part_room)(struct part *p, uint64_t *ret_bytes);
	/* A new file under a temporary name. */
	int (*part_create)(struct part *p, mode_t mode);
	/* The file itself, to write in place; append: only at its end, and made if it is
	 * not there. */
	int (*part_open)(struct part *p, bool append, mode_t mode);
	/* Everything written so far is on the disk. */
	int (*part_sync)(struct part *p);
	/* The temporary file takes the real name in one step. Without replace -EEXIST if
	 * it is taken. */
	int (*part_publish)(struct part *p, bool replace);
	/* The names, too, are on the disk. */
	int (*part_settle)(struct part *p);
	/* Removes what part_create or part_open made. */
	int (*part_discard)(struct part *p);
};

/* Closes what a part holds, and nothing else. */
void part_close(struct part *p);

/* Files in directories. */
extern const struct store store_dir;

/* The directory store, with steps that fail when told to: for tests only. */
enum store_step {
	STEP_OPEN,
	STEP_FIND,
	STEP_CREATE,
	STEP_SYNC,
	STEP_PUBLISH,
	STEP_SETTLE,
	STEP_DISCARD,
	STEP_COUNT,
};
extern const struct store store_fail;
/* From now on `step` fails with error (an errno); 0: works again. For the whole
 * process. */
void store_fail_set(enum store_step step, int error);

#endif
