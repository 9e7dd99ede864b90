/*
 * Options are rows of one table: getopt's arrays and the help are made from it.
 */
#include "options.h"

#include "own.h"

#include <getopt.h>

typedef int set_fn(struct options *o, const char *arg);

struct row {
	char letter; /* or 0 */
	const char *name;
	const char *arg; /* or NULL */
	unsigned who;
	set_fn *set;
	const char *help;
};

/* Decimal, min..max. */
static int
parse_number(const char *arg, unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;

	if (*arg < '0' || *arg > '9')
		return -FERRY_EINVAL;
	errno = 0;
	unsigned long n = strtoul(arg, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		return -FERRY_EINVAL;
	*ret = n;
	return 0;
}

static int
set_active(struct options *o, const char *arg)
{
	o->mode = FERRY_MODE_ACTIVE;
	return 0;
}

static int
set_passive(struct options *o, const char *arg)
{
	o->mode = FERRY_MODE_PASSIVE;
	return 0;
}

static int
set_allow_active(struct options *o, const char *arg)
{
	o->active_allowed = true;
	return 0;
}

static int
set_mode(struct options *o, const char *arg)
{
	static const struct {
		const char *name;
		enum ferry_mode mode;
	} modes[] = {
	    {"auto", FERRY_MODE_AUTO},
	    {"passive", FERRY_MODE_PASSIVE},
	    {"epsv", FERRY_MODE_EPSV},
	    {"pasv", FERRY_MODE_PASV},
	    {"active", FERRY_MODE_ACTIVE},
	    {"eprt", FERRY_MODE_EPRT},
	    {"port", FERRY_MODE_PORT},
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(arg, modes[i].name) != 0)
			continue;
		o->mode = modes[i].mode;
		return 0;
	}
	return -FERRY_EINVAL;
}

static int
set_compress(struct options *o, const char *arg)
{
	o->coding = FERRY_CODING_DEFLATE;
	return 0;
}

static int
set_ipv4(struct options *o, const char *arg)
{
	o->family = AF_INET;
	return 0;
}

static int
set_ipv6(struct options *o, const char *arg)
{
	o->family = AF_INET6;
	return 0;
}

static int
set_active_address(struct options *o, const char *arg)
{
	o->active_address = arg;
	return 0;
}

static int
set_active_ports(struct options *o, const char *arg)
{
	const char *dash = strchr(arg, '-');
	_cleanup_free_ char *low =
	    strndup(arg, dash == NULL ? strlen(arg) : (size_t)(dash - arg));
	unsigned long lo, hi;

	if (low == NULL || parse_number(low, 1024, 65535, &lo) < 0 ||
	    parse_number(dash == NULL ? low : dash + 1, lo, 65535, &hi) < 0)
		return -FERRY_EINVAL;
	o->active_low = (uint16_t)lo;
	o->active_high = (uint16_t)hi;
	return 0;
}

static int
set_trust(struct options *o, const char *arg)
{
	o->trust_pasv = true;
	return 0;
}

static int
set_no_memory(struct options *o, const char *arg)
{
	o->no_memory = true;
	return 0;
}

static int
set_source(struct options *o, const char *arg)
{
	o->source = arg;
	return 0;
}

static int
set_explain(struct options *o, const char *arg)
{
	o->explain = true;
	return 0;
}

static int
set_trace(struct options *o, const char *arg)
{
	o->trace = arg;
	return *arg == '\0' ? -FERRY_EINVAL : 0;
}

static int
set_verbose(struct options *o, const char *arg)
{
	o->verbose = true;
	return 0;
}

static int
set_quiet(struct options *o, const char *arg)
{
	o->quiet = true;
	return 0;
}

static int
set_tls(struct options *o, const char *arg)
{
	o->tls = FERRY_TLS_EXPLICIT;
	return 0;
}

static int
set_plain(struct options *o, const char *arg)
{
	o->tls = FERRY_TLS_NEVER;
	return 0;
}

static int
set_ca(struct options *o, const char *arg)
{
	o->ca_file = arg;
	return 0;
}

static int
set_pin(struct options *o, const char *arg)
{
	o->pin = arg;
	return 0;
}

