/*
 * Sections of ferryd.conf and the views that are made of them. For every process that has
 * a configuration. Views borrow the strings of the sections: whoever replaces one calls
 * section_refresh().
 */
#include "section.h"

#include <ctype.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "hostname.h"
#include "log.h"

#define SHOWN_MAX 160

struct sections {
	struct section **list[SECTION_KINDS];
	size_t count[SECTION_KINDS];
	/* (hosts + 1) x (networks + 1), each made when it is first asked for */
	struct conf **view;
};

static const struct {
	const char *name;
	size_t max;
	unsigned place;
} kinds[] = {
    [SECTION_HOST] = {"host", SECTION_HOSTS_MAX, IN_HOST},
    [SECTION_NETWORK] = {"network", SECTION_NETWORKS_MAX, IN_NETWORK},
};

const char *
section_kind_name(enum section_kind kind)
{
	return kinds[kind].name;
}

size_t
section_count(const struct conf *c, enum section_kind kind)
{
	return c->sections != NULL ? c->sections->count[kind] : 0;
}

struct section *
section_get(const struct conf *c, enum section_kind kind, size_t number)
{
	return number > 0 && number <= section_count(c, kind)
		   ? c->sections->list[kind][number - 1]
		   : NULL;
}

/* ---- life ---- */

static void
section_free(struct section *s)
{
	if (s == NULL)
		return;
	conf_free(&s->conf);
	free(s->name);
	free(s->set);
	free(s->file);
	free(s);
}

static void
forget_views(struct sections *s)
{
	size_t n = (s->count[SECTION_HOST] + 1) * (s->count[SECTION_NETWORK] + 1);

	for (size_t i = 0; s->view != NULL && i < n; i++)
		free(s->view[i]);
	free(s->view);
	s->view = NULL;
}

void
sections_free(struct sections *s)
{
	if (s == NULL)
		return;
	forget_views(s);
	for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
		for (size_t i = 0; i < s->count[kind]; i++)
			section_free(s->list[kind][i]);
		free(s->list[kind]);
	}
	free(s);
}

/* Takes s over, or frees it. */
static int
append(struct conf *c, struct section *s)
{
	if (c->sections == NULL)
		c->sections = calloc(1, sizeof(*c->sections));
	struct section **list =
	    c->sections != NULL ? realloc(c->sections->list[s->kind],
				      (c->sections->count[s->kind] + 1) * sizeof(*list))
				: NULL;
	if (list == NULL) {
		section_free(s);
		return -FERRY_ENOMEM;
	}
	forget_views(c->sections);
	c->sections->list[s->kind] = list;
	list[c->sections->count[s->kind]++] = s;
	return 0;
}

static struct section *
section_new(enum section_kind kind, const char *name, const char *file, unsigned line)
{
	struct section *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->kind = kind;
	s->line = line;
	s->name = strdup(name);
	s->set = calloc(option_count, sizeof(*s->set));
	s->file = file != NULL ? strdup(file) : NULL;
	if (s->name == NULL || s->set == NULL || (file != NULL && s->file == NULL)) {
		section_free(s);
		return NULL;
	}
	return s;
}

int
sections_copy(const struct conf *from, struct conf *to)
{
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		for (size_t i = 1; i <= section_count(from, kind); i++) {
			const struct section *old = section_get(from, kind, i);
			struct section *s =
			    section_new(kind, old->name, old->file, old->line);

			if (s == NULL)
				return -FERRY_ENOMEM;
			s->network = old->network;
			memcpy(s->set, old->set, option_count * sizeof(*s->set));
			if (conf_copy(&old->conf, &s->conf) < 0) {
				section_free(s);
				return -FERRY_ENOMEM;
			}
			if (append(to, s) < 0)
				return -FERRY_ENOMEM;
		}
	}
	return 0;
}

/* ---- names ---- */

static int
refuse(struct conf_teller *t, const char *fmt, const char *name)
{
	char shown[SHOWN_MAX];

	conf_tell(
	    t, CONF_ERROR, fmt, log_escape(name, strlen(name), shown, sizeof(shown)));
	return -FERRY_EINVAL;
}

