/*
 * From the command line to a configuration that is ready for the children: files read,
 * options set, names resolved, every problem told. For the master alone.
 */
#ifndef FERRYD_MASTER_LOAD_H
#define FERRYD_MASTER_LOAD_H

#include "buf.h"
#include "cmdline.h"
#include "conf.h"

/* Reads cl's files and then its -o options into ret. Problems are told through cb, all of
 * them. 0; -FERRY_EINVAL when one was an error; -FERRY_ENOMEM. */
int load_config(
    const struct cmdline *cl, struct conf *ret, conf_problem_cb *cb, void *user);

/* What only the running server needs: banner_file's text into ftpd_banner, pasv_address's
 * name into its number, the accounts that options name. Same results; call it after
 * load_config. */
int load_world(struct conf *conf, conf_problem_cb *cb, void *user);

/* cb that prints "file:line: error: text" to standard error. user: unused. */
conf_problem_cb load_tell;
/* ... and one that logs it. */
conf_problem_cb load_tell_log;

/* A regular file of at most max bytes into ret, which it initialises. 0; -FERRY_ESYS with
 * errno (EFBIG, EINVAL for what is no file); -FERRY_ENOMEM. */
int load_bytes(const char *path, size_t max, struct buf *ret);

#endif
