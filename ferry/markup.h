/*
 * Foreign text inside HTML, SVG and Mermaid, so that it is text there and nothing else.
 * What a terminal would obey has been made harmless before (safe.h).
 */
#ifndef FERRY_MARKUP_H
#define FERRY_MARKUP_H

#include <stdint.h>
#include <stdio.h>

/* In the content of an element and in a value between quotes. Characters that XML does
 * not allow become "?". */
void markup_text(FILE *out, const char *text);
/* The same for the first n bytes. */
void markup_bytes(FILE *out, const char *text, size_t n);
/* In a label of a Mermaid diagram. Line feeds become blanks. */
void markup_mermaid(FILE *out, const char *text);

/* Columns of a terminal or a monospaced font: characters of UTF-8, each taken as one. */
size_t markup_columns(const char *text);
/* How many bytes of text go into a line of so many columns: up to a blank if there is
 * one, at least one character, 0 at the end. */
size_t markup_line(const char *text, size_t columns);

/* "2026-11-23 14:25:58 UTC", or "" for -1. out holds at least 32 bytes. */
const char *markup_date(int64_t when, char *out);
/* "0.021 s". out holds at least 32 bytes. */
const char *markup_seconds(double seconds, char *out);

#endif
