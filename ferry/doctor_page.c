/*
 * The doctor's result for people: what was tried, the verdict with its evidence, and what
 * to do, with lines to paste. Server's words in it are made harmless.
 */
#include "doctor.h"

#include "address.h"
#include "draw.h"
#include "own.h"
#include "remedy.h"
#include "safe.h"

/* ---------------------------------------------------------------- what was tried */

static const char *
outcome_words(enum outcome outcome)
{
	static const char *const words[] = {
	    [OUTCOME_UNKNOWN] = "stopped",
	    [OUTCOME_WORKS] = "ok",
	    [OUTCOME_SILENT] = "no answer",
	    [OUTCOME_REFUSED] = "refused",
	    [OUTCOME_REJECTED] = "rejected",
	    [OUTCOME_DECLINED] = "declined by the server",
	    [OUTCOME_UNANSWERED] = "command not answered",
	    [OUTCOME_GARBLED] = "answer without an address",
	    [OUTCOME_DENIED] = "connected, but not for the server",
	    [OUTCOME_NO_CALL] = "nobody called",
	    [OUTCOME_STALLED] = "connected, no byte came",
	};

	return words[outcome];
}

struct line {
	size_t visit;
	enum ferry_mode mode;
	enum trial_kind kind;
};

static bool
belongs(const struct trial *t, const struct line *l)
{
	return t->visit == l->visit && t->a.mode == l->mode && t->kind == l->kind;
}

/* "ok 7, no answer 1" */
static void
sum_up(const struct checkup *c, const struct line *l, char *out, size_t cap)
{
	size_t at = 0;

	*out = '\0';
	for (int o = OUTCOME_UNKNOWN; o <= OUTCOME_STALLED; o++) {
		unsigned n = 0;

		for (size_t i = 0; i < c->n_trials; i++)
			n += belongs(&c->trials[i], l) &&
			     (int)attempt_outcome(&c->trials[i].a) == o;
		if (n == 0 || at >= cap)
			continue;
		at += (size_t)snprintf(out + at, cap - at, "%s%s", at > 0 ? ", " : "",
		    outcome_words((enum outcome)o));
		if (n > 1 && at < cap)
			at += (size_t)snprintf(out + at, cap - at, " (%u times)", n);
	}
}

static bool
is_first(const struct checkup *c, size_t i, const struct line *l)
{
	for (size_t k = 0; k < i; k++)
		if (belongs(&c->trials[k], l))
			return false;
	return true;
}

static void
draw_ways(const struct checkup *c, size_t visit, struct draw *d)
{
	for (size_t i = 0; i < c->n_trials; i++) {
		const struct trial *t = &c->trials[i];
		struct line l = {.visit = visit, .mode = t->a.mode, .kind = t->kind};
		char text[256], way[16];

		if (t->visit != visit || !is_first(c, i, &l))
			continue;
		sum_up(c, &l, text, sizeof text);
		snprintf(way, sizeof way, "%s:", doctor_mode_name(t->a.mode));
		draw_advice(d, t->kind == TRIAL_BIG ? "larger file:" : way, text);
	}
}

static void
draw_visits(const struct checkup *c, struct draw *d)
{
	char own[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < c->n_visits; i++) {
		const struct visit *v = &c->visits[i];

		if (v->stage == VISIT_NOWHERE)
			continue;
		draw_paragraph(d, DRAW_PLAIN, 4,
		    "%s port %u from %s, %s:", address_text(&v->peer, peer),
		    (unsigned)v->port, address_text(&v->own, own),
		    v->tls ? "encrypted" : "in clear");
		draw_ways(c, i, d);
	}
}

/* ---------------------------------------------------------------- findings */

static void
draw_evidence(const struct finding *f, struct draw *d)
{
	_cleanup_free_ char *safe = safe_string(f->evidence);

	draw_advice(d, "Seen:", safe == NULL ? "" : safe);
}

static void
draw_finding(const struct finding *f, bool first, struct draw *d)
{
	draw_paragraph(d, f->weight <= WEIGHT_TRANSFER ? DRAW_BAD : DRAW_TITLE, 8,
	    "%s%s (%s): %s.", first ? "VERDICT " : "Also ", verdict_name(f->code),
	    verdict_certainty_name(f->certainty), verdict_headline(f->code));
	draw_evidence(f, d);
}

/* ---------------------------------------------------------------- remedies */

struct list {
	struct draw *draw;
	const char *who, *place;
};

static const char *
heading(const struct remedy *r)
{
	return strcmp(r->who, "you") == 0 ? "You can:" : "Admin, do:";
}

static void
draw_lines(const struct remedy *r, FILE *out)
{
	char label[24];
	const char *p = r->text;

	snprintf(label, sizeof label, "%s%s:", r->tool, r->nat ? ", NAT" : "");
	while (*p != '\0') {
		size_t n = strcspn(p, "\n");

		fprintf(out, "      %-18s %.*s\n", label, (int)n, p);
		label[0] = '\0';
		p += n + (p[n] == '\n');
	}
}

static void
draw_remedy(const struct remedy *r, void *user)
{
	struct list *l = user;

	if (*r->tool == '\0') {
		draw_advice(l->draw, heading(r), r->text);
		l->place = NULL;
		return;
	}
	if (l->place == NULL || strcmp(l->place, r->place) != 0)
		fprintf(l->draw->out, "    %s %s%s:\n",
		    strcmp(r->who, "you") == 0 ? "You," : "Admin,",
		    *r->place == '\0' ? "where it runs in" : "on ",
		    *r->place == '\0' ? " a cloud or container" : r->place);
	l->place = r->place;
	draw_lines(r, l->draw->out);
}

static void
draw_findings(const struct checkup *c, const struct diagnosis *g, struct draw *d)
{
	for (size_t i = 0; i < g->n; i++) {
		struct list l = {.draw = d};

		draw_finding(&g->findings[i], i == 0, d);
		/* one page: the lines of the others are in --json */
		if (i == 0)
			remedy_each(c, g, &g->findings[i], draw_remedy, &l);
	}
}

/* ---------------------------------------------------------------- the page */

static void
draw_well(const struct diagnosis *g, struct draw *d)
{
	draw_paragraph(d, DRAW_GOOD, 8, "VERDICT: %s",
	    g->active_works ? "all is well, in passive and in active mode."
	    : g->passive_works
		? "all is well in passive mode, which is what programs use by default."
		: "no data connection could be tested.");
}

void
doctor_page(FILE *out, bool colour, const struct checkup *c, const struct diagnosis *g)
{
	struct draw d = {.out = out, .colour = colour};
	_cleanup_free_ char *host = safe_string(c->host);

	draw_paragraph(&d, DRAW_TITLE, 4, "ferry doctor %s, port %u: %.0f seconds",
	    host == NULL ? "" : host, (unsigned)c->port, c->seconds);
	draw_visits(c, &d);
	putc('\n', out);
	if (g->n == 0)
		draw_well(g, &d);
	draw_findings(c, g, &d);
	for (size_t i = 0; i < c->n_untested; i++)
		draw_advice(&d, "Not tested:", c->untested[i]);
	if (g->n > 0)
		draw_paragraph(&d, DRAW_PLAIN, 2,
		    "  The codes are explained in ferry(1). Names in CAPITALS in the "
		    "lines are yours to fill in; tables and chains of nftables: "
		    "\"nft list chains\".");
}
