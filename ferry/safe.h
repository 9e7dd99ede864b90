/*
 * Text from a server, shown so that a terminal cannot be harmed or deceived by it.
 */
#ifndef FERRY_SAFE_H
#define FERRY_SAFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Keeps line feeds and tabs, and drops the CR of a CR LF: for listings and files. Without
 * it they are shown as ^J and ^I: for names and single lines. */
#define SAFE_LINES 1u

/* Writes n bytes of foreign text to f. Control characters become ^X, bytes that are not
 * UTF-8 \xHH, and characters that steer the terminal or the reading direction \u{HHHH}. A
 * character that is cut by the end of the bytes counts as broken. */
void safe_write(FILE *f, const char *s, size_t n, unsigned flags);
/* The same as a new string: free(). NULL when out of memory. */
char *safe_string(const char *s);
/* Bytes as they are if f is no terminal, else as safe_write(SAFE_LINES). A chunk of a
 * stream may end inside a character: returns how many bytes were used; give the rest
 * again with more behind it, or with last set. */
size_t safe_stream(FILE *f, const char *s, size_t n, bool last);

#endif
