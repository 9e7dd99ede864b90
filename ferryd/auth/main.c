/*
 * ferryd-auth: answers "who is this?" for the workers. Started by ferryd with its channel
 * as descriptor 3. Keeps root if ferryd has it, since PAM needs it to check passwords and
 * to open sessions.
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "become.h"
#include "child.h"
#include "sandbox.h"

/* Usually nobody else: only when the master says so. */
static int
become(const struct msg_start *start)
{
	_cleanup_free_ char *user = NULL;

	if (start->user.n == 0)
		return 0;
	user = bytes_dup(start->user);
	return user != NULL ? become_user(user, start->uid, start->gid) : -FERRY_ENOMEM;
}

static int
fail(const char *step, int error)
{
	/* No rule was broken and nobody is to blame when the master ends during the
	 * start. */
	if (error != -FERRY_EOF)
		fprintf(stderr, "ferryd-auth: %s: %s\n", step, ferry_strerror(error));
	return 1;
}

int
main(void)
{
	static struct wire_box box;
	static struct setup setup;
	struct conf conf;
	bool root = geteuid() == 0;
	int r;

	r = sandbox_basics();
	if (r < 0)
		return fail("sandbox", r);
	r = child_receive_start(ROLE_AUTH, &conf, &box, auth_early, &setup.single);
	if (r < 0)
		return fail("start", r);
	r = become(&box.msg.start);
	wire_box_close(&box);
	if (r < 0)
		return fail("becoming another user", r);
	r = auth_prepare(&setup, &conf, root);
	if (r < 0)
		return fail("preparing", r);
	r = sandbox_auth();
	if (r < 0)
		return fail("sandbox", r);
	r = auth_run(&setup);
	if (r < 0)
		return fail("event loop", r);
	return 0;
}
