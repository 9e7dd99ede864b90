/*
 * Directory listings, both ways: the server's formatters (LIST, MLSD) and the client's
 * parsers of what servers send (Unix "ls -l", DOS/IIS, MLSx). RFC 959 4.1.3, RFC 3659 7.
 * Pure functions.
 */
#ifndef FERRY_LIB_LISTING_H
#define FERRY_LIB_LISTING_H

#include <ferry/ferry.h>
#include <sys/stat.h>
#include <time.h>

#include "buf.h"
#include "util.h"

/* ---- writing (server) ---- */

/* One directory entry as the agent found it. Strings are borrowed. */
struct listing_item {
	const char *name;
	size_t name_len;
	const struct stat *st;
	const char *owner; /* text for LIST; the number if names are off */
	const char *group;
	const char *link; /* symbolic link's text, or NULL */
	/* MLSx type fact: "file", "dir", "cdir", "pdir", "OS.unix=slink:" */
	const char *type;
	const char *perm; /* MLSx perm fact for this user */
	bool has_birth;   /* birth is when the file was made */
	int64_t birth;
	bool numeric_ids; /* owner and group facts carry numbers */
};

enum listing_fact {
	FACT_TYPE = 1 << 0,
	FACT_SIZE = 1 << 1,
	FACT_MODIFY = 1 << 2,
	FACT_PERM = 1 << 3,
	FACT_UNIQUE = 1 << 4,
	FACT_UNIX_MODE = 1 << 5,
	FACT_UNIX_OWNER = 1 << 6,
	FACT_UNIX_GROUP = 1 << 7,
	FACT_CREATE = 1 << 8,
	FACT_ALL = 0x1ff,
	FACT_DEFAULT = FACT_ALL,
};

/* A name that a line of a listing can carry: no CR, LF or NUL (RFC 3659 2.2). */
bool listing_name_fits(const char *name, size_t n);

/* Both formatters append a whole line or nothing: 0; -FERRY_EINVAL for a name that does
 * not fit (ask before: such an entry cannot be listed); errors of buf_append. Blanks and
 * control bytes of an account's name become "_"; a link's text that does not fit is left
 * out. */

/* "-rw-r--r--    1 owner    group        1234 Nov 23 08:00 name" CR LF; year instead of
 * the time when st_mtime is over six months old or in the future. now: the present;
 * localtime: local zone instead of GMT. Month names are English in every locale. */
int listing_format_ls(
    struct buf *out, const struct listing_item *it, time_t now, bool localtime);
/* "facts; SP name" without CR LF (MLST wants a blank in front, MLSD a CR LF behind).
 * Times are UTC. */
int listing_format_mlsx(struct buf *out, const struct listing_item *it, unsigned facts);
/* The facts of such a line alone, "type=file;size=3;": for MLST, whose name is a path
 * and may be any. Nothing or all: errors of buf_append. */
int listing_format_facts(struct buf *out, const struct listing_item *it, unsigned facts);
/* "YYYYMMDDHHMMSS" of RFC 3659 2.3, UTC; 15 bytes with NUL, years 0..9999. */
void listing_format_time(time_t t, char out[16]);
/* Names for FEAT and OPTS MLST: "type", "size", ...; one bit of enum listing_fact. */
const char *listing_fact_name(unsigned fact);
/* Argument of OPTS MLST: "type;size;": unknown facts are dropped, none is allowed (RFC
 * 3659 7.9). 0 or -FERRY_EINVAL when malformed. */
int listing_parse_facts(const char *arg, size_t n, unsigned *ret_facts);

/* ---- reading (client) ---- */

/* 14 digits, optional fraction (ignored), UTC, real calendar dates only. 0 or
 * -FERRY_EPROTO. */
int listing_parse_time(const char *text, size_t n, int64_t *ret);

/* One line of MLSD or of MLST (without the leading blank). *ret's name is allocated: free
 * it with ferry_entry_clear. 0; -FERRY_EPROTO; -FERRY_ENOMEM. */
int listing_parse_mlsx(const char *line, size_t n, struct ferry_entry *ret);
/* One line of LIST, Unix or DOS form. now decides the year of "Nov 23 08:00". 0; 1: a
 * line that is no entry ("total 12", blank); -FERRY_EPROTO; -FERRY_ENOMEM. */
int listing_parse_list(const char *line, size_t n, int64_t now, struct ferry_entry *ret);

#endif
