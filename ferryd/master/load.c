/*
 * Reading ferryd.conf and the things it names.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "endpoint.h"
#include "keychain.h"
#include "log.h"
#include "section.h"
#include "util.h"

#define CONFIG_MAX (1024 * 1024)
#define BANNER_MAX 4096
/* Where anonymous lives when neither anon_root nor the account of ftp_username says. */
#define ANON_DEFAULT "/srv/ftp"

void
load_tell(enum conf_severity severity, const char *file, unsigned line, const char *text,
    void *user)
{
	const char *what = severity == CONF_ERROR ? "error" : "warning";

	if (file == NULL)
		fprintf(stderr, "ferryd: %s: %s\n", what, text);
	else if (line == 0)
		fprintf(stderr, "%s: %s: %s\n", file, what, text);
	else
		fprintf(stderr, "%s:%u: %s: %s\n", file, line, what, text);
}

void
load_tell_log(enum conf_severity severity, const char *file, unsigned line,
    const char *text, void *user)
{
	log_event(severity == CONF_ERROR ? LOG_ERR : LOG_WARNING, 0,
	    "config=%s line=%u problem=\"%s\"", file != NULL ? file : "-", line, text);
}

int
load_bytes(const char *path, size_t max, struct buf *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -FERRY_ESYS;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)max) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return -FERRY_ESYS;
	}
	buf_init(ret, max);
	/* At once: a buffer that grows would leave parts of a key behind. */
	if (buf_reserve(ret, (size_t)st.st_size, &p) < 0)
		return -FERRY_ENOMEM;
	for (;;) {
		ssize_t n;

		if (buf_room(ret) == 0)
			return 0;
		if (buf_reserve(ret, buf_room(ret) < 4096 ? buf_room(ret) : 4096, &p) < 0)
			return -FERRY_ENOMEM;
		n = read(fd, p, buf_room(ret) < 4096 ? buf_room(ret) : 4096);
		if (n < 0)
			return -FERRY_ESYS;
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
	}
}

static int
load_file(struct conf *c, const char *path, conf_problem_cb *cb, void *user)
{
	_cleanup_(buf_free)
	struct buf text = BUF_INIT(CONFIG_MAX);
	int r = load_bytes(path, CONFIG_MAX, &text);

	if (r == -FERRY_ESYS) {
		cb(CONF_ERROR, path, 0,
		    errno == EINVAL  ? "is not a regular file"
		    : errno == EFBIG ? "is larger than 1 MiB: is it a configuration?"
				     : strerror(errno),
		    user);
		return -FERRY_EINVAL;
	}
	if (r < 0)
		return r;
	return conf_parse(
	    c, path, (const char *)buf_data(&text), buf_len(&text), cb, user);
}

static int
load_option(struct conf *c, const char *option, conf_problem_cb *cb, void *user)
{
	const char *equals = strchr(option, '=');
	_cleanup_free_ char *name = NULL;

	if (equals == NULL) {
		cb(CONF_ERROR, "-o", 0, "wants NAME=VALUE", user);
		return -FERRY_EINVAL;
	}
	name = strndup(option, (size_t)(equals - option));
	if (name == NULL)
		return -FERRY_ENOMEM;
	return conf_set(c, name, equals + 1, "-o", 0, cb, user);
}

int
load_config(const struct cmdline *cl, struct conf *ret, conf_problem_cb *cb, void *user)
{
	struct conf c;
	int r, worst;

	worst = conf_init(&c);
	for (size_t i = 0; i < cl->nfiles && worst != -FERRY_ENOMEM; i++) {
		r = load_file(&c, cl->files[i], cb, user);
		worst = r < 0 ? r : worst;
	}
	for (size_t i = 0; i < cl->noptions && worst != -FERRY_ENOMEM; i++) {
		r = load_option(&c, cl->options[i], cb, user);
		worst = r < 0 ? r : worst;
	}
	if (worst == 0)
		worst = conf_check(&c, cb, user);
	if (worst < 0) {
		conf_free(&c);
		return worst;
	}
	*ret = c;
	return 0;
}

/* ---- the world outside the file ---- */

/* What stands before the first section, or one of the sections: what it says itself, and
 * what counts there. */
