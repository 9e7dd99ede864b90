/*
 * Lines from standard input: edited on a terminal, plain from a script.
 */
#ifndef FERRY_READER_H
#define FERRY_READER_H

#include <stdbool.h>
#include <stddef.h>

struct reader;

/* What completion offers. */
struct candidates {
	size_t n, cap, bytes;
	char **word;        /* owned */
	bool out_of_memory; /* or more than CANDIDATES_BYTES_MAX */
};

/* A server may list names without end. */
#define CANDIDATES_BYTES_MAX (64u << 20)

void candidates_add(struct candidates *c, const char *word);
/* Forgets all but the first n. */
void candidates_keep(struct candidates *c, size_t n);
void candidates_clear(struct candidates *c);

/* All words that may stand where the cursor is: index words precede it, of which the
 * first is command (NULL if index is 0); begin is what is typed of it. A word ending in
 * "/" is a directory. */
typedef void complete_fn(size_t index, const char *command, const char *begin,
    struct candidates *ret, void *user);

/* edit: with libedit, if standard input is a terminal. 0 or -FERRY_ENOMEM. */
int reader_new(bool edit, complete_fn *complete, void *user, struct reader **ret);
/* Writes the history file. */
void reader_free(struct reader *r);
/* 0 and *ret (free(); wipe it if it may hold a secret); -FERRY_EOF; -FERRY_EABORTED for
 * ^C. */
int reader_line(struct reader *r, const char *prompt, char **ret);
/* Puts a line into the history. */
void reader_remember(struct reader *r, const char *line);
/* One plain line, not edited and not remembered: for questions. prompt is shown only on a
 * terminal. Results as reader_line(). */
int reader_ask(const char *prompt, char **ret);

#endif
