/*
 * The diagram as a page that needs nothing else: no script, no font, no picture, and a
 * policy that forbids them. A row of the list is an arrow with its reason beside it, or
 * below it where the page is narrow, as on paper. It is a list for those who hear it,
 * too.
 */
#include "trace.h"

#include "markup.h"
#include "own.h"

/* clang-format off */
static const char style[] =
	":root{color-scheme:light dark;--paper:#fff;--ink:#1c2430;--soft:#5a6675;--rule:#c9d1db;--tint:#f3f6f9;"
	"--control:#1f5fa8;--data:#8a3ab9;--good:#176b38;--goodtint:#e8f5ec;--bad:#b3261e;--badtint:#fdeceb;--sum:#fff3c4}\n"
	"@media(prefers-color-scheme:dark){:root{--paper:#14181e;--ink:#e4e9ef;--soft:#9aa7b6;--rule:#3a4552;"
	"--tint:#1c222a;--control:#7db4f0;--data:#cf9bf0;--good:#7ed09a;--goodtint:#16291d;--bad:#ff9189;"
	"--badtint:#331a19;--sum:#4a3f12}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;max-width:78rem;padding:2rem 1.5rem 3rem;background:var(--paper);color:var(--ink);"
	"font:15px/1.45 system-ui,'Segoe UI','DejaVu Sans',sans-serif}\n"
	"h1{font-size:1.6rem;margin:0 0 .2rem;font-weight:650}\n"
	"h2{font-size:1.1rem;margin:2.2rem 0 .8rem;padding-top:.9rem;border-top:1px solid var(--rule);font-weight:650}\n"
	"h1,h2,code,pre,p,dd{overflow-wrap:anywhere}\n"
	".about{color:var(--soft);margin:0}\n"
	".outcome{margin:1rem 0 0;padding:.8rem 1.1rem;border:1px solid;border-left-width:6px;border-radius:4px}\n"
	".outcome p{margin:0;font-weight:600}\n"
	".done{border-color:var(--good);background:var(--goodtint)}.done p{color:var(--good)}\n"
	".failed{border-color:var(--bad);background:var(--badtint)}.failed p{color:var(--bad)}\n"
	"dl{margin:.6rem 0 0;display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1rem}\n"
	"dt{font-weight:600}dd{margin:0}\n"
	"ol{list-style:none;margin:0;padding:0}\n"
	"section{--port:4.4rem;--when:5.2rem}\n"
	".row,.ends{display:grid;grid-template-columns:var(--when) minmax(26rem,3fr) minmax(15rem,2fr)}\n"
	"time{color:var(--soft);font-size:.82rem;font-variant-numeric:tabular-nums;padding:.5rem .5rem 0 0;text-align:right;"
	"white-space:nowrap}\n"
	".wire{padding:0 var(--port);display:grid}\n"
	".port{position:absolute;font:.82rem/1 ui-monospace,'DejaVu Sans Mono',monospace;color:var(--soft)}\n"
	".ours{right:calc(100% + .55rem)}.theirs{left:calc(100% + .55rem)}\n"
	".between{position:relative;border:0 solid var(--rule);border-width:0 2px;padding:.45rem 0 .5rem;min-height:2.5rem}\n"
	".open .between{border-color:var(--data);border-width:0 6px;margin:0 -2px}\n"
	".routed .between::before{content:'';position:absolute;left:36%;top:0;bottom:0;border-left:2px dashed var(--rule)}\n"
	".label{position:relative;display:block;width:fit-content;max-width:calc(100% - 1.6rem);margin:0 .8rem;padding:0 .3rem;"
	"background:var(--paper);border-radius:3px}\n"
	".inward .label{margin-left:auto}\n"
	"code,pre{font:.86rem/1.4 ui-monospace,'DejaVu Sans Mono',monospace}\n"
	".shaft{position:relative;display:flex;align-items:center;height:12px;color:var(--control)}\n"
	".data .shaft{color:var(--data)}\n"
	".shaft i{flex:1;border-top:1.5px solid}\n"
	".shaft b{flex:none;width:0;height:0;border:5px solid transparent}\n"
	".outward .shaft b{border-left:9px solid;border-right:0}\n"
	".inward .shaft{flex-direction:row-reverse}.inward .shaft b{border-right:9px solid;border-left:0}\n"
	".reply .shaft i{border-top-style:dashed}\n"
	".call .shaft i{border-top-width:4px}.call .shaft b,.bytes .shaft b{border-width:7px}\n"
	".call.outward .shaft b,.bytes.outward .shaft b{border-left-width:12px}\n"
	".call.inward .shaft b,.bytes.inward .shaft b{border-right-width:12px}\n"
	".call .label{font-weight:650;color:var(--control)}.call.data .label,.bytes .label{color:var(--data);font-weight:650}\n"
	".bytes .shaft i{border-top:7px solid;opacity:.55}\n"
	".bytes .label{margin-left:auto;margin-right:auto}\n"
	".broken-call .label{color:var(--bad);font-weight:650}.broken-call .shaft{color:var(--bad)}\n"
	".broken-call .shaft i{flex:0 0 62%;border-top:4px dashed}\n"
	".broken-call .shaft b{border:0;width:auto;height:auto;font:700 1.5rem/12px system-ui,sans-serif;padding:0 .25rem}\n"
	".broken-call .shaft b::before{content:'\\2715'}\n"
	"[data-from=stranger] .shaft{width:60%}[data-from=stranger] .shaft i{flex:1}"
	"[data-from=stranger] .label{margin-left:.8rem}\n"
	".step .label{border:1px solid var(--rule);background:var(--tint);border-radius:4px;padding:.15rem .6rem;margin-left:.8rem}\n"
	".notes{padding:.45rem 0 .5rem 1.3rem;color:var(--soft);font-size:.88rem}\n"
	".notes p{margin:0 0 .25rem}\n"
	".sum{color:var(--ink);background:var(--sum);padding:0 .25em;border-radius:3px;font-weight:650;white-space:nowrap}\n"
	"details{position:relative;margin:.2rem .8rem;font-size:.85rem;color:var(--soft);background:var(--paper)}"