struct place {
	struct conf *conf;
	struct section *section; /* NULL: before the first one */
	struct conf view;
	conf_problem_cb *cb;
	void *user;
};

static int problem(const struct place *p, enum conf_severity severity, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

static int
problem(const struct place *p, enum conf_severity severity, const char *fmt, ...)
{
	const struct section *s = p->section;
	char text[1024];
	va_list ap;
	int n = 0;

	if (s != NULL)
		n = snprintf(
		    text, sizeof(text), "[%s %s]: ", section_kind_name(s->kind), s->name);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	p->cb(
	    severity, s != NULL ? s->file : NULL, s != NULL ? s->line : 0, text, p->user);
	return severity == CONF_ERROR ? -FERRY_EINVAL : 0;
}

static void
look(struct place *p)
{
	const struct section *s = p->section;

	section_overlay(p->conf, s != NULL && s->kind == SECTION_HOST ? s : NULL,
	    s != NULL && s->kind == SECTION_NETWORK ? s : NULL, &p->view);
}

/* A section that does not say so itself has it from the head, which is looked at in its
 * turn. */
static bool
says(const struct place *p, const char *option)
{
	return p->section == NULL || section_sets(p->section, option);
}

static int
put(struct place *p, const char *option, const char *value)
{
	int r = section_put(p->conf, p->section, option, value);

	look(p);
	return r;
}

static bool
is_set(const char *option)
{
	return option != NULL && option[0] != '\0';
}

static int
load_banner(struct place *p)
{
	_cleanup_(buf_free)
	struct buf text = BUF_INIT(BANNER_MAX);
	const char *file = p->view.banner_file;

	if (!says(p, "banner_file") || !is_set(file))
		return 0;
	if (load_bytes(file, BANNER_MAX, &text) < 0)
		return problem(p, CONF_ERROR, "banner_file=%s: %s", file,
		    errno == EFBIG ? "is longer than 4096 bytes" : strerror(errno));
	while (buf_len(&text) > 0 && buf_data(&text)[buf_len(&text) - 1] <= ' ')
		text.tail--;
	return put(p, "ftpd_banner", buf_cstr(&text));
}

/* The name stays known, to be looked up again. */
static int
resolve(struct place *p, struct endpoint *ret)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct conf *own = p->section != NULL ? &p->section->conf : p->conf;
	struct addrinfo *ai = NULL;
	char text[ENDPOINT_TEXT_MAX];
	int r = getaddrinfo(p->view.pasv_address, NULL, &hints, &ai);

	if (r != 0)
		return problem(p, CONF_ERROR, "pasv_address=%s has no IPv4 address: %s",
		    p->view.pasv_address, gai_strerror(r));
	r = endpoint_from_sockaddr(ai->ai_addr, ret);
	freeaddrinfo(ai);
	if (r < 0)
		return r;
	free(own->pasv_name);
	own->pasv_name = strdup(p->view.pasv_address);
	endpoint_format_address(ret, text);
	return own->pasv_name != NULL ? put(p, "pasv_address", text) : -FERRY_ENOMEM;
}

/* pasv_address may be a name (pasv_addr_resolve=YES): it is looked up now, and a wrong
 * one stops the start instead of spoiling every PASV. */
static int
load_pasv_address(struct place *p)
{
	struct endpoint ep;
	int r;

	if (!says(p, "pasv_address") || !is_set(p->view.pasv_address))
		return 0;
	if (endpoint_from_text(p->view.pasv_address, &ep) < 0) {
		r = resolve(p, &ep);
		if (r < 0)
			return r;
	}
	if (endpoint_scope_of(&ep) == SCOPE_LOOPBACK ||
	    endpoint_scope_of(&ep) == SCOPE_UNSPECIFIED ||
	    endpoint_scope_of(&ep) == SCOPE_MULTICAST)
		problem(p, CONF_WARNING,
		    "pasv_address is %s, a %s address: passive clients elsewhere cannot "
		    "reach it",
		    p->view.pasv_address, endpoint_scope_name(endpoint_scope_of(&ep)));
	return 0;
}

