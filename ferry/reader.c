/*
 * Standard input, byte by byte: libedit, questions and password prompts take turns on the
 * same descriptor, so nothing may read ahead.
 */
#include "reader.h"

#include "interrupt.h"
#include "own.h"
#include "safe.h"
#include "words.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <histedit.h>
#include <sys/stat.h>
#include <wchar.h>

#define LINE_LIMIT 16384
#define HISTORY_SIZE 1000
#define SHOWN_MAX 200

struct reader {
	EditLine *el; /* NULL: plain */
	History *history;
	HistEvent event;
	char *history_path;
	const char *prompt;
	complete_fn *complete;
	void *user;
};

/* One byte; 0 at the end, -1 with errno EINTR for ^C. */
static int
read_byte(char *ret)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t n;

	for (;;) {
		if (interrupt_poll(&p, 1, -1) < 0) {
			if (errno != EINTR || interrupt_seen())
				return -1;
			continue;
		}
		n = read(STDIN_FILENO, ret, 1);
		if (n >= 0 || errno != EINTR)
			return (int)n;
	}
}

int
reader_ask(const char *prompt, char **ret)
{
	_cleanup_free_ char *line = malloc(LINE_LIMIT);
	size_t n = 0;
	int got;

	if (line == NULL)
		return -FERRY_ENOMEM;
	interrupt_clear();
	if (isatty(STDIN_FILENO))
		fputs(prompt, stdout);
	fflush(stdout);
	while ((got = read_byte(&line[n])) == 1 && line[n] != '\n')
		if (n < LINE_LIMIT - 2)
			n++;
	if (got < 0 || (got == 0 && n == 0)) {
		bool stopped = got < 0 && interrupt_seen();
		interrupt_clear();
		if (isatty(STDIN_FILENO))
			putchar('\n');
		return stopped ? -FERRY_EABORTED : -FERRY_EOF;
	}
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	*ret = line;
	line = NULL;
	return 0;
}

/* ---------------------------------------------------------------- libedit */

static char *
show_prompt(EditLine *el)
{
	struct reader *r;

	el_get(el, EL_CLIENTDATA, &r);
	return (char *)r->prompt;
}

/* libedit's way to one character: a signal ends it, a new size of the terminal does not.
 */
static int
read_character(EditLine *el, wchar_t *ret)
{
	mbstate_t state = {0};
	char c;
	int got;

	while ((got = read_byte(&c)) == 1) {
		size_t n = mbrtowc(ret, &c, 1, &state);
		if (interrupt_take_resize())
			el_resize(el);
		if (n <= 1)
			return 1;
		if (n == (size_t)-1) { /* not this character set: dropped */
			state = (mbstate_t){0};
			continue;
		}
	}
	return got;
}

/* ~/.local/state/ferry/history, or ~/.ferry_history where there is no such place. */
static char *
history_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	_cleanup_free_ char *dir = NULL;
	char *path = NULL;

	if (home == NULL || *home != '/')
		return NULL;
	if (state != NULL && *state == '/')
		dir = strdup(state);
	else if (asprintf(&dir, "%s/.local/state", home) < 0)
		dir = NULL;
	if (dir != NULL && access(dir, W_OK) == 0) {
		_cleanup_free_ char *own = NULL;
		if (asprintf(&own, "%s/ferry", dir) < 0)
			own = NULL;
		if (own != NULL && (mkdir(own, 0700) == 0 || errno == EEXIST))
			return asprintf(&path, "%s/history", own) < 0 ? NULL : path;
	}
	return asprintf(&path, "%s/.ferry_history", home) < 0 ? NULL : path;
}

static void
history_load(struct reader *r)
{
	r->history = history_init();
	if (r->history == NULL)
		return;
	history(r->history, &r->event, H_SETSIZE, HISTORY_SIZE);
	history(r->history, &r->event, H_SETUNIQUE, 1);
	r->history_path = history_path();
	if (r->history_path != NULL)
		history(r->history, &r->event, H_LOAD, r->history_path);
	el_set(r->el, EL_HIST, history, r->history);
}

/* The file is made before it is written, so that nobody else can ever read it. */
static void
history_save(struct reader *r)
{
	_cleanup_close_ int fd = -1;

	if (r->history == NULL || r->history_path == NULL)
		return;
	fd = open(r->history_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && fchmod(fd, 0600) == 0)
		history(r->history, &r->event, H_SAVE, r->history_path);
}

/* ---------------------------------------------------------------- completion */

void
candidates_add(struct candidates *c, const char *word)
{
	if (c->n == c->cap) {
		size_t cap = c->cap == 0 ? 64 : 2 * c->cap;
		char **more = reallocarray(c->word, cap, sizeof *more);
		if (more == NULL) {
			c->out_of_memory = true;
			return;
		}
		c->word = more;
		c->cap = cap;
	}
	c->bytes += sizeof *c->word + strlen(word) + 1;
	c->word[c->n] = c->bytes > CANDIDATES_BYTES_MAX ? NULL : strdup(word);
	if (c->word[c->n] == NULL)
		c->out_of_memory = true;
	else
		c->n++;
}

void
candidates_keep(struct candidates *c, size_t n)
{
	while (c->n > n)
		free(c->word[--c->n]);
}

