/*
 * How things are transferred: RFC 959 4.1.2, 4.1.3; RFC 1123 4.1.2.1; RFC 3659 5.
 *
 *   TYPE <SP> A [N] | I | L 8     STRU <SP> F     MODE <SP> S | B | Z
 *   REST <SP> <offset>            RANG <SP> <first> <SP> <last>
 *   OPTS <SP> UTF8 [ON] | MLST [<facts>] | HASH   (RFC 2389 4, RFC 3659 7.9)
 *        MODE <SP> Z [ENGINE ZLIB] [LEVEL <n>]    (draft-preston-ftpext-deflate)
 *
 * A value that is refused leaves the old one in force.
 */
#include <ferry/ferry.h>
#include <string.h>

#include "answer.h"
#include "cmd_hash.h"
#include "commands.h"
#include "deflate.h"
#include "listing.h"

/* ---- TYPE ---- */

/* vsftpd's way: a switched-off TYPE A is accepted, since clients insist on it, and
 * changes nothing. */
static void
answer_ascii(struct session *s)
{
	const struct conf *conf = s->conf;

	s->ascii = true;
	if (conf->ascii_download_enable && conf->ascii_upload_enable)
		answer(s, 200, "TYPE is A: line ends are converted.");
	else if (!conf->ascii_download_enable && !conf->ascii_upload_enable)
		answer(s, 200,
		    "TYPE is A, but files are transferred as they are on this server.");
	else
		answer(s, 200,
		    "TYPE is A, but %s are transferred as they are on this server.",
		    conf->ascii_download_enable ? "uploads" : "downloads");
}

void
cmd_type(struct session *s, struct bytes arg)
{
	static const char *const ascii[] = {"A", "A N", "A T"};
	static const char *const image[] = {"I", "L 8"};

	for (size_t i = 0; i < ARRAY_LEN(ascii); i++) {
		if (command_is(arg, ascii[i])) {
			answer_ascii(s);
			return;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(image); i++) {
		if (command_is(arg, image[i])) {
			s->ascii = false;
			answer(s, 200, "TYPE is I: every byte as it is.");
			return;
		}
	}
	/* A C, E and L with other sizes are types of RFC 959 as well; any other letter
	 * may be one of somebody else's. */
	struct bytes word = command_word(&arg);
	if (word.n == 1 && !command_is(word, "I"))
		answer(s, 504, "Only TYPE A N, I and L 8 are offered.");
	else
		answer(s, 501, "That is no TYPE.");
}

/* ---- STRU, MODE: one letter ---- */

/* The letter, if it is one of works; else it is refused, and '\0'. */
static char
choose_letter(struct session *s, struct bytes arg, const char *what, const char *works,
    const char *offered)
{
	char letter = arg.n == 1 ? (char)(arg.p[0] & ~0x20) : '\0';

	if (letter != '\0' && strchr(works, letter) != NULL)
		return letter;
	if (arg.n == 1)
		answer(s, 504, "Only %s is offered.", offered);
	else
		answer(s, 501, "That is no %s.", what);
	return '\0';
}

void
cmd_stru(struct session *s, struct bytes arg)
{
	if (choose_letter(s, arg, "STRU", "F", "STRU F") != '\0')
		answer(s, 200, "STRU is F.");
}

/* A connection that block mode has kept cannot carry another mode. */
void
cmd_mode(struct session *s, struct bytes arg)
{
	char letter = choose_letter(s, arg, "MODE", "SBZ", "MODE S, B or Z");

	if (letter == '\0')
		return;
	if (s->mode != (enum coding_mode)letter)
		data_unkeep(s);
	s->mode = (enum coding_mode)letter;
	answer(s, 200, "MODE is %c.", letter);
}

/* ---- REST, RANG ---- */

void
cmd_rest(struct session *s, struct bytes arg)
{
	uint64_t offset;

	if (parse_uint((const char *)arg.p, arg.n, INT64_MAX, &offset) < 0) {
		answer(s, 501, "REST takes a number of bytes.");
		return;
	}
	/* An offset into the converted stream would have to be counted out of the file
	 * (RFC 3659 5.3). */
	if (offset > 0 && s->ascii) {
		answer(s, 504, "REST works in TYPE I only.");
		return;
	}
	s->rest = offset;
	s->ranged = false;
	answer(
	    s, 350, "The next transfer begins at byte %llu.", (unsigned long long)offset);
}

/* draft-bryan-ftp-range 3: both ends are bytes of the range; "1 0" is none at all, and
 * any other range that ends before it begins is refused and leaves none. */
void
cmd_rang(struct session *s, struct bytes arg)
{
	struct bytes word = command_word(&arg);
	uint64_t first, last;

	s->ranged = false;
	if (parse_uint((const char *)word.p, word.n, INT64_MAX - 1, &first) < 0 ||
	    parse_uint((const char *)arg.p, arg.n, INT64_MAX - 1, &last) < 0) {
		answer(s, 501, "RANG takes the numbers of the first and the last byte.");
		return;
	}
	if (first == 1 && last == 0) {
		answer(s, 350, "No range: whole files.");
		return;
	}
	if (first > last) {
		answer(s, 501, "The range ends before it begins. Now there is none.");
		return;
	}
	if (s->ascii || s->mode != CODING_STREAM) {
		answer(s, 551, "RANG works in TYPE I and MODE S only.");
		return;
	}
	s->rest = 0;
	s->ranged = true;
	s->range_first = first;
	s->range_last = last;
	answer(s, 350, "The next transfer is of bytes %llu to %llu.",
	    (unsigned long long)first, (unsigned long long)last);
}

/* ---- OPTS ---- */

static void
opts_utf8(struct session *s, struct bytes arg)
{
	if (arg.n == 0 || command_is(arg, "ON"))
		answer(s, 200, "Names are UTF-8, always.");
	else
		answer(s, 501,
		    "UTF8 cannot be switched off: names are bytes and stay as they are.");
}

static void
opts_mlst(struct session *s, struct bytes arg)
{
	unsigned facts = 0;
	struct answer a;

	if (arg.n > 0 && listing_parse_facts((const char *)arg.p, arg.n, &facts) < 0) {
		answer(s, 501, "The facts are to be given as fact;fact;");
		return;
	}
	s->facts = facts;
	answer_begin(&a, s, 200);
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "MLST OPTS");
	for (unsigned bit = 1, first = 1; bit <= FACT_ALL; bit <<= 1) {
		if ((facts & bit) == 0)
			continue;
		answer_text(&a, "%s%s;", first ? " " : "", listing_fact_name(bit));
		first = 0;
	}
	answer_send(&a);
}

