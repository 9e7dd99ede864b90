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
#include "keyring.h"
#include "log.h"
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

static int problem(conf_problem_cb *cb, void *user, enum conf_severity severity,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int
problem(
    conf_problem_cb *cb, void *user, enum conf_severity severity, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cb(severity, NULL, 0, text, user);
	return severity == CONF_ERROR ? -FERRY_EINVAL : 0;
}

static int
set_string(char **option, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return -FERRY_ENOMEM;
	free(*option);
	*option = copy;
	return 0;
}

static bool
is_set(const char *option)
{
	return option != NULL && option[0] != '\0';
}

static int
load_banner(struct conf *c, conf_problem_cb *cb, void *user)
{
	_cleanup_(buf_free)
	struct buf text = BUF_INIT(BANNER_MAX);

	if (!is_set(c->banner_file))
		return 0;
	if (load_bytes(c->banner_file, BANNER_MAX, &text) < 0)
		return problem(cb, user, CONF_ERROR, "banner_file=%s: %s", c->banner_file,
		    errno == EFBIG ? "is longer than 4096 bytes" : strerror(errno));
	while (buf_len(&text) > 0 && buf_data(&text)[buf_len(&text) - 1] <= ' ')
		text.tail--;
	return set_string(&c->ftpd_banner, buf_cstr(&text));
}

/* pasv_address may be a name (pasv_addr_resolve=YES): it is looked up now, and a wrong
 * one stops the start instead of spoiling every PASV. */
static int
load_pasv_address(struct conf *c, conf_problem_cb *cb, void *user)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL;
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint ep;
	int r;

	if (!is_set(c->pasv_address))
		return 0;
	if (endpoint_from_text(c->pasv_address, &ep) < 0) {
		r = getaddrinfo(c->pasv_address, NULL, &hints, &ai);
		if (r != 0)
			return problem(cb, user, CONF_ERROR,
			    "pasv_address=%s has no IPv4 address: %s", c->pasv_address,
			    gai_strerror(r));
		r = endpoint_from_sockaddr(ai->ai_addr, &ep);
		freeaddrinfo(ai);
		if (r < 0)
			return r;
		endpoint_format_address(&ep, text);
		r = set_string(&c->pasv_address, text);
		if (r < 0)
			return r;
	}
	if (endpoint_scope_of(&ep) == SCOPE_LOOPBACK ||
	    endpoint_scope_of(&ep) == SCOPE_UNSPECIFIED ||
	    endpoint_scope_of(&ep) == SCOPE_MULTICAST)
		problem(cb, user, CONF_WARNING,
		    "pasv_address is %s, a %s address: passive clients elsewhere cannot "
		    "reach it",
		    c->pasv_address, endpoint_scope_name(endpoint_scope_of(&ep)));
	return 0;
}

/* Anonymous runs as ftp_username. Debian has no such account until an FTP server makes
 * it, and an existing vsftpd.conf must work all the same: then nopriv_user serves
 * /srv/ftp. */
static int
load_anonymous(struct conf *c, conf_problem_cb *cb, void *user)
{
	const struct passwd *pw;

	if (!c->anonymous_enable)
		return 0;
	if (geteuid() != 0)
		return is_set(c->anon_root) ? 0
					    : problem(cb, user, CONF_ERROR,
						  "anonymous_enable=YES wants anon_root "
						  "when ferryd is not started by root");
	pw = getpwnam(c->ftp_username);
	if (pw != NULL) {
		if (pw->pw_uid == 0)
			return problem(cb, user, CONF_ERROR,
			    "ftp_username=%s is root: anonymous users must not be",
			    c->ftp_username);
		return is_set(c->anon_root) ? 0 : set_string(&c->anon_root, pw->pw_dir);
	}
	if (strcmp(c->ftp_username, "ftp") != 0)
		return problem(cb, user, CONF_ERROR, "ftp_username=%s: no such account",
		    c->ftp_username);
	if (!is_set(c->anon_root)) {
		if (mkdir(ANON_DEFAULT, 0755) == 0)
			problem(cb, user, CONF_WARNING,
			    "there is no account \"ftp\" and anon_root is not set: "
			    "made " ANON_DEFAULT " for anonymous users");
		if (set_string(&c->anon_root, ANON_DEFAULT) < 0)
			return -FERRY_ENOMEM;
	}
	return set_string(&c->ftp_username, c->nopriv_user);
}

static int
load_accounts(struct conf *c, conf_problem_cb *cb, void *user)
{
	int r;

	if (geteuid() == 0 && getpwnam(c->nopriv_user) == NULL)
		return problem(cb, user, CONF_ERROR, "nopriv_user=%s: no such account",
		    c->nopriv_user);
	if (geteuid() == 0 && c->guest_enable && getpwnam(c->guest_username) == NULL)
		return problem(cb, user, CONF_ERROR, "guest_username=%s: no such account",
		    c->guest_username);
	if (geteuid() != 0 && c->local_enable)
		problem(cb, user, CONF_WARNING,
		    "local_enable=YES, but ferryd is not started by root: whoever logs "
		    "in acts with the rights "
		    "of the one user that it runs as, and PAM may not be able to check "
		    "the others' passwords");
	r = load_anonymous(c, cb, user);
	if (r == 0 && c->anonymous_enable && access(c->anon_root, F_OK) < 0)
		problem(cb, user, CONF_WARNING,
		    "anon_root=%s: %s; anonymous logins will be refused", c->anon_root,
		    strerror(errno));
	return r;
}

/* A first look, so that a mistake is told before anything is started. */
static int
load_tls(const struct conf *c, conf_problem_cb *cb, void *user)
{
	struct keyring *k = NULL;
	int r = keyring_load(c, NULL, &k, cb, user);

	keyring_free(k);
	return r;
}

int
load_world(struct conf *conf, conf_problem_cb *cb, void *user)
{
	int r = load_banner(conf, cb, user);

	if (r == 0)
		r = load_pasv_address(conf, cb, user);
	if (r == 0)
		r = load_accounts(conf, cb, user);
	if (r == 0)
		r = load_tls(conf, cb, user);
	return r;
}