static int
set_cert(struct options *o, const char *arg)
{
	o->cert_file = arg;
	return 0;
}

static int
set_key(struct options *o, const char *arg)
{
	o->key_file = arg;
	return 0;
}

static int
set_accept_new(struct options *o, const char *arg)
{
	o->accept_new = true;
	return 0;
}

static int
set_known_hosts(struct options *o, const char *arg)
{
	o->known_hosts = arg;
	return *arg == '\0' ? -FERRY_EINVAL : 0;
}

static int
set_user(struct options *o, const char *arg)
{
	o->user = arg;
	return *arg == '\0' ? -FERRY_EINVAL : 0;
}

static int
set_password_file(struct options *o, const char *arg)
{
	o->password_file = arg;
	return 0;
}

static int
set_password_fd(struct options *o, const char *arg)
{
	unsigned long fd;

	if (parse_number(arg, 0, 65535, &fd) < 0)
		return -FERRY_EINVAL;
	o->password_fd = (int)fd;
	return 0;
}

static int
set_netrc(struct options *o, const char *arg)
{
	o->netrc = arg;
	return 0;
}

static int
set_no_netrc(struct options *o, const char *arg)
{
	o->no_netrc = true;
	return 0;
}

static int
set_timeout(struct options *o, const char *arg)
{
	unsigned long s;

	if (parse_number(arg, 1, 86400, &s) < 0)
		return -FERRY_EINVAL;
	o->timeout_ms = (unsigned)s * 1000;
	return 0;
}

static int
set_resume(struct options *o, const char *arg)
{
	o->resume = true;
	return 0;
}

static int
set_recursive(struct options *o, const char *arg)
{
	o->recursive = true;
	return 0;
}

static int
set_sessions(struct options *o, const char *arg)
{
	unsigned long n;

	if (parse_number(arg, 1, SESSIONS_MAX, &n) < 0)
		return -FERRY_EINVAL;
	o->sessions = (unsigned)n;
	return 0;
}

static int
set_ascii(struct options *o, const char *arg)
{
	o->ascii = true;
	return 0;
}

static int
set_colour(struct options *o, const char *arg)
{
	static const char *const names[] = {
	    [COLOUR_AUTO] = "auto",
	    [COLOUR_ALWAYS] = "always",
	    [COLOUR_NEVER] = "never",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(arg, names[i]) != 0)
			continue;
		o->colour = (enum colour_choice)i;
		return 0;
	}
	return -FERRY_EINVAL;
}

static int
set_output(struct options *o, const char *arg)
{
	o->output = arg;
	return *arg == '\0' ? -FERRY_EINVAL : 0;
}

static int
set_long(struct options *o, const char *arg)
{
	o->long_listing = true;
	return 0;
}

static int
set_allow_plaintext(struct options *o, const char *arg)
{
	o->allow_plaintext = true;
	return 0;
}

static int
set_idle(struct options *o, const char *arg)
{
	unsigned long s;

	if (parse_number(arg, 1, 86400, &s) < 0)
		return -FERRY_EINVAL;
	o->idle_seconds = (unsigned)s;
	return 0;
}

static int
set_json(struct options *o, const char *arg)
{
	o->json = true;
	return 0;
}

static int
set_no_ask(struct options *o, const char *arg)
{
	o->no_ask = true;
	return 0;
}

static int
set_no_glob(struct options *o, const char *arg)
{
	o->no_glob = true;
	return 0;
}

static int
set_no_edit(struct options *o, const char *arg)
{
	o->no_edit = true;
	return 0;
}

static int
set_anonymous(struct options *o, const char *arg)
{
	o->anonymous = true;
	return 0;
}

static int
set_port(struct options *o, const char *arg)
{
	unsigned long port;

	if (parse_number(arg, 1, 65535, &port) < 0)
		return -FERRY_EINVAL;
	o->port = (uint16_t)port;
	return 0;
}

