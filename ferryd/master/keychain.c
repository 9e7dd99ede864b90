/*
 * One keyring for each host. For crew.c and load.c. All of them share the key of the
 * session tickets; whose host a ticket is of is told by the context it was made in
 * (tls_identity.c).
 */
#include "keychain.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

#include "keyring.h"
#include "load.h"
#include "log.h"
#include "section.h"

struct keychain {
	size_t size;
	struct keyring *ring[];
};

/* Says which section a problem is of. */
struct told {
	const struct section *host; /* NULL: none */
	conf_problem_cb *cb;
	void *user;
};

static void
tell(enum conf_severity severity, const char *file, unsigned line, const char *text,
    void *user)
{
	const struct told *t = user;
	char longer[4096 + 512];

	if (t->host == NULL) {
		t->cb(severity, file, line, text, t->user);
		return;
	}
	snprintf(longer, sizeof(longer), "[host %s]: %s", t->host->name, text);
	t->cb(severity, t->host->file, t->host->line, longer, t->user);
}

/* last: keeps the tickets good. */
static int
load_ring(const struct conf *conf, size_t host, const struct keyring *last,
    struct keyring **ret, conf_problem_cb *cb, void *user)
{
	const struct conf *view = section_view(conf, host, 0);
	struct told told = {
	    .host = section_get(conf, SECTION_HOST, host), .cb = cb, .user = user};

	return view != NULL ? keyring_load(view, host, last, ret, tell, &told)
			    : -FERRY_ENOMEM;
}

int
keychain_load(
    const struct conf *conf, struct keychain **ret, conf_problem_cb *cb, void *user)
{
	size_t size = section_count(conf, SECTION_HOST) + 1;
	struct keychain *k;
	int r = 0;

	if (!conf->ssl_enable) {
		*ret = NULL;
		return 0;
	}
	k = calloc(1, sizeof(*k) + size * sizeof(k->ring[0]));
	if (k == NULL)
		return -FERRY_ENOMEM;
	for (; k->size < size && r == 0; k->size++)
		r = load_ring(conf, k->size, k->ring[0], &k->ring[k->size], cb, user);
	if (r < 0) {
		keychain_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void
keychain_free(struct keychain *k)
{
	for (size_t i = 0; k != NULL && i < k->size; i++)
		keyring_free(k->ring[i]);
	free(k);
}

size_t
keychain_size(const struct keychain *k)
{
	return k != NULL ? k->size : 0;
}

int
keychain_seal(const struct keychain *k, size_t host)
{
	return keyring_seal(k->ring[host]);
}

int
keychain_seal_authorities(const struct keychain *k, size_t host)
{
	return keyring_seal_authorities(k->ring[host]);
}

bool
keychain_renew(struct keychain *k, const struct conf *conf, size_t host)
{
	const struct conf *view = section_view(conf, host, 0);
	const struct section *section = section_get(conf, SECTION_HOST, host);
	const char *name = section != NULL ? section->name : "";
	struct keyring *fresh = NULL;

	if (view == NULL || !keyring_changed(k->ring[host], view))
		return false;
	if (load_ring(conf, host, k->ring[host], &fresh, load_tell_log, NULL) < 0) {
		log_event(LOG_ERR, 0,
		    "tls keys=refused host=\"%s\" why=\"the old ones stay in use\"",
		    name);
		return false;
	}
	keyring_free(k->ring[host]);
	k->ring[host] = fresh;
	log_event(LOG_NOTICE, 0, "tls keys=renewed host=\"%s\"", name);
	return true;
}