".inward details{width:fit-content;margin-left:auto;padding-left:.3rem}"
	"pre{margin:.3rem 0;white-space:pre-wrap}\n"
	".ends .between{border:0;padding:0;min-height:3.5rem}.ends .between::before{content:none}\n"
	".actor{position:absolute;bottom:0;left:0;transform:translateX(-50%);width:max-content;max-width:13rem;"
	"border:1.5px solid var(--rule);border-radius:6px;background:var(--tint);padding:.35rem .9rem;text-align:center;"
	"line-height:1.3;overflow-wrap:anywhere}\n"
	".actor b{display:block;font-size:.8rem;letter-spacing:.06em}\n"
	".actor.router{border-style:dashed;left:36%}.actor.server{left:100%}\n"
	".legend{display:flex;flex-wrap:wrap;gap:.3rem 1.6rem;margin:2.4rem 0 0;padding:.9rem 0 0;border-top:1px solid var(--rule);"
	"color:var(--soft);font-size:.85rem}\n"
	".legend span{display:inline-flex;align-items:center;gap:.5rem}"
	".legend i{width:2.4rem;border-top:1.5px solid var(--control)}.legend .l2{border-top-width:4px}"
	".legend .l3{border-top:7px solid var(--data);opacity:.55}.legend .l4{border-top:4px dashed var(--bad)}\n"
	".sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}\n"
	"@media(max-width:62rem){.row,.ends{grid-template-columns:var(--when) 1fr}.ends+.row,.row{row-gap:0}"
	".notes{grid-column:2;margin:0 var(--port);padding:0 1rem .4rem;border:0 solid var(--rule);border-width:0 2px}"
	".open .notes{border-color:var(--data);border-width:0 6px;margin:0 calc(var(--port) - 2px)}}\n"
	"@media(max-width:40rem){section{--port:3.4rem}time,.ends>span{display:none}"
	".row,.ends{grid-template-columns:1fr}.notes{grid-column:1}body{padding:1rem .5rem}.actor{max-width:6.2rem;padding:.3rem;font-size:.72rem}.ends .between{min-height:4.4rem}"
	"dl{grid-template-columns:1fr}.notes{padding:0 .5rem .4rem}}\n"
	"@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#333;--rule:#999;--tint:#fff;--control:#1f5fa8;"
	"--data:#8a3ab9;--good:#176b38;--goodtint:#fff;--bad:#b3261e;--badtint:#fff;--sum:#fff}"
	"body{padding:0;max-width:none;font-size:10.5pt}.row,.outcome,dt{break-inside:avoid}h2{break-after:avoid}"
	".sum{border:1px solid #999}}\n";