/* clang-format off */
static const struct row rows[] = {
    {'A', "active", NULL, FOR_FILES, set_active, "active mode: the server calls back (EPRT, PORT)"},
    {'p', "passive", NULL, FOR_FILES, set_passive, "passive mode: you make both calls (EPSV, PASV)"},
    {0, "mode", "MODE", FOR_FILES, set_mode, "auto (default), passive, epsv, pasv, active, eprt, port"},
    {'z', "compress", NULL, FOR_FILES, set_compress, "pack what travels (MODE Z), where the server does that"},
    {0, "allow-active", NULL, FOR_ALL, set_allow_active, "active mode too, when passive mode does not work"},
    {'4', "ipv4", NULL, FOR_ALL, set_ipv4, "IPv4 only"},
    {'6', "ipv6", NULL, FOR_ALL, set_ipv6, "IPv6 only"},
    {0, "active-address", "ADDRESS", FOR_ALL, set_active_address, "address to name in active mode (your router's)"},
    {0, "active-ports", "LOW-HIGH", FOR_ALL, set_active_ports, "ports to wait at in active mode"},
    {0, "trust-pasv-address", NULL, FOR_FILES, set_trust, "call the address of a 227 reply even if it is another one"},
    {0, "no-memory", NULL, FOR_FILES, set_no_memory, "do not look up, nor note, which way to the data worked"},
    {'s', "source", "ADDRESS", FOR_ALL, set_source, "local address of both connections"},
    {0, "explain", NULL, FOR_FILES | FOR_REPLAY, set_explain, "tell who calls whom, from which port to which, and why"},
    {0, "trace", "FILE", FOR_ALL | FOR_REPLAY, set_trace, "the session as a diagram: .html .svg .txt .mmd, or recorded: .json"},
    {'v', "verbose", NULL, FOR_ALL, set_verbose, "show commands and replies"},
    {'d', "debug", NULL, FOR_PROMPT, set_verbose, "the same as -v"},
    {'q', "quiet", NULL, FOR_ALL, set_quiet, "no progress, no closing line"},
    {0, "tls", NULL, FOR_ALL, set_tls, "encrypted or not at all (AUTH TLS); ftpes:// asks for the same"},
    {0, "plain", NULL, FOR_ALL, set_plain, "in clear, even if the server offers TLS"},
    {0, "cacert", "FILE", FOR_ALL, set_ca, "authorities to trust instead of the system's (PEM)"},
    {0, "pin", "SHA256", FOR_ALL, set_pin, "trust the server with this public key, and no other"},
    {0, "accept-new", NULL, FOR_ALL, set_accept_new, "trust and remember a server that is seen for the first time"},
    {0, "known-hosts", "FILE", FOR_ALL, set_known_hosts, "instead of ~/.config/ferry/known_hosts; \"none\": no file"},
    {0, "cert", "FILE", FOR_ALL, set_cert, "your own certificate (PEM)"},
    {0, "key", "FILE", FOR_ALL, set_key, "its key, if that is in another file (PEM)"},
    {'u', "user", "NAME", FOR_ALL, set_user, "log in as NAME"},
    {0, "password-file", "FILE", FOR_ALL, set_password_file, "the password is the first line of FILE (mode 0600)"},
    {0, "password-fd", "N", FOR_ALL, set_password_fd, "the password is the next line of descriptor N"},
    {'N', "netrc", "FILE", FOR_ALL, set_netrc, "instead of ~/.netrc"},
    {'n', "no-netrc", NULL, FOR_ALL, set_no_netrc, "no netrc file; at the prompt: no login by itself"},
    {'T', "timeout", "SECONDS", FOR_ALL, set_timeout, "give up when the server is silent for so long"},
    {'c', "continue", NULL, FOR_GET | FOR_PUT, set_resume, "go on with a part that is there already"},
    {'r', "recursive", NULL, FOR_GET | FOR_PUT, set_recursive, "a directory with all that is in it"},
    {'j', "sessions", "N", FOR_GET | FOR_PUT, set_sessions, "with -r: sessions at the same time; default: as many as help"},
    {0, "ascii", NULL, FOR_GET | FOR_PUT | FOR_CAT, set_ascii, "text: line ends are converted"},
    {'o', "output", "FILE", FOR_GET, set_output, "name of the local file; \"-\" is standard output"},
    {'l', "long", NULL, FOR_LS, set_long, "with type, permissions, size and time"},
    {0, "color", "WHEN", FOR_ALL | FOR_REPLAY, set_colour, "auto (default), always, never"},
    {0, "allow-plaintext", NULL, FOR_DOCTOR, set_allow_plaintext, "test in clear too: the password travels in clear then"},
    {0, "idle", "SECONDS", FOR_DOCTOR, set_idle, "also leave a command connection alone for so long"},
    {0, "json", NULL, FOR_DOCTOR, set_json, "the result for machines"},
    {'i', "no-prompt", NULL, FOR_PROMPT, set_no_ask, "do not ask for each file of mget, mput, mdelete"},
    {'g', "no-glob", NULL, FOR_PROMPT, set_no_glob, "* and ? in file names mean themselves"},
    {'e', "no-edit", NULL, FOR_PROMPT, set_no_edit, "no line editing"},
    {'a', "anonymous", NULL, FOR_PROMPT, set_anonymous, "log in as anonymous"},
    {'P', "port", "PORT", FOR_PROMPT, set_port, "port of the server"},
    {'h', "help", NULL, FOR_ALL | FOR_REPLAY, NULL, "this help"},
    {'V', "version", NULL, FOR_ALL | FOR_REPLAY, NULL, "the version"},
};
/* clang-format on */

