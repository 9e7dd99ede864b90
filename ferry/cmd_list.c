/*
 * ls, dir, nlist, mlsd: listings as the server writes them, to the screen, a file or a
 * command.
 */
#include "local.h"
#include "own.h"
#include "shell.h"
#include "words.h"

/* Line ends become the local ones; on a terminal the sink makes the rest harmless. */
static int
write_lines(const void *data, size_t n, void *user)
{
	const char *p = data, *end = p + n;

	while (p < end) {
		const char *cr = memchr(p, '\r', (size_t)(end - p));
		size_t part = (size_t)((cr == NULL ? end : cr) - p);
		if (part > 0 && local_sink_write(p, part, user) < 0)
			return -1;
		p += part + (cr != NULL);
	}
	return 0;
}

/* "-la" and the like belong to the path; a further word is the local file. */
static size_t
option_words(int n, char **word)
{
	size_t i = 1;

	while (i < (size_t)n && word[i][0] == '-' && word[i][1] != '\0')
		i++;
	return i;
}

static int
list(struct shell *sh, const char *verb, const char *argument, const char *local)
{
	struct local_sink sink;
	struct view *v = &sh->s.view;
	uint64_t offset;
	int rc = local_sink_open(&sink, local, LOCAL_TYPED, false, &offset);

	if (rc < 0)
		return shell_complain("%s: %s", local, sink.error);
	view_plan(v, ferry_get_mode(sh->s.h), verb, argument);
	rc = session_run(
	    &sh->s, ferry_list_raw(sh->s.h, verb, argument, write_lines, &sink));
	if (rc == -FERRY_ELOCAL)
		session_fail(&sh->s, rc, "%s: %s", local, sink.error);
	if (local_sink_close(&sink, rc == 0) < 0 && rc == 0)
		rc = session_fail(&sh->s, -FERRY_ELOCAL, "%s: %s", local, sink.error);
	_cleanup_free_ char *why = rc < 0 ? session_error(&sh->s, rc) : NULL;
	view_outcome(v, rc, why);
	return shell_result(sh, rc);
}

static int
list_words(struct shell *sh, const char *verb, int n, char **word)
{
	size_t path = option_words(n, word);
	size_t used = path < (size_t)n ? path + 1 : path;
	_cleanup_free_ char *argument = used > 1 ? words_join(used - 1, word + 1) : NULL;

	if (used + 1 < (size_t)n)
		return shell_complain("usage: %s [remote-path [local-file]]", word[0]);
	return list(sh, verb, argument, used < (size_t)n ? word[used] : "-");
}

int
cmd_ls(struct shell *sh, int n, char **word)
{
	return list_words(sh, "LIST", n, word);
}

int
cmd_nlist(struct shell *sh, int n, char **word)
{
	return list_words(sh, "NLST", n, word);
}

int
cmd_mlsd(struct shell *sh, int n, char **word)
{
	return list_words(sh, "MLSD", n, word);
}