/* The name as it is compared and shown from here on. */
static int
read_host(const char *name, char out[SECTION_NAME_MAX + 1], struct conf_teller *t)
{
	struct bytes b = {.p = (const uint8_t *)name, .n = strlen(name)};
	struct endpoint at;

	if (endpoint_from_text(name, &at) == 0)
		return refuse(t,
		    "[host %s]: that is an address; clients ask for a host by its name, "
		    "such "
		    "as ftp.example.com",
		    name);
	if (!hostname_is_valid(b))
		return refuse(
		    t, "[host %s]: that is no host name, such as ftp.example.com", name);
	if (name[b.n - 1] == '.')
		b.n--;
	for (size_t i = 0; i < b.n; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[b.n] = '\0';
	return 0;
}

static int
read_network(const char *name, struct network *ret, char out[SECTION_NAME_MAX + 1],
    struct conf_teller *t)
{
	char shown[SHOWN_MAX];
	bool exact;

	if (network_parse(name, ret, &exact) < 0)
		return refuse(t,
		    "[network %s]: that is no network, such as 192.0.2.0/24 or "
		    "2001:db8::/32",
		    name);
	network_format(ret, out);
	if (exact)
		return 0;
	conf_tell(t, CONF_ERROR, "[network %s] has bits behind its prefix; write %s",
	    log_escape(name, strlen(name), shown, sizeof(shown)), out);
	return -FERRY_EINVAL;
}

static int
refuse_second(const struct section *first, struct conf_teller *t)
{
	char shown[SHOWN_MAX];

	conf_tell(t, CONF_ERROR,
	    "[%s %s] begins in line %u of %s already; write all of its options there",
	    section_kind_name(first->kind), first->name, first->line,
	    first->file != NULL
		? log_escape(first->file, strlen(first->file), shown, sizeof(shown))
		: "the file");
	return -FERRY_EINVAL;
}

static const struct section *
find_same(const struct conf *c, enum section_kind kind, const char *name)
{
	for (size_t i = 1; i <= section_count(c, kind); i++) {
		const struct section *s = section_get(c, kind, i);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

int
section_add(struct conf *c, enum section_kind kind, const char *name,
    struct conf_teller *t, struct section **ret)
{
	char plain[SECTION_NAME_MAX + 1];
	struct network network = {0};
	int r = kind == SECTION_HOST ? read_host(name, plain, t)
				     : read_network(name, &network, plain, t);

	if (r < 0)
		return r;
	const struct section *same = find_same(c, kind, plain);
	if (same != NULL)
		return refuse_second(same, t);
	if (section_count(c, kind) == kinds[kind].max) {
		conf_tell(t, CONF_ERROR, "there are more than %zu [%s] sections",
		    kinds[kind].max, kinds[kind].name);
		return -FERRY_EINVAL;
	}
	struct section *s = section_new(kind, plain, t->file, t->line);
	if (s == NULL)
		return -FERRY_ENOMEM;
	s->network = network;
	r = append(c, s);
	if (r == 0)
		*ret = s;
	return r;
}

/* ---- options ---- */

static int
refuse_place(const struct section *s, const struct option *o, struct conf_teller *t)
{
	const unsigned other = (IN_HOST | IN_NETWORK) & ~kinds[s->kind].place;
	const char *elsewhere = other == IN_HOST ? "[host]" : "[network]";

	if ((o->status & other) != 0)
		conf_tell(t, CONF_ERROR,
		    "%s cannot stand in [%s %s]: it may stand in %s sections and before "
		    "the first "
		    "section",
		    o->name, section_kind_name(s->kind), s->name, elsewhere);
	else
		conf_tell(t, CONF_ERROR,
		    "%s cannot stand in [%s %s]: it counts for the whole server, and "
		    "stands before "
		    "the first section",
		    o->name, section_kind_name(s->kind), s->name);
	return -FERRY_EINVAL;
}

int
section_set(struct section *s, const char *name, const char *value, const char *file,
    unsigned line, conf_problem_cb *cb, void *user)
{
	struct conf_teller t = {.cb = cb, .user = user, .file = file, .line = line};
	const struct option *o = option_find(name);

	if (o != NULL && (o->status & kinds[s->kind].place) == 0)
		return refuse_place(s, o, &t);
	int r = conf_set(&s->conf, name, value, file, line, cb, user);
	if (r == 0)
		s->set[o - option_table] = true;
	return r;
}

int
section_put(struct conf *c, struct section *s, const char *option, const char *text)
{
	const struct option *o = option_find(option);
	char **field = option_string(s != NULL ? &s->conf : c, o);
	char *copy = strdup(text);

	if (copy == NULL)
		return -FERRY_ENOMEM;
	free(*field);
	*field = copy;
	if (s != NULL)
		s->set[o - option_table] = true;
	return 0;
}

bool
section_sets(const struct section *s, const char *option)
{
	return s->set[option_find(option) - option_table];
}

bool
section_networks_enable(const struct conf *c, const char *option)
{
	const struct option *o = option_find(option);

	for (size_t i = 1; i <= section_count(c, SECTION_NETWORK); i++) {
		struct section *s = section_get(c, SECTION_NETWORK, i);

		if (s->set[o - option_table] && *option_bool(&s->conf, o))
			return true;
	}
	return false;
}

/* ---- who belongs to which ---- */

size_t
section_find_host(const struct conf *c, struct bytes name)
{
	for (size_t i = 1; i <= section_count(c, SECTION_HOST); i++) {
		const char *known = section_get(c, SECTION_HOST, i)->name;

		if (hostname_same(
			(struct bytes){(const uint8_t *)known, strlen(known)}, name))
			return i;
	}
	return 0;
}

size_t
section_find_network(const struct conf *c, const struct endpoint *address)
{
	const struct section *best = NULL;
	size_t number = 0;

	for (size_t i = 1; i <= section_count(c, SECTION_NETWORK); i++) {
		const struct section *s = section_get(c, SECTION_NETWORK, i);

		if (!network_contains(&s->network, address) ||
		    (best != NULL && s->network.prefix <= best->network.prefix))
			continue;
		best = s;
		number = i;
	}
	return number;
}

/* ---- views ---- */

/* Whoever names a certificate has those that are named, each with its own key: a key or a
 * certificate of the head would be another host's. */
static void
drop_certificates(const struct section *s, struct conf *view)
{
	static const char *const options[] = {"rsa_cert_file", "rsa_private_key_file",
	    "rsa_ocsp_file", "ec_cert_file", "ec_private_key_file", "ec_ocsp_file"};

	if (!section_sets(s, "rsa_cert_file") && !section_sets(s, "ec_cert_file"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		*option_string(view, option_find(options[i])) = NULL;
}

static void
overlay(const struct section *s, struct conf *view)
{
	if (s == NULL)
		return;
	drop_certificates(s, view);
	/* A greeting in the section replaces the one before it, file or not. */
	if (section_sets(s, "ftpd_banner"))
		view->banner_file = NULL;
	for (size_t i = 0; i < option_count; i++) {
		if (s->set[i])
			option_borrow(&s->conf, &option_table[i], view);
	}
}

void
section_overlay(const struct conf *c, const struct section *host,
    const struct section *network, struct conf *ret)
{
	*ret = *c;
	ret->sections = NULL;
	ret->pasv_name = NULL;
	overlay(host, ret);
	overlay(network, ret);
}

const struct conf *
section_view(const struct conf *c, size_t host, size_t network)
{
	struct sections *s = c->sections;
	size_t hosts = section_count(c, SECTION_HOST),
	       networks = section_count(c, SECTION_NETWORK);

	if (host == 0 && network == 0)
		return c;
	if (host > hosts || network > networks)
		return NULL;
	if (s->view == NULL)
		s->view = calloc((hosts + 1) * (networks + 1), sizeof(*s->view));
	if (s->view == NULL)
		return NULL;
	struct conf **view = &s->view[host * (networks + 1) + network];
	if (*view == NULL && (*view = malloc(sizeof(**view))) != NULL)
		section_overlay(c, section_get(c, SECTION_HOST, host),
		    section_get(c, SECTION_NETWORK, network), *view);
	return *view;
}

void
section_refresh(const struct conf *c)
{
	size_t hosts = section_count(c, SECTION_HOST),
	       networks = section_count(c, SECTION_NETWORK);

	if (c->sections == NULL || c->sections->view == NULL)
		return;
	for (size_t i = 0; i < (hosts + 1) * (networks + 1); i++) {
		struct conf *view = c->sections->view[i];

		if (view != NULL)
			section_overlay(c,
			    section_get(c, SECTION_HOST, i / (networks + 1)),
			    section_get(c, SECTION_NETWORK, i % (networks + 1)), view);
	}
}
