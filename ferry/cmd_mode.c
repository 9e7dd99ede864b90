/*
 * Settings: passive, epsv, sendport, type, mode, hash, prompt, glob, verbose, ... Most
 * are switches: without a word they turn over, "on" and "off" set them.
 */
#include "own.h"
#include "shell.h"

/* Turns a switch and tells its new state. */
static int
turn(struct shell *sh, bool *value, int n, char **word, const char *what)
{
	if (n > 1 && strcmp(word[1], "on") != 0 && strcmp(word[1], "off") != 0)
		return shell_complain("usage: %s [on | off]", word[0]);
	*value = n > 1 ? strcmp(word[1], "on") == 0 : !*value;
	shell_apply(sh);
	printf("%s: %s.\n", what, *value ? "on" : "off");
	return 0;
}

int
cmd_passive(struct shell *sh, int n, char **word)
{
	if (n > 1 && strcmp(word[1], "auto") == 0) {
		sh->passive = sh->sendport = true;
		shell_apply(sh);
		puts("Passive mode: on; active mode when it fails: on.");
		return 0;
	}
	return turn(sh, &sh->passive, n, word, "Passive mode");
}

int
cmd_epsv(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->epsv, n, word, "Use of EPSV and EPRT");
}

int
cmd_sendport(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->sendport, n, word,
	    "Active mode (PORT, EPRT) when passive mode fails");
}

static int
set_type(struct shell *sh, bool binary)
{
	sh->s.binary = binary;
	shell_apply(sh);
	printf("Using %s mode to transfer files.\n", binary ? "binary" : "ascii");
	return 0;
}

int
cmd_ascii(struct shell *sh, int n, char **word)
{
	return set_type(sh, false);
}

int
cmd_binary(struct shell *sh, int n, char **word)
{
	return set_type(sh, true);
}

int
cmd_type(struct shell *sh, int n, char **word)
{
	static const struct {
		const char *name;
		bool binary;
	} types[] = {{"ascii", false}, {"a", false}, {"A", false}, {"binary", true},
	    {"image", true}, {"i", true}, {"I", true}, {"tenex", true}};

	for (size_t i = 0; n > 1 && i < ARRAY_LEN(types); i++)
		if (strcmp(word[1], types[i].name) == 0)
			return set_type(sh, types[i].binary);
	if (n > 1)
		return shell_complain(
		    "%s: unknown type; ascii and binary are known", word[1]);
	return set_type(sh, sh->s.binary);
}

static const struct {
	const char *name;
	enum ferry_coding coding;
} codings[] = {
    {"auto", FERRY_CODING_AUTO},
    {"stream", FERRY_CODING_STREAM},
    {"s", FERRY_CODING_STREAM},
    {"deflate", FERRY_CODING_DEFLATE},
    {"z", FERRY_CODING_DEFLATE},
    {"block", FERRY_CODING_BLOCK},
    {"b", FERRY_CODING_BLOCK},
};

static const char *
coding_name(enum ferry_coding coding)
{
	size_t i = 0;

	while (codings[i].coding != coding)
		i++;
	return codings[i].name;
}

int
cmd_mode(struct shell *sh, int n, char **word)
{
	size_t i = 0;

	while (
	    n > 1 && i < ARRAY_LEN(codings) && strcasecmp(word[1], codings[i].name) != 0)
		i++;
	if (i == ARRAY_LEN(codings))
		return shell_complain(
		    "%s: unknown mode; auto, stream, deflate and block are known",
		    word[1]);
	if (n > 1)
		sh->s.coding = codings[i].coding;
	shell_apply(sh);
	printf("Using %s mode to transfer files.\n", coding_name(sh->s.coding));
	return 0;
}

/* What has one value only: other programs have these commands, and scripts use them. */
static int
only(int n, char **word, const char *name, const char *what)
{
	if (n > 1 && strcasecmp(word[1], name) != 0)
		return shell_complain("%s: only %s %s is there", word[1], name, what);
	printf("Using %s %s to transfer files.\n", name, what);
	return 0;
}

int
cmd_form(struct shell *sh, int n, char **word)
{
	return only(n, word, "non-print", "format");
}

int
cmd_struct(struct shell *sh, int n, char **word)
{
	return only(n, word, "file", "structure");
}

