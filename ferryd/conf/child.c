/*
 * The first thing every child of the master does: take its configuration and its orders
 * from descriptor 3. For worker, agent and auth. Runs before the sandbox is up and trusts
 * nobody but the master all the same: a message that does not belong here ends the
 * process.
 */
#include <ferry/ferry.h>
#include <string.h>

#include "child.h"
#include "section.h"

/* The master has checked all of it already; whatever does not fit is its mistake. */
static int
blame(int r)
{
	return r == -FERRY_EINVAL ? -FERRY_EPROTO : r;
}

/* One MSG_OPTION, of the section that was begun last, if any was. */
static int
take_option(struct conf *conf, struct section *section, const struct msg_option *m)
{
	_cleanup_free_ char *name = bytes_dup(m->name);
	_cleanup_free_ char *value = bytes_dup(m->value);

	if (name == NULL || value == NULL)
		return -FERRY_ENOMEM;
	return blame(section != NULL
			 ? section_set(section, name, value, "the master", 0, NULL, NULL)
			 : conf_set(conf, name, value, "the master", 0, NULL, NULL));
}

static int
take_section(struct conf *conf, struct section **section, const struct msg_section *m)
{
	_cleanup_free_ char *name = bytes_dup(m->name);
	struct conf_teller nobody = {0};

	if (name == NULL)
		return -FERRY_ENOMEM;
	return blame(section_add(conf, m->kind, name, &nobody, section));
}

/* What may come before START. The box holds a password at times: nothing of it stays. */
static int
take(struct conf *conf, struct section **section, struct wire_box *box,
    void (*early)(const struct msg *m, void *user), void *user)
{
	int r = 0;

	if (box->msg.type == MSG_OPTION)
		r = take_option(conf, *section, &box->msg.option);
	else if (box->msg.type == MSG_SECTION)
		r = take_section(conf, section, &box->msg.section);
	else if (box->msg.type == MSG_AUTH_USER && early != NULL)
		early(&box->msg, user);
	else
		r = -FERRY_EPROTO;
	wire_box_close(box);
	explicit_bzero(box->bytes, sizeof(box->bytes));
	return r;
}

int
child_receive_start(enum role self, struct conf *conf, struct wire_box *box,
    void (*early)(const struct msg *m, void *user), void *user)
{
	struct section *section = NULL;
	int r = conf_init(conf);

	while (r == 0) {
		r = wire_recv(WIRE_CHILD_FD, self, ROLE_MASTER, box);
		if (r == 0 && box->msg.type == MSG_START)
			return 0;
		if (r == 0)
			r = take(conf, &section, box, early, user);
	}
	conf_free(conf);
	return r;
}