/* clang-format on */

/* "p1 x 256 + p2 = port" catches the eye. */
static void
sentence(FILE *out, const char *text)
{
	static const char times[] = " x 256 + ", digits[] = "0123456789";
	const char *at = strstr(text, times), *begin = at, *end;

	while (begin != NULL && begin > text && strchr(digits, begin[-1]) != NULL)
		begin--;
	if (at == NULL || begin == at) {
		markup_text(out, text);
		return;
	}
	end = at + strlen(times);
	end += strspn(end, digits);
	end += strspn(end, " =");
	end += strspn(end, digits);
	markup_bytes(out, text, (size_t)(begin - text));
	fputs("<span class=\"sum\">", out);
	markup_bytes(out, begin, (size_t)(end - begin));
	fputs("</span>", out);
	markup_text(out, end);
}

static void
element(FILE *out, const char *open, const char *text, const char *close)
{
	fputs(open, out);
	markup_text(out, text);
	fputs(close, out);
}

/* ---------------------------------------------------------------- rows */

/* For those who do not see the arrow. */
static void
direction(FILE *out, const struct story_row *row)
{
	unsigned ours = row->arrow.ours, theirs = row->arrow.theirs;

	fprintf(out, "<span class=\"sr\">From %s port %u to %s port %u: </span>",
	    story_from(row), row->arrow.inward ? theirs : ours, story_to(row),
	    row->arrow.inward ? ours : theirs);
}

static void
port(FILE *out, const char *class, unsigned number)
{
	if (number != 0)
		fprintf(out, "<span class=\"port %s\">:%u</span>", class, number);
}

static void
shaft(FILE *out, const struct draw_arrow *a)
{
	fputs("<div class=\"shaft\" aria-hidden=\"true\">", out);
	port(out, "ours", a->ours);
	port(out, "theirs", a->theirs);
	fputs("<i></i><b></b></div>", out);
}

static void
all_lines(FILE *out, const char *lines)
{
	if (lines == NULL)
		return;
	element(out, "<details><summary>the whole reply</summary><pre>", lines,
	    "</pre></details>");
}

static void
wire(FILE *out, const struct story_row *row)
{
	bool arrow = story_is_arrow(row), said = row->kind == STORY_MESSAGE;
	char text[96];

	fputs("<div class=\"wire\"><div class=\"between\">", out);
	if (row->text != NULL)
		fputs("<span class=\"label\">", out);
	if (arrow)
		direction(out, row);
	if (row->text != NULL)
		element(out, said ? "<code>" : "<span>", trace_label(row, text),
		    said ? "</code></span>" : "</span></span>");
	all_lines(out, row->lines);
	if (arrow)
		shaft(out, &row->arrow);
	fputs("</div></div>", out);
}

static void
row_html(FILE *out, const struct story_row *row)
{
	char when[32];

	fputs("<li", out);
	trace_attributes(row, out);
	fprintf(out, "><time>%s</time>", markup_seconds(row->time, when));
	wire(out, row);
	fputs("<div class=\"notes\">", out);
	for (size_t i = 0; i < row->n_notes; i++) {
		fputs("<p>", out);
		sentence(out, row->notes[i].text);
		fputs("</p>", out);
	}
	fputs("</div></li>\n", out);
}

static void
actor(FILE *out, const char *class, const char *name, const char *address)
{
	fprintf(out, "<span class=\"actor %s\"><b>%s</b> ", class, name);
	markup_text(out, address);
	fputs("</span>", out);
}

static void
actors(FILE *out, const struct story *s, const struct story_row *ends)
{
	char router[64];

	fputs("<li class=\"ends\"><span></span><div class=\"wire\"><div "
	      "class=\"between\">",
	    out);
	actor(out, "you", "YOU", ends->you);
	if (s->has_router) {
		trace_router(s, router, sizeof router);
		actor(out, "router", "YOUR ROUTER", router);
	}
	actor(out, "server", "SERVER", ends->server);
	fputs("</div></div></li>\n", out);
}

