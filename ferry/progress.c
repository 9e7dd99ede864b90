/*
 * How far a transfer is. Draws on a terminal only; a log file or a pipe sees nothing of
 * it.
 */
#include "progress.h"

#include "interrupt.h"
#include "own.h"
#include "safe.h"

#include <math.h>
#include <sys/ioctl.h>

#define INTERVAL 0.1
#define PATIENCE 0.3 /* what is done sooner needs no bar */
#define BAR_MAX 40

/* "1.2 GB": decimal units, as networks count. */
static const char *
amount(double n, char *out, size_t cap)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t i = 0;

	for (; n >= 999.5 && i + 1 < ARRAY_LEN(units); i++)
		n /= 1000;
	snprintf(out, cap, i == 0 || n >= 99.5 ? "%.0f %s" : "%.1f %s", n, units[i]);
	return out;
}

const char *
progress_rate(double bytes_per_second, char *out)
{
	char text[24];

	snprintf(out, 32, "%s/s", amount(bytes_per_second, text, sizeof text));
	return out;
}

/* "4:05", "1:02:33" */
static const char *
duration(double seconds, char *out, size_t cap)
{
	unsigned long s = seconds < 359999 ? (unsigned long)(seconds + 0.5) : 359999;

	if (s >= 3600)
		snprintf(out, cap, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, cap, "%lu:%02lu", s / 60, s % 60);
	return out;
}

static void
bar(char *out, unsigned width, double share)
{
	unsigned full = (unsigned)(share * width);

	*out++ = '[';
	for (unsigned i = 0; i < width; i++)
		*out++ = i < full ? '=' : i == full ? '>' : ' ';
	*out++ = ']';
	*out = '\0';
}

/* The name's first columns; characters are whole. */
static int
name_bytes(const char *name, unsigned columns)
{
	int n = 0;

	for (unsigned seen = 0; name[n] != '\0'; n++)
		if (((unsigned char)name[n] & 0xc0) != 0x80 && seen++ == columns)
			break;
	return n;
}

void
progress_line(char *out, unsigned width, const char *name, uint64_t bytes, int64_t size,
    double seconds)
{
	double rate = seconds > 0.05 ? (double)bytes / seconds : 0;
	double share = size > 0 ? fmin((double)bytes / (double)size, 1) : 0;
	char moved[24], speed[32], left[24] = "", drawing[BAR_MAX + 3] = "", tail[160];
	unsigned used;

	if (size > 0 && rate > 0 && share < 1)
		duration(((double)size - (double)bytes) / rate, left, sizeof left);
	if (size > 0)
		snprintf(tail, sizeof tail, "%3.0f%% %9s %11s%s%s", floor(share * 100),
		    amount((double)bytes, moved, sizeof moved),
		    progress_rate(rate, speed), *left ? "  left " : "", left);
	else
		snprintf(tail, sizeof tail, "%9s %11s  %s",
		    amount((double)bytes, moved, sizeof moved),
		    progress_rate(rate, speed), duration(seconds, left, sizeof left));
	/* too narrow: the time left is what one can do without */
	if (strlen(tail) + 1 > width)
		tail[strlen(tail) - strlen("  left ") - strlen(left)] = '\0';
	used = (unsigned)strlen(tail);
	if (size > 0 && width >= used + 40)
		bar(drawing, width - used - 34 < BAR_MAX ? width - used - 34 : BAR_MAX,
		    share);
	unsigned room = width > used + strlen(drawing) + 2
			    ? width - used - (unsigned)strlen(drawing) - 2
			    : 0;
	snprintf(out, 4 * (size_t)width + 1, "%.*s %s%s%s", name_bytes(name, room), name,
	    drawing, *drawing ? " " : "", tail);
}

static void
measure(struct progress *p)
{
	struct winsize ws;

	p->width = 80;
	if (ioctl(fileno(p->out), TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		p->width = ws.ws_col < 500 ? ws.ws_col : 500;
}

void
progress_begin(
    struct progress *p, FILE *out, const char *name, uint64_t offset, double now)
{
	*p = (struct progress){.began = now, .offset = offset};
	if (out == NULL || !isatty(fileno(out)))
		return;
	p->out = out;
	p->name = safe_string(name);
	measure(p);
}

void
progress_update(struct progress *p, uint64_t bytes, int64_t size, double now)
{
	char line[4 * 500 + 1];

	if (p->out == NULL || p->name == NULL || now - p->shown < INTERVAL ||
	    now - p->began < PATIENCE)
		return;
	if (interrupt_take_resize())
		measure(p);
	p->shown = now;
	p->drawn = true;
	progress_line(line, p->width - 1, p->name, bytes, size, now - p->began);
	fprintf(p->out, "\r%s\033[K", line);
	fflush(p->out);
}

void
progress_clear(struct progress *p)
{
	if (p->out != NULL && p->drawn) {
		fputs("\r\033[K", p->out);
		fflush(p->out);
	}
	p->drawn = false;
}

void
progress_end(struct progress *p)
{
	progress_clear(p);
	freep(&p->name);
	p->out = NULL;
}