/* Without an account: nopriv_user serves /srv/ftp. */
static int
load_anonymous_without(struct place *p)
{
	if (!is_set(p->view.anon_root)) {
		if (mkdir(ANON_DEFAULT, 0755) == 0)
			problem(p, CONF_WARNING,
			    "there is no account \"ftp\" and anon_root is not set: "
			    "made " ANON_DEFAULT " for anonymous users");
		if (put(p, "anon_root", ANON_DEFAULT) < 0)
			return -FERRY_ENOMEM;
	}
	return put(p, "ftp_username", p->view.nopriv_user);
}

/* Anonymous runs as ftp_username. Debian has no such account until an FTP server makes
 * it, and an existing vsftpd.conf must work all the same. */
static int
load_anonymous(struct place *p)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return is_set(p->view.anon_root)
			   ? 0
			   : problem(p, CONF_ERROR,
				 "anonymous_enable=YES wants anon_root "
				 "when ferryd is not started by root");
	pw = getpwnam(p->view.ftp_username);
	if (pw != NULL) {
		if (pw->pw_uid == 0)
			return problem(p, CONF_ERROR,
			    "ftp_username=%s is root: anonymous users must not be",
			    p->view.ftp_username);
		return is_set(p->view.anon_root) ? 0 : put(p, "anon_root", pw->pw_dir);
	}
	if (strcmp(p->view.ftp_username, "ftp") != 0)
		return problem(p, CONF_ERROR, "ftp_username=%s: no such account",
		    p->view.ftp_username);
	return load_anonymous_without(p);
}

/* Where anonymous users are, the head and the hosts say; whether they are let in,
 * networks too. */
static bool
is_about_anonymous(const struct place *p)
{
	if (p->section != NULL && p->section->kind == SECTION_NETWORK)
		return false;
	if (!p->view.anonymous_enable &&
	    !section_networks_enable(p->conf, "anonymous_enable"))
		return false;
	return says(p, "anonymous_enable") || says(p, "ftp_username") ||
	       says(p, "anon_root");
}

static int
load_accounts(struct place *p)
{
	int r = 0;

	if (geteuid() == 0 && p->section == NULL && getpwnam(p->view.nopriv_user) == NULL)
		return problem(p, CONF_ERROR, "nopriv_user=%s: no such account",
		    p->view.nopriv_user);
	if (geteuid() == 0 && p->view.guest_enable &&
	    (says(p, "guest_enable") || says(p, "guest_username")) &&
	    getpwnam(p->view.guest_username) == NULL)
		return problem(p, CONF_ERROR, "guest_username=%s: no such account",
		    p->view.guest_username);
	if (geteuid() != 0 && p->view.local_enable && says(p, "local_enable"))
		problem(p, CONF_WARNING,
		    "local_enable=YES, but ferryd is not started by root: whoever logs "
		    "in acts with the rights "
		    "of the one user that it runs as, and PAM may not be able to check "
		    "the others' passwords");
	if (!is_about_anonymous(p))
		return 0;
	r = load_anonymous(p);
	if (r == 0 && access(p->view.anon_root, F_OK) < 0)
		problem(p, CONF_WARNING,
		    "anon_root=%s: %s; anonymous logins will be refused",
		    p->view.anon_root, strerror(errno));
	return r;
}

static int
load_place(struct conf *conf, struct section *section, conf_problem_cb *cb, void *user)
{
	struct place p = {.conf = conf, .section = section, .cb = cb, .user = user};
	int r;

	look(&p);
	r = load_banner(&p);
	if (r == 0)
		r = load_pasv_address(&p);
	if (r == 0)
		r = load_accounts(&p);
	return r;
}

/* A first look, so that a mistake is told before anything is started. */
static int
load_tls(const struct conf *c, conf_problem_cb *cb, void *user)
{
	struct keychain *k = NULL;
	int r = keychain_load(c, &k, cb, user);

	keychain_free(k);
	return r;
}

int
load_world(struct conf *conf, conf_problem_cb *cb, void *user)
{
	struct section *s;
	int r = 0;

	/* Sections first: an account's home, found for the head, would seem to be written
	 * there. */
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		for (size_t i = 1; r == 0 && (s = section_get(conf, kind, i)) != NULL;
		     i++)
			r = load_place(conf, s, cb, user);
	}
	if (r == 0)
		r = load_place(conf, NULL, cb, user);
	section_refresh(conf);
	if (r == 0)
		r = load_tls(conf, cb, user);
	return r;
}