/* One "NAME value" of OPTS MODE Z. False when it was refused. */
static bool
take_engine_option(struct session *s, struct bytes name, struct bytes value)
{
	uint64_t level;

	if (command_is(name, "ENGINE") && command_is(value, "ZLIB"))
		return true;
	if (command_is(name, "ENGINE") && value.n > 0) {
		answer(s, 504, "The only ENGINE is ZLIB.");
		return false;
	}
	if (command_is(name, "LEVEL") &&
	    parse_uint((const char *)value.p, value.n, DEFLATE_LEVEL_MAX, &level) == 0) {
		s->level = (int)level;
		return true;
	}
	answer(s, 501, "MODE Z has the options ENGINE ZLIB and LEVEL %d to %d.",
	    DEFLATE_LEVEL_MIN, DEFLATE_LEVEL_MAX);
	return false;
}

static void
opts_mode(struct session *s, struct bytes arg)
{
	struct bytes mode = command_word(&arg);
	int before = s->level;

	if (!command_is(mode, "Z")) {
		answer(s, mode.n == 1 ? 504 : 501, "Only MODE Z has options.");
		return;
	}
	while (arg.n > 0) {
		struct bytes name = command_word(&arg);
		struct bytes value = command_word(&arg);

		if (!take_engine_option(s, name, value)) {
			s->level = before;
			return;
		}
	}
	answer(s, 200, "MODE Z ENGINE ZLIB LEVEL %d", s->level);
}

void
cmd_opts(struct session *s, struct bytes arg)
{
	struct bytes what = command_word(&arg);

	if (command_is(what, "UTF8") || command_is(what, "UTF-8"))
		opts_utf8(s, arg);
	else if (command_is(what, "MLST"))
		opts_mlst(s, arg);
	else if (command_is(what, "HASH"))
		hash_opts(s, arg);
	else if (command_is(what, "MODE"))
		opts_mode(s, arg);
	else
		answer(s, 501,
		    "There are no options for that. OPTS knows UTF8, MLST, HASH and "
		    "MODE Z.");
}
