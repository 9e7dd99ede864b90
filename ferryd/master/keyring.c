/*
 * Reading and trying out what TLS needs. For keychain.c. Must never show a byte of
 * a key to the log, nor give a worker what has not been tried.
 */
#include "keyring.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "keys.h"
#include "load.h"
#include "tls_identity.h"
#include "util.h"

#define FILES KEYS_TICKET /* the items before it come from files */
#define FILE_MAX (512 * 1024)

/* What tells one content of a file from another without reading it. */
struct stamp {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct keyring {
	struct buf packed;
	uint8_t ticket[KEYS_TICKET_SIZE];
	struct stamp stamp[FILES];
};

struct file {
	const char *option;
	const char *path;
	bool optional; /* the default need not be there */
	bool secret;
};

static void
name_files(const struct conf *c, struct file out[FILES])
{
	const bool has_ec = c->ec_cert_file != NULL;

	/* The default path alone does not make anybody want an RSA certificate. */
	out[KEYS_RSA_CERT] = (struct file){"rsa_cert_file", c->rsa_cert_file,
	    .optional = has_ec, .secret = c->rsa_private_key_file == NULL};
	out[KEYS_RSA_KEY] = (struct file){
	    "rsa_private_key_file", c->rsa_private_key_file, .secret = true};
	out[KEYS_RSA_OCSP] = (struct file){"rsa_ocsp_file", c->rsa_ocsp_file};
	out[KEYS_EC_CERT] = (struct file){
	    "ec_cert_file", c->ec_cert_file, .secret = c->ec_private_key_file == NULL};
	out[KEYS_EC_KEY] =
	    (struct file){"ec_private_key_file", c->ec_private_key_file, .secret = true};
	out[KEYS_EC_OCSP] = (struct file){"ec_ocsp_file", c->ec_ocsp_file};
	out[KEYS_AUTHORITIES] = (struct file){"ca_certs_file", c->ca_certs_file};
}

static void
take_stamp(const char *path, struct stamp *ret)
{
	struct stat st;

	memset(ret, 0, sizeof(*ret)); /* compared as bytes */
	if (path == NULL || stat(path, &st) < 0)
		return;
	ret->there = true;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->size = st.st_size;
	ret->mtime = st.st_mtim;
	ret->ctime = st.st_ctim;
}

static void
take_stamps(const struct conf *conf, struct stamp out[FILES])
{
	struct file files[FILES];

	name_files(conf, files);
	for (size_t i = 0; i < FILES; i++)
		take_stamp(files[i].path, &out[i]);
}

bool
keyring_changed(struct keyring *k, const struct conf *conf)
{
	struct stamp now[FILES];

	take_stamps(conf, now);
	if (memcmp(now, k->stamp, sizeof(now)) == 0)
		return false;
	memcpy(k->stamp, now, sizeof(now));
	return true;
}

/* ---- reading ---- */

static int
say(conf_problem_cb *cb, void *user, enum conf_severity severity, const struct file *f,
    const char *why)
{
	char text[4096 + 128];

	snprintf(text, sizeof(text), "%s=%s: %s", f->option, f->path, why);
	cb(severity, NULL, 0, text, user);
	return -FERRY_EINVAL;
}

static void
warn_of_readers(const struct file *f, conf_problem_cb *cb, void *user)
{
	struct stat st;

	if (f->secret && stat(f->path, &st) == 0 && (st.st_mode & 07) != 0)
		say(cb, user, CONF_WARNING, f,
		    "holds a private key, and everybody on this machine can read it");
}

static int
read_one(const struct file *f, struct buf *out, conf_problem_cb *cb, void *user)
{
	if (f->path == NULL)
		return 0;
	int r = load_bytes(f->path, FILE_MAX, out);
	if (r == -FERRY_ESYS && f->optional && errno == ENOENT)
		return 0;
	if (r == -FERRY_ESYS)
		return say(cb, user, CONF_ERROR, f,
		    errno == EINVAL  ? "is not a regular file"
		    : errno == EFBIG ? "is larger than 512 KiB: is it the right file?"
				     : strerror(errno));
	if (r == 0 && buf_len(out) == 0)
		return say(cb, user, CONF_ERROR, f, "is empty");
	if (r == 0)
		warn_of_readers(f, cb, user);
	return r;
}

/* All files, into k->packed. Every problem is told. */
static int
read_all(struct keyring *k, const struct conf *conf, conf_problem_cb *cb, void *user)
{
	struct buf text[FILES] = {0};
	struct file files[FILES];
	struct keys keys = {0};
	int worst = 0;

	name_files(conf, files);
	for (size_t i = 0; i < FILES; i++) {
		buf_init(&text[i], FILE_MAX);
		int r = read_one(&files[i], &text[i], cb, user);
		worst = r < 0 ? r : worst;
		keys.item[i] =
		    (struct bytes){.p = buf_data(&text[i]), .n = buf_len(&text[i])};
	}
	keys.item[KEYS_TICKET] = (struct bytes){.p = k->ticket, .n = sizeof(k->ticket)};
	if (worst == 0)
		worst = keys_pack(&keys, &k->packed);
	for (size_t i = 0; i < FILES; i++)
		buf_wipe(&text[i]);
	return worst;
}

/* With the workers' own code. */
static int
try_out(const struct keyring *k, const struct conf *conf, size_t host,
    conf_problem_cb *cb, void *user)
{
	struct tls_identity *id = NULL;
	char why[TLS_WHY_MAX];
	struct keys keys;
	int r = keys_parse(buf_data(&k->packed), buf_len(&k->packed), &keys);

	if (r == 0)
		r = tls_library_init();
	if (r < 0)
		return r;
	r = tls_identity_new(conf, host, &keys, &id, why);
	if (r < 0)
		cb(CONF_ERROR, NULL, 0, why, user);
	tls_identity_unref(id);
	return r;
}

static int
make_ticket(struct keyring *k, const struct keyring *last)
{
	if (last != NULL)
		memcpy(k->ticket, last->ticket, sizeof(k->ticket));
	else if (getrandom(k->ticket, sizeof(k->ticket), 0) != (ssize_t)sizeof(k->ticket))
		return -FERRY_ESYS;
	return 0;
}

int
keyring_load(const struct conf *conf, size_t host, const struct keyring *last,
    struct keyring **ret, conf_problem_cb *cb, void *user)
{
	struct keyring *k;

	if (!conf->ssl_enable) {
		*ret = NULL;
		return 0;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -FERRY_ENOMEM;
	buf_init(&k->packed, KEYS_PACKED_MAX);
	/* Before reading: a change in between is then found later. */
	take_stamps(conf, k->stamp);
	int r = make_ticket(k, last);
	if (r == 0)
		r = read_all(k, conf, cb, user);
	if (r == 0)
		r = try_out(k, conf, host, cb, user);
	if (r < 0) {
		keyring_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void
keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	buf_wipe(&k->packed);
	explicit_bzero(k->ticket, sizeof(k->ticket));
	free(k);
}

int
keyring_seal(const struct keyring *k)
{
	return keys_seal(&k->packed);
}

int
keyring_seal_authorities(const struct keyring *k)
{
	_cleanup_(buf_free)
	struct buf packed = BUF_INIT(KEYS_PACKED_MAX);
	struct keys all, some = {0};
	int r = keys_parse(buf_data(&k->packed), buf_len(&k->packed), &all);

	if (r < 0)
		return r;
	some.item[KEYS_AUTHORITIES] = all.item[KEYS_AUTHORITIES];
	r = keys_pack(&some, &packed);
	return r == 0 ? keys_seal(&packed) : r;
}