void
candidates_clear(struct candidates *c)
{
	candidates_keep(c, 0);
	free(c->word);
	*c = (struct candidates){.n = 0};
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many bytes all candidates begin with. */
static size_t
common_length(const struct candidates *c)
{
	size_t n = strlen(c->word[0]);

	for (size_t i = 1; i < c->n; i++)
		for (size_t k = 0; k < n; k++)
			if (c->word[i][k] != c->word[0][k])
				n = k;
	return n;
}

static void
show_candidates(const struct candidates *c)
{
	putc('\n', stdout);
	for (size_t i = 0; i < c->n && i < SHOWN_MAX; i++) {
		safe_write(stdout, c->word[i], strlen(c->word[i]), 0);
		fputs(i + 1 < c->n ? "  " : "", stdout);
	}
	fputs(c->n > SHOWN_MAX ? "...\n" : "\n", stdout);
	fflush(stdout);
}

/* Puts in what is certain. */
static unsigned char
insert_common(EditLine *el, const struct candidates *c, size_t typed)
{
	size_t n = common_length(c);
	_cleanup_free_ char *more = strndup(c->word[0] + typed, n - typed);
	_cleanup_free_ char *quoted = more == NULL ? NULL : words_quote(more);

	if (quoted == NULL)
		return CC_ERROR;
	if (*quoted != '\0' && el_insertstr(el, quoted) < 0)
		return CC_ERROR;
	if (c->n == 1 && (n == 0 || c->word[0][n - 1] != '/'))
		el_insertstr(el, " ");
	else if (*quoted == '\0') {
		show_candidates(c);
		return CC_REDISPLAY;
	}
	return CC_REFRESH;
}

/* The words before the cursor, the one under it included. */
static int
words_before_cursor(EditLine *el, struct words *ret)
{
	const LineInfo *line = el_line(el);
	size_t n = (size_t)(line->cursor - line->buffer);
	const char *why;
	_cleanup_free_ char *text = malloc(n + 3);

	if (text == NULL)
		return -FERRY_ENOMEM;
	memcpy(text, line->buffer, n);
	/* a blank before the cursor begins a new word, which is still empty */
	snprintf(text + n, 3, "%s", n == 0 || text[n - 1] == ' ' ? "\"\"" : "");
	return words_split(text, ret, &why);
}

static unsigned char
complete_word(EditLine *el, int ch)
{
	_cleanup_(words_clear)
	struct words w = {.n = 0};
	_cleanup_(candidates_clear)
	struct candidates c = {.n = 0};
	struct reader *r;

	el_get(el, EL_CLIENTDATA, &r);
	if (r->complete == NULL || words_before_cursor(el, &w) < 0 || w.n == 0)
		return CC_ERROR;
	const char *begin = w.word[w.n - 1];
	r->complete(w.n - 1, w.n > 1 ? w.word[0] : NULL, begin, &c, r->user);
	if (c.n == 0 || c.out_of_memory)
		return CC_ERROR;
	qsort(c.word, c.n, sizeof *c.word, compare);
	return insert_common(el, &c, strlen(begin));
}

/* ---------------------------------------------------------------- the reader */

static void
edit_init(struct reader *r)
{
	r->el = el_init("ferry", stdin, stdout, stderr);
	if (r->el == NULL)
		return;
	el_set(r->el, EL_CLIENTDATA, r);
	el_set(r->el, EL_PROMPT, show_prompt);
	el_set(r->el, EL_EDITOR, "emacs");
	el_set(r->el, EL_GETCFN, read_character);
	/* el_set() would keep copies of these texts and never free them */
	el_wset(r->el, EL_ADDFN, L"ferry-complete", L"Complete a word", complete_word);
	el_set(r->el, EL_BIND, "^I", "ferry-complete", NULL);
	el_set(r->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	history_load(r);
	el_source(r->el, NULL);
}

int
reader_new(bool edit, complete_fn *complete, void *user, struct reader **ret)
{
	struct reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return -FERRY_ENOMEM;
	r->complete = complete;
	r->user = user;
	if (edit && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		edit_init(r);
	*ret = r;
	return 0;
}

void
reader_free(struct reader *r)
{
	if (r == NULL)
		return;
	history_save(r);
	if (r->el != NULL)
		el_end(r->el);
	if (r->history != NULL)
		history_end(r->history);
	free(r->history_path);
	free(r);
}

int
reader_line(struct reader *r, const char *prompt, char **ret)
{
	const char *line;
	int n = 0;

	if (r->el == NULL)
		return reader_ask(prompt, ret);
	interrupt_clear();
	r->prompt = prompt;
	line = el_gets(r->el, &n);
	if (line != NULL && n > 0) {
		*ret = strndup(line, strcspn(line, "\r\n"));
		return *ret == NULL ? -FERRY_ENOMEM : 0;
	}
	putchar('\n');
	if (!interrupt_seen())
		return -FERRY_EOF;
	interrupt_clear();
	el_reset(r->el);
	return -FERRY_EABORTED;
}

void
reader_remember(struct reader *r, const char *line)
{
	if (r->history != NULL)
		history(r->history, &r->event, H_ENTER, line);
}
