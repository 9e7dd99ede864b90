/*
 * The jail: the one place where a path becomes a descriptor. Every path is resolved by
 * the kernel below a root (openat2, RESOLVE_IN_ROOT): ".." stays there, absolute links
 * begin there, and links that lead to what another process has open (magic links) are
 * refused. No text is ever compared to decide where a path leads, so there is nothing
 * between a check and its use.
 *
 * Functions return a descriptor, which is the caller's and CLOEXEC, or 0, or a negative
 * errno: errno is what an answer to the worker carries.
 */
#ifndef FERRYD_AGENT_JAIL_H
#define FERRYD_AGENT_JAIL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Opens a grant's root: an absolute path of the real tree, as the master gave it.
 * O_PATH. */
int jail_open_root(const char *path);

/* Opens path below root. flags as for open(), never O_CREAT. Links are followed inside
 * the root; the last component's only without O_NOFOLLOW. Opening for reading or writing
 * needs O_NONBLOCK unless the caller knows that it is a directory: a FIFO must not
 * block. */
int jail_open(int root, const char *path, int flags);

/* Opens the directory that holds path's last component, which goes to name. O_PATH.
 * -EBUSY: path is the root itself, which has no name; -EINVAL: the last component is "."
 * or "..". */
int jail_open_parent(int root, const char *path, char name[NAME_MAX + 1]);

/* Where would a file written as path go? As jail_open_parent, but a link at the end is
 * followed, inside the root, so that the link stays and its target is written.
 * *ret_entry: O_PATH of what is there now, with its stat, or -1 for nothing. *ret_linked:
 * a link led here. -EISDIR: it leads to a directory. */
int jail_open_target(int root, const char *path, char name[NAME_MAX + 1], int *ret_entry,
    struct stat *ret_st, bool *ret_linked);

/* Opens one entry of a directory that came from the jail; name is one component and no
 * link is followed (O_PATH | O_NOFOLLOW opens a link itself). */
int jail_open_entry(int dir, const char *name, int flags);

/* Opens a relative path below dir without following any link, anywhere in it. */
int jail_open_below(int dir, const char *path, int flags);

/* Creates a file for writing; -EEXIST when the name is taken, also by a dangling link. */
int jail_create(int dir, const char *name, mode_t mode);

/* Length of the shortest prefix of path that cannot be reached (-ENOENT, -EACCES, ...):
 * which part of it is to blame. 0 when all of it can. */
size_t jail_find_fault(int root, const char *path, int *ret_error);

#endif
