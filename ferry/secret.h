/*
 * Passwords: where they may come from, and how their traces are wiped.
 */
#ifndef FERRY_SECRET_H
#define FERRY_SECRET_H

#include <stddef.h>

/* Longest password accepted, NUL included. */
#define SECRET_MAX 1024

/* Asks on the terminal without echo: standard input if it is one, else /dev/tty. 0 and
 * *ret (wipe with wipep()), -FERRY_EABORTED for ^C or ^D, -FERRY_ESYS without a terminal,
 * -FERRY_ENOMEM. */
int secret_ask(const char *prompt, char **ret);
/* The same with echo, for a question that is no secret. */
int secret_ask_echoed(const char *prompt, char **ret);
/* The first line of fd or of a file. 0; -FERRY_ESYS with errno (EFBIG: too long, EPERM:
 * the file is open to others); -FERRY_ENOMEM. */
int secret_from_fd(int fd, char **ret);
int secret_from_file(const char *path, char **ret);
/* Overwrites the password in an "ftp://user:password@host/..." of argv, so that ps(1) no
 * longer shows it. Other texts stay as they are. */
void secret_scrub_url(char *arg);

#endif
