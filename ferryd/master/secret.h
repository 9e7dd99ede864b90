/*
 * The password of --user: from the terminal without echo, a file's first line or a
 * descriptor's. Never from the command line, which everybody can read.
 */
#ifndef FERRYD_MASTER_SECRET_H
#define FERRYD_MASTER_SECRET_H

#include "cmdline.h"

/* 0 and an allocated text for secret_free; a negative code after saying on standard error
 * what is wrong. */
int secret_read(const struct cmdline *cl, char **ret_password);
/* Wipes and frees; NULL is accepted. */
void secret_free(char *password);

#endif