int
cmd_hash(struct shell *sh, int n, char **word)
{
	struct view *v = &sh->s.view;
	char *end = NULL;

	if (n > 1 && *word[1] >= '1' && *word[1] <= '9') {
		unsigned long size = strtoul(word[1], &end, 10);
		size <<= *end == 'k' ? 10 : *end == 'm' ? 20 : 0;
		if (size == 0 || (*end != '\0' && strcmp(end, "k") != 0 &&
				     strcmp(end, "m") != 0 && strcmp(end, "b") != 0))
			return shell_complain("%s: not a size", word[1]);
		v->hash_size = size;
		v->hash = true;
	} else {
		int rc = turn(sh, &v->hash, n, word, "Hash mark printing");
		if (rc < 0 || !v->hash)
			return rc;
	}
	printf("Hash mark: %llu bytes.\n", (unsigned long long)v->hash_size);
	return 0;
}

int
cmd_progress(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->progress, n, word, "Progress bar");
}

int
cmd_prompt(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->ask, n, word, "Interactive mode");
}

int
cmd_glob(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->glob, n, word, "Globbing");
}

int
cmd_preserve(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->preserve, n, word, "Preserve modification times");
}

int
cmd_sunique(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->sunique, n, word, "Store unique");
}

int
cmd_verbose(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->verbose, n, word, "Verbose mode");
}

int
cmd_debug(struct shell *sh, int n, char **word)
{
	return turn(sh, &sh->debug, n, word, "Debugging");
}

int
cmd_explain(struct shell *sh, int n, char **word)
{
	struct view *v = &sh->s.view;
	bool on = v->explain != NULL;
	int rc = turn(sh, &on, n, word, "Explaining");

	if (rc < 0)
		return rc;
	if (!on) {
		explain_free(v->explain);
		v->explain = NULL;
	} else if (v->explain == NULL) {
		rc = explain_new(stdout, options_colour(sh->s.opt, stdout), &v->explain);
		if (rc == 0)
			explain_join(v->explain, sh->s.h);
	}
	shell_apply(sh);
	return rc;
}

static const char *
on_off(bool value)
{
	return value ? "on" : "off";
}

static const char *
trust_words(enum ferry_trust trust)
{
	switch (trust) {
	case FERRY_TRUST_AUTHORITY:
		return "an authority vouches for it";
	case FERRY_TRUST_PIN:
		return "it has the pinned key";
	case FERRY_TRUST_PROGRAM:
		return "it has the key that you accepted";
	default:
		return "not known";
	}
}

int
cmd_secure(struct shell *sh, int n, char **word)
{
	struct ferry_tls_info info;

	if (!ferry_is_connected(sh->s.h)) {
		puts("Not connected.");
		return 0;
	}
	if (ferry_tls_info(sh->s.h, &info) < 0) {
		puts("Not encrypted: names, passwords and files travel in clear.");
		return 0;
	}
	printf("Encrypted: %s, %s.\n", info.version, info.cipher);
	printf("The server's key: SHA256:%s; %s.\n", info.fingerprint,
	    trust_words(info.trust));
	return 0;
}

int
cmd_status(struct shell *sh, int n, char **word)
{
	const struct view *v = &sh->s.view;

	if (ferry_is_connected(sh->s.h))
		printf("Connected %sto %s.\n",
		    ferry_is_logged_in(sh->s.h) ? "and logged in " : "", sh->host);
	else
		puts("Not connected.");
	if (ferry_is_connected(sh->s.h))
		cmd_secure(sh, n, word);
	printf("Type: %s; Mode: %s; Structure: file\n", sh->s.binary ? "binary" : "ascii",
	    coding_name(sh->s.coding));
	printf("Passive mode: %s; active mode when it fails: %s; EPSV and EPRT: %s\n",
	    on_off(sh->passive), on_off(sh->sendport), on_off(sh->epsv));
	printf(
	    "Verbose: %s; Prompting: %s; Globbing: %s; Debugging: %s; Explaining: %s\n",
	    on_off(sh->verbose), on_off(sh->ask), on_off(sh->glob), on_off(sh->debug),
	    on_off(v->explain != NULL));
	printf("Store unique: %s; Preserve modification times: %s\n", on_off(sh->sunique),
	    on_off(sh->preserve));
	printf("Hash mark printing: %s (%llu bytes); Progress bar: %s\n", on_off(v->hash),
	    (unsigned long long)v->hash_size, on_off(sh->progress));
	return 0;
}
