/*
 * ferry get -r and put -r: a tree down or up, over several sessions. Every file that can
 * be moved is; those that cannot are listed at the end. Links are never followed on
 * either side, and nothing is deleted.
 */
#ifndef FERRY_MIRROR_H
#define FERRY_MIRROR_H

#include "exitcode.h"
#include "lanes.h"
#include "plan.h"
#include "progress.h"

enum exitcode mirror_get(const struct options *opt, int n, char **args);
enum exitcode mirror_put(const struct options *opt, int n, char **args);

/* ---- for mirror_get.c and mirror_put.c ---- */

#define MIRROR_TRIES 2          /* of one file */
#define MIRROR_BATCH_MAX 256    /* files that one session has at once */
#define MIRROR_FILES_AHEAD 2000 /* that wait, before the next directory is looked into   \
				 */
#define MIRROR_BATCH_BYTES                                                               \
	8388608 /* so that it does not keep what the others could do                     \
		 */

/* One that failed: told at the end. */
struct failure {
	char *what, *why;
};

struct mirror {
	const struct options *opt;
	struct target t;
	char *base; /* the tree's top on the server; "": where the login leads */
	int top;    /* the tree's top here */
	bool binary;
	struct plan plan;
	struct lanes *lanes;
	void *job[SESSIONS_MAX]; /* what each session does: the direction's, or NULL */
	bool in_order;  /* as far as is known: EPSV may go in one write with RETR */
	bool moved_any; /* a data connection has worked */
	uint64_t files, skipped, left_out, bytes;
	uint64_t failed;
	struct failure *failures; /* the first FAILURES_MAX of them */
	size_t n_failures;
	enum exitcode code;
	struct progress bar;
	double began;
};

/* A directory of the tree here that stays open, because the next file is in it too. */
struct mirror_place {
	char *dir; /* below the top; NULL: none is open */
	int fd;
};

/* Goes to a directory, or to the one that a file is in. 0 or -FERRY_ELOCAL with a
 * sentence. */
int mirror_enter(const struct mirror *m, struct mirror_place *p, const char *dir,
    bool create, char error[512]);
int mirror_enter_parent(const struct mirror *m, struct mirror_place *p, const char *path,
    bool create, char error[512]);
void mirror_leave(struct mirror_place *p);

/* Files that one session may have under way and ahead of it: few enough that the others
 * have something to do, too. */
size_t mirror_batch_size(const struct mirror *m, const struct lane *l);
/* May an operation that moves files go on with more of them? Not when there is a
 * directory to be looked into first. */
bool mirror_goes_on(const struct mirror *m);
/* The path of a file on the server: free(). NULL when out of memory. */
char *mirror_remote(const struct mirror *m, const char *path);
/* Names what will not be moved. why may come from a server. */
void mirror_fail(struct mirror *m, const char *path, int result, const char *why);
/* The same for what was left out on purpose: no failure. */
void mirror_leave_out(struct mirror *m, const char *path, const char *why);
/* ^C: what fails now did not fail. */
bool mirror_stops(const struct mirror *m);
/* May the same be tried again, and has that some sense? */
bool mirror_tries_again(const struct mirror *m, const struct plan_item *item, int result);
/* From the session's last failure. */
void mirror_fail_session(
    struct mirror *m, const char *path, const struct lane *l, int result);

#endif
