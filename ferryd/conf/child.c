/*
 * The first thing every child of the master does: take its configuration and its orders
 * from descriptor 3. For worker, agent and auth. Runs before the sandbox is up and trusts
 * nobody but the master all the same: a message that does not belong here ends the
 * process.
 */
#include <ferry/ferry.h>
#include <string.h>

#include "child.h"

/* One MSG_OPTION. The master has checked it already; whatever does not fit is its
 * mistake. */
static int
take_option(struct conf *conf, const struct msg_option *m)
{
	_cleanup_free_ char *name = bytes_dup(m->name);
	_cleanup_free_ char *value = bytes_dup(m->value);

	if (name == NULL || value == NULL)
		return -FERRY_ENOMEM;
	int r = conf_set(conf, name, value, "the master", 0, NULL, NULL);
	return r == -FERRY_EINVAL ? -FERRY_EPROTO : r;
}

/* What may come before START. The box holds a password at times: nothing of it stays. */
static int
take(struct conf *conf, struct wire_box *box,
    void (*early)(const struct msg *m, void *user), void *user)
{
	int r = 0;

	if (box->msg.type == MSG_OPTION)
		r = take_option(conf, &box->msg.option);
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
	int r = conf_init(conf);

	while (r == 0) {
		r = wire_recv(WIRE_CHILD_FD, self, ROLE_MASTER, box);
		if (r == 0 && box->msg.type == MSG_START)
			return 0;
		if (r == 0)
			r = take(conf, box, early, user);
	}
	conf_free(conf);
	return r;
}