#define OPTION_BASE 1000

/* Fills getopt's arrays with the rows of this command. */
static void
make_tables(enum option_user who, struct option longs[], char shorts[])
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((rows[i].who & who) == 0)
			continue;
		longs[n++] = (struct option){
		    .name = rows[i].name,
		    .has_arg = rows[i].arg != NULL ? required_argument : no_argument,
		    .val = OPTION_BASE + (int)i,
		};
		if (rows[i].letter == 0)
			continue;
		shorts[k++] = rows[i].letter;
		if (rows[i].arg != NULL)
			shorts[k++] = ':';
	}
	longs[n] = (struct option){.name = NULL};
	shorts[k] = '\0';
}

static const struct row *
find_row(int val, enum option_user who)
{
	if (val >= OPTION_BASE)
		return &rows[val - OPTION_BASE];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].letter == val && (rows[i].who & who) != 0)
			return &rows[i];
	return NULL;
}

static int
apply(const struct row *row, struct options *o)
{
	if (row->set == NULL)
		return row->letter == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
	if (row->set(o, optarg) == 0)
		return 0;
	fprintf(stderr, "ferry: --%s: \"%s\" will not do; see ferry --help\n", row->name,
	    optarg);
	return -FERRY_EINVAL;
}

int
options_parse(
    int argc, char **argv, enum option_user who, struct options *ret, int *ret_first)
{
	struct option longs[ARRAY_LEN(rows) + 1];
	char shorts[2 * ARRAY_LEN(rows) + 1];
	struct options o = {.password_fd = -1, .family = AF_UNSPEC};
	int val, rc = 0;

	make_tables(who, longs, shorts);
	optind = 1;
	while (rc == 0 && (val = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct row *row = val == '?' ? NULL : find_row(val, who);
		rc = row == NULL ? -FERRY_EINVAL : apply(row, &o);
	}
	if (rc != 0)
		return rc;
	*ret = o;
	*ret_first = optind;
	return 0;
}

void
options_help(FILE *out, enum option_user who)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char letter[5] = "    ", name[40];
		if ((rows[i].who & who) == 0)
			continue;
		if (rows[i].letter != 0)
			snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
		snprintf(name, sizeof name, "--%s%s%s", rows[i].name,
		    rows[i].arg == NULL ? "" : " ",
		    rows[i].arg == NULL ? "" : rows[i].arg);
		fprintf(out, "  %s%-26s %s\n", letter, name, rows[i].help);
	}
}

bool
options_colour(const struct options *o, FILE *f)
{
	const char *no = getenv("NO_COLOR");

	if (o->colour != COLOUR_AUTO)
		return o->colour == COLOUR_ALWAYS;
	return (no == NULL || *no == '\0') && isatty(fileno(f));
}
