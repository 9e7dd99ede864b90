/*
 * Entries of a listing as lines.
 */
#ifndef FERRY_LISTING_H
#define FERRY_LISTING_H

#include <ferry/ferry.h>
#include <stdio.h>

/* The name, or as "ls -l": "-rw-r--r-- owner group size time name". Names are harmless on
 * a terminal and raw elsewhere. */
void listing_print(FILE *out, const struct ferry_entry *e, bool is_long);

#endif
