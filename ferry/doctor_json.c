/*
 * The doctor's result as JSON (RFC 8259): one object. Names are not renamed; new ones may
 * come.
 */
#include "doctor.h"

#include "address.h"
#include "own.h"
#include "remedy.h"

/* One character of UTF-8 at s: how many bytes, and which; 0: it is broken. */
static size_t
read_utf8(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = *s < 0x80             ? 1
		   : (*s & 0xe0) == 0xc0 ? 2
		   : (*s & 0xf0) == 0xe0 ? 3
		   : (*s & 0xf8) == 0xf0 ? 4
					 : 0;
	uint32_t c = n < 2 ? *s : *s & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (n == 0 || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

/* Whatever is not plain ASCII becomes a number: a result may be shown on a terminal. */
static void
put_character(FILE *f, uint32_t c)
{
	if (c == '"' || c == '\\')
		fprintf(f, "\\%c", (int)c);
	else if (c >= ' ' && c < 0x7f)
		putc((int)c, f);
	else if (c < 0x10000)
		fprintf(f, "\\u%04x", (unsigned)c);
	else
		fprintf(f, "\\u%04x\\u%04x", 0xd800 + (unsigned)((c - 0x10000) >> 10),
		    0xdc00 + (unsigned)((c - 0x10000) & 0x3ff));
}

static void
put_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putc('"', f);
	while (*s != '\0') {
		uint32_t c = 0xfffd;
		size_t n = read_utf8(s, &c);

		put_character(f, c);
		s += n == 0 ? 1 : n;
	}
	putc('"', f);
}

/* "name": "text", with a comma before it unless it is the first. */
static void
put_text(FILE *f, const char *before, const char *name, const char *text)
{
	fprintf(f, "%s\"%s\": ", before, name);
	put_string(f, text);
}

static void
put_bool(FILE *f, const char *name, bool value)
{
	fprintf(f, ", \"%s\": %s", name, value ? "true" : "false");
}

static void
put_address(FILE *f, const char *name, const struct sockaddr_storage *a)
{
	char text[ADDRESS_TEXT_MAX];

	if (a->ss_family == AF_UNSPEC)
		return;
	put_text(f, ", ", name, address_text(a, text));
	fprintf(f, ", \"%s_port\": %u", name, (unsigned)address_port(a));
}

static void
put_finding(FILE *f, const struct finding *one)
{
	put_text(f, "{", "code", verdict_name(one->code));
	put_text(f, ", ", "certainty", verdict_certainty_name(one->certainty));
	put_text(f, ", ", "headline", verdict_headline(one->code));
	put_text(f, ", ", "evidence", one->evidence);
	putc('}', f);
}

static const char *
outcome_name(enum outcome outcome)
{
	static const char *const names[] = {
	    [OUTCOME_UNKNOWN] = "unknown",
	    [OUTCOME_WORKS] = "works",
	    [OUTCOME_SILENT] = "silent",
	    [OUTCOME_REFUSED] = "refused",
	    [OUTCOME_REJECTED] = "rejected",
	    [OUTCOME_DECLINED] = "declined",
	    [OUTCOME_UNANSWERED] = "unanswered",
	    [OUTCOME_GARBLED] = "garbled",
	    [OUTCOME_DENIED] = "denied",
	    [OUTCOME_NO_CALL] = "no call",
	    [OUTCOME_STALLED] = "stalled",
	};

	return names[outcome];
}

static void
put_trial(FILE *f, const struct trial *t)
{
	static const char *const modes[] = {
	    [FERRY_MODE_EPSV] = "EPSV",
	    [FERRY_MODE_PASV] = "PASV",
	    [FERRY_MODE_EPRT] = "EPRT",
	    [FERRY_MODE_PORT] = "PORT",
	};
	const struct attempt *a = &t->a;

	put_text(f, "{", "mode", modes[a->mode]);
	fprintf(f, ", \"session\": %zu", t->visit);
	put_bool(f, "tls", a->tls);
	put_bool(f, "large", t->kind == TRIAL_BIG);
	put_text(f, ", ", "outcome", outcome_name(attempt_outcome(a)));
	fprintf(f, ", \"seconds\": %.3f", a->seconds);
	put_address(f, "announced", &a->sent);
	put_address(f, "called", &a->used);
	put_address(f, "told", &a->told);
	put_address(f, "caller", &a->caller);
	if (a->words[0] != '\0')
		put_text(f, ", ", "reply", a->words);
	if (a->sys_errno != 0)
		put_text(f, ", ", "error", strerror(a->sys_errno));
	putc('}', f);
}

static void
put_visit(FILE *f, const struct visit *v)
{
	static const char *const stages[] = {"nowhere", "connected", "logged in"};

	put_text(f, "{", "stage", stages[v->stage]);
	put_bool(f, "tls", v->tls);
	put_address(f, "own", &v->own);
	put_address(f, "server", &v->peer);
	if (v->hops.distance > 0)
		fprintf(f, ", \"hops\": %u", v->hops.distance);
	if (v->words[0] != '\0')
		put_text(f, ", ", "said", v->words);
	putc('}', f);
}

struct list {
	FILE *f;
	bool any;
};

static void
put_remedy(const struct remedy *r, void *user)
{
	struct list *l = user;
	bool sentence = *r->tool == '\0';
	const char *p = r->text;

	fputs(l->any ? ",\n  " : "\n  ", l->f);
	l->any = true;
	put_text(l->f, "{", "code", verdict_name(r->code));
	put_text(l->f, ", ", "who", r->who);
	if (sentence) {
		put_text(l->f, ", ", "text", r->text);
		putc('}', l->f);
		return;
	}
	put_text(l->f, ", ", "place", r->place);
	put_text(l->f, ", ", "tool", r->tool);
	put_bool(l->f, "nat", r->nat);
	fputs(", \"lines\": [", l->f);
	for (const char *comma = ""; *p != '\0'; comma = ", ") {
		size_t n = strcspn(p, "\n");
		_cleanup_free_ char *line = strndup(p, n);

		fputs(comma, l->f);
		put_string(l->f, line == NULL ? "" : line);
		p += n + (p[n] == '\n');
	}
	fputs("]}", l->f);
}

static void
put_lists(FILE *f, const struct checkup *c, const struct diagnosis *d)
{
	struct list remedies = {.f = f};

	fputs(",\n \"findings\": [", f);
	for (size_t i = 0; i < d->n; i++) {
		fputs(i > 0 ? ",\n  " : "\n  ", f);
		put_finding(f, &d->findings[i]);
	}
	fputs("],\n \"sessions\": [", f);
	for (size_t i = 0; i < c->n_visits; i++) {
		fputs(i > 0 ? ",\n  " : "\n  ", f);
		put_visit(f, &c->visits[i]);
	}
	fputs("],\n \"attempts\": [", f);
	for (size_t i = 0; i < c->n_trials; i++) {
		fputs(i > 0 ? ",\n  " : "\n  ", f);
		put_trial(f, &c->trials[i]);
	}
	fputs("],\n \"not_tested\": [", f);
	for (size_t i = 0; i < c->n_untested; i++) {
		fputs(i > 0 ? ",\n  " : "\n  ", f);
		put_string(f, c->untested[i]);
	}
	fputs("],\n \"remedies\": [", f);
	for (size_t i = 0; i < d->n; i++)
		remedy_each(c, d, &d->findings[i], put_remedy, &remedies);
	fputs("]}\n", f);
}

void
doctor_json(FILE *out, const struct checkup *c, const struct diagnosis *d,
    enum exitcode exit_code)
{
	put_text(out, "{", "host", c->host);
	fprintf(out, ", \"port\": %u, \"seconds\": %.1f, \"exit\": %d", (unsigned)c->port,
	    c->seconds, (int)exit_code);
	put_bool(out, "passive_works", d->passive_works);
	if (d->active_tested)
		put_bool(out, "active_works", d->active_works);
	fputs(",\n \"verdict\": ", out);
	if (d->n > 0)
		put_finding(out, &d->findings[0]);
	else
		fputs("null", out);
	put_lists(out, c, d);
}