static void
outcome(FILE *out, const struct story_row *row, bool advice)
{
	fprintf(out, "<div class=\"outcome %s\" data-kind=\"%s\">", story_word(row),
	    story_word(row));
	element(out, "<p>", row->text, "</p>");
	if (advice && row->n_notes > 0) {
		fputs("<dl>", out);
		for (size_t i = 0; i < row->n_notes; i++) {
			const struct story_note *n = &row->notes[i];
			element(out, "<dt>", n->label == NULL ? "" : n->label, "</dt>");
			element(out, "<dd>", n->text, "</dd>");
		}
		fputs("</dl>", out);
	}
	fputs("</div>\n", out);
}

/* ---------------------------------------------------------------- the page */

static void
head(FILE *out, const struct story *s)
{
	unsigned good, bad;
	const struct story_row *first = trace_outcome(s, &good, &bad);
	char text[32];

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
	      "'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action "
	      "'none'\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, "
	      "initial-scale=1\">\n"
	      "<meta name=\"referrer\" content=\"no-referrer\">\n",
	    out);
	element(out, "<title>FTP session with ", trace_host(s), "</title>\n");
	fprintf(out, "<style>\n%s</style>\n</head>\n<body>\n<header>\n", style);
	element(out, "<h1>FTP session with ", trace_host(s), "</h1>\n");
	fprintf(out, "<p class=\"about\">%s%srecorded by ferry %s, ",
	    markup_date(s->began, text), s->began < 0 ? "" : ", ", ferry_version());
	fprintf(out, "%s long. Passwords are not recorded.</p>\n",
	    markup_seconds(s->seconds, text));
	if (good + bad > 1)
		fprintf(out, "<p class=\"about\">%u of %u went well.</p>\n", good,
		    good + bad);
	if (first != NULL)
		outcome(out, first, false);
	fputs("</header>\n", out);
}

static void
foot(FILE *out)
{
	fputs("<p class=\"legend\"><span><i></i>command; dashed: its reply</span>"
	      "<span><i class=\"l2\"></i>a call: the side where it begins dials</span>"
	      "<span><i class=\"l3\"></i>bytes on the data connection</span>"
	      "<span><i class=\"l4\"></i>a call that nobody took</span></p>\n"
	      "</body>\n</html>\n",
	    out);
}

/* What is open at this place of the page. */
struct page {
	bool section, list;
	const struct story_row *ends;
};

static void
close_list(FILE *out, struct page *p)
{
	if (p->list)
		fputs("</ol>\n", out);
	p->list = false;
}

static void
close_section(FILE *out, struct page *p)
{
	close_list(out, p);
	if (p->section)
		fputs("</section>\n", out);
	p->section = false;
}

static void
open_section(FILE *out, struct page *p, const char *title)
{
	close_section(out, p);
	fputs("<section>\n", out);
	element(out, "<h2>", title, "</h2>\n");
	p->section = true;
}

static void
open_list(FILE *out, struct page *p, const struct story *s, const struct story_row *next)
{
	if (!p->section)
		open_section(
		    out, p, p->ends == NULL ? "The session begins" : "Afterwards");
	if (p->list)
		return;
	fprintf(out, "<ol%s>\n", s->has_router ? " class=\"routed\"" : "");
	p->list = true;
	if (p->ends != NULL && next->kind != STORY_ENDS)
		actors(out, s, p->ends);
}

static void
add(FILE *out, struct page *p, const struct story *s, const struct story_row *row)
{
	switch (row->kind) {
	case STORY_TITLE:
		open_section(out, p, row->text);
		return;
	case STORY_GOOD:
	case STORY_BAD:
		close_list(out, p);
		outcome(out, row, true);
		close_section(out, p);
		return;
	case STORY_ENDS:
		p->ends = row;
		open_list(out, p, s, row);
		actors(out, s, row);
		return;
	default:
		open_list(out, p, s, row);
		row_html(out, row);
	}
}

void
trace_draw_html(const struct story *s, FILE *out)
{
	struct page p = {.section = false};

	head(out, s);
	fputs("<main>\n", out);
	for (size_t i = 0; i < s->n; i++)
		add(out, &p, s, &s->rows[i]);
	close_section(out, &p);
	fputs("</main>\n", out);
	foot(out);
}
