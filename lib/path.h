/*
 * Path names as the user sees them: absolute, "/" separated, TVFS (RFC 3659 6). These
 * functions decide what PWD shows and which name a command means; they never decide where
 * a path leads in the file system: that is ferryd/agent/jail.c alone.
 */
#ifndef FERRY_LIB_PATH_H
#define FERRY_LIB_PATH_H

#include "buf.h"

/* Longest path in bytes, as PATH_MAX; longest component, as NAME_MAX. */
#define PATH_TEXT_MAX 4095
#define PATH_NAME_MAX 255

/* arg seen from the absolute directory cwd, with ".", "..", "//" and a trailing "/"
 * resolved by text; ".." at the root stays there. Any byte but NUL may occur. Appends to
 * the empty buffer out. 0; -FERRY_EINVAL: a NUL, or an empty arg; -FERRY_ETOOBIG: path or
 * component too long. */
int path_join(const char *cwd, const uint8_t *arg, size_t n, struct buf *out);

/* Last component of an absolute path ("" for "/"); points into path. */
const char *path_base(const char *path);

/* May a name that a server sent become a file in the current directory? One component,
 * not empty, not "." or "..", no "/", no NUL, at most PATH_NAME_MAX bytes. */
bool path_name_is_plain(const uint8_t *name, size_t n);

/* Shell pattern (*, ?, [a-z], [!a]; backslash escapes) against a whole name, without
 * recursion and in O(pattern x name). "*", "?" and sets do not match a leading dot. */
bool path_match(const char *pattern, const char *name);

#endif
