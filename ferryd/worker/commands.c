/*
 * What the handlers of commands share: words and paths in an argument. For cmd_*.c. A
 * path is made absolute by its text alone, so that the user sees what a name means; where
 * it leads is the agent's business.
 */
#include "commands.h"

#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"
#include "path.h"

bool
command_is(struct bytes arg, const char *word)
{
	size_t n = strlen(word);

	return arg.n == n && equal_nocase((const char *)arg.p, word, n);
}

struct bytes
command_word(struct bytes *arg)
{
	if (arg->n == 0)
		return *arg;
	const uint8_t *blank = memchr(arg->p, ' ', arg->n);
	struct bytes word = {
	    .p = arg->p, .n = blank != NULL ? (size_t)(blank - arg->p) : arg->n};
	size_t used = blank != NULL ? word.n + 1 : word.n;

	*arg = (struct bytes){.p = arg->p + used, .n = arg->n - used};
	return word;
}

static bool
read_quoted(struct bytes *arg, struct buf *out)
{
	size_t i = 1;

	for (; i < arg->n; i++) {
		if (arg->p[i] == '"' && (i + 1 == arg->n || arg->p[i + 1] != '"'))
			break;
		i += arg->p[i] == '"';
		if (buf_append_byte(out, arg->p[i]) < 0)
			return false;
	}
	if (i >= arg->n || (i + 1 < arg->n && arg->p[i + 1] != ' '))
		return false;
	i += i + 1 < arg->n ? 2 : 1;
	*arg = (struct bytes){.p = arg->p + i, .n = arg->n - i};
	return buf_len(out) > 0;
}

bool
command_quoted(struct bytes *arg, struct buf *out)
{
	if (arg->n > 0 && arg->p[0] == '"')
		return read_quoted(arg, out);
	struct bytes word = command_word(arg);

	return word.n > 0 && buf_append(out, word.p, word.n) == 0;
}

bool
command_is_file(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

bool
command_path(struct session *s, struct bytes arg, struct buf *out)
{
	int r;

	buf_init(out, PATH_TEXT_MAX + 1);
	r = path_join(s->cwd, arg.p, arg.n, out);
	if (r == 0)
		return true;
	buf_free(out);
	if (r == -FERRY_ETOOBIG)
		answer(s, 550, "The name is too long.");
	else if (r == -FERRY_ENOMEM)
		answer(s, 451, "Out of memory.");
	else
		answer(s, 501, "That is no name.");
	return false;
}

bool
command_file(struct session *s, struct bytes arg, int code, struct buf *out)
{
	if (arg.n == 0 || arg.p[arg.n - 1] != '/')
		return command_path(s, arg, out);
	answer(s, code, "A name that ends in a slash is a directory's.");
	return false;
}

bool
command_path_or_cwd(struct session *s, struct bytes arg, struct buf *out)
{
	struct bytes here = {.p = (const uint8_t *)".", .n = 1};

	return command_path(s, arg.n > 0 ? arg : here, out);
}

bool
command_keep(struct session *s, struct bytes b)
{
	free(s->pending);
	s->pending = bytes_dup(b);
	if (s->pending == NULL)
		answer(s, 451, "Out of memory.");
	return s->pending != NULL;
}
