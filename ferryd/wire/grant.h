/*
 * Words that worker, agent, auth and master share: what a grant allows, what a request
 * asks for.
 */
#ifndef FERRYD_WIRE_GRANT_H
#define FERRYD_WIRE_GRANT_H

/* What a login may do. The agent enforces them; the worker only uses them for a quicker
 * "no". */
enum right {
	RIGHT_READ = 1 << 0,    /* RETR */
	RIGHT_LIST = 1 << 1,    /* LIST, NLST, MLSD, STAT path */
	RIGHT_CREATE = 1 << 2,  /* STOR of a new name, STOU, SITE SYMLINK */
	RIGHT_REPLACE = 1 << 3, /* STOR over a file, APPE, REST + STOR */
	RIGHT_DELETE = 1 << 4,  /* DELE */
	RIGHT_RENAME = 1 << 5,  /* RNFR, RNTO */
	RIGHT_MKDIR = 1 << 6,
	RIGHT_RMDIR = 1 << 7,
	RIGHT_CHMOD = 1 << 8,    /* SITE CHMOD, MFF UNIX.mode */
	RIGHT_MTIME = 1 << 9,    /* MFMT, MFF Modify, SITE UTIME */
	RIGHT_PRIVATE = 1 << 10, /* may read files that are not world-readable */
	RIGHT_ALL = (1 << 11) - 1,
	RIGHT_READ_ONLY = RIGHT_READ | RIGHT_LIST,
};

enum list_format { LIST_LS, LIST_NAMES, LIST_MLSD };

enum list_flags {
	/* names that begin with a dot too; with "." and ".." for LIST_LS */
	LIST_ALL = 1 << 0,
	LIST_RECURSIVE = 1 << 1, /* subdirectories after it, links not followed */
	LIST_DIRECTORY = 1 << 2, /* the directory itself, not its content (ls -d) */
	LIST_DOTFILES = 1 << 3,  /* names that begin with a dot, but not "." and ".." */
};

/* The last byte of a listing's pipe. A pipe that ends without LIST_COMPLETE has failed.
 */
enum list_end { LIST_COMPLETE, LIST_FAILED };

enum store_how {
	STORE_REPLACE,
	STORE_APPEND,
	STORE_UNIQUE,
	STORE_COPY,  /* as REPLACE, but of a failed one no part is kept (SITE CPTO) */
	STORE_PATCH, /* in place from the offset on, and what lies behind it stays (RANG) */
};

enum change_what {
	CHANGE_DELETE,
	CHANGE_RMDIR,
	CHANGE_MKDIR,
	CHANGE_CHMOD,
	CHANGE_MTIME,
	CHANGE_FACTS
};

/* What CHANGE_FACTS sets (MFF). */
enum change_fact { CHANGE_FACT_MODIFY = 1 << 0, CHANGE_FACT_MODE = 1 << 1 };

enum file_type { TYPE_OTHER, TYPE_FILE, TYPE_DIRECTORY, TYPE_LINK };

#endif
