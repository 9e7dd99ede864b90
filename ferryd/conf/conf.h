/*
 * ferryd.conf: vsftpd.conf's syntax and option names, and ours. Every option is one row
 * of options.def: name, type, default, bounds, whether it works, one line of help.
 * Parser, checks, error messages,
 * --show-config and the manual page all come from those rows. Sections, which count for
 * some clients only, are in section.h.
 *
 * Pure: reads no file and writes no log. The master feeds it text; each child gets the
 * options that differ from their default over its channel (MSG_OPTION) and fills its own
 * struct conf.
 */
#ifndef FERRYD_CONF_CONF_H
#define FERRYD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sections;

/* BOOL options are bool, NUMBER and OCTAL options uint64_t, STRING options char * (NULL:
 * unset). */
struct conf {
#define OPTION_BOOL(name, def, status, help) bool name;
#define OPTION_NUMBER(name, def, min, max, status, help) uint64_t name;
#define OPTION_OCTAL(name, def, min, max, status, help) uint64_t name;
#define OPTION_STRING(name, def, status, help) char *name;
#include "options.def"
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_OCTAL
#undef OPTION_STRING
	struct sections *sections; /* section.h; NULL: none, and in a section or a view */
	char *pasv_name; /* the master's: what pasv_address was before it was looked up,
			    or NULL */
};

/* Is one passive port to serve all sessions? */
static inline bool
conf_one_passive_port(const struct conf *c)
{
	return c->pasv_enable && c->pasv_min_port == c->pasv_max_port;
}

/* data_peer=resumed */
bool conf_trusts_resumed(const struct conf *c);

enum conf_severity { CONF_WARNING, CONF_ERROR };

/* One thing to tell the operator, as a whole sentence: "listen_prot is not an option; did
 * you mean listen_port?". line 0: not about one line. */
typedef void conf_problem_cb(enum conf_severity severity, const char *file, unsigned line,
    const char *text, void *user);

/* Defaults everywhere. 0 or -FERRY_ENOMEM. */
int conf_init(struct conf *c);
void conf_free(struct conf *c);
int conf_copy(const struct conf *from, struct conf *ret);

/* Sets one option from text, as if it stood in a file. 0; -FERRY_EINVAL after telling cb;
 * -FERRY_ENOMEM. cb may be NULL. */
int conf_set(struct conf *c, const char *name, const char *value, const char *file,
    unsigned line, conf_problem_cb *cb, void *user);

/* A whole file. Every problem is told, not only the first; 0 or -FERRY_EINVAL if one was
 * an error (c is then half-filled: throw it away); -FERRY_ENOMEM. Lines may end with LF
 * or CR LF. */
int conf_parse(struct conf *c, const char *file, const char *text, size_t n,
    conf_problem_cb *cb, void *user);

/* What only the whole can tell, of the file's head and of what each section makes of it:
 * nobody can log in, pasv_min_port over pasv_max_port, pasv_address no IPv4 address,
 * options that are known but not yet honoured, ... 0 or -FERRY_EINVAL. */
int conf_check(const struct conf *c, conf_problem_cb *cb, void *user);

/* Calls fn for each option in table order: its text value as it would stand in a file (""
 * for an unset string), its default, and its help. Stops when fn returns non-zero and
 * returns that. */
typedef int conf_each_cb(const char *name, const char *value, const char *def,
    const char *help, bool changed, bool honoured, void *user);
int conf_each(const struct conf *c, conf_each_cb *fn, void *user);

#endif
