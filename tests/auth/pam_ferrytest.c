/*
 * A PAM module for the tests of ferryd-auth: the user name says how it behaves, the
 * password is always "secret word". What it is asked to do it tells on the named pipe of
 * its argument fifo=PATH, one line each.
 */
#include <fcntl.h>
#include <security/pam_appl.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD "secret word"
#define EXPORT __attribute__((visibility("default")))

static void tell(int argc, const char **argv, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
tell(int argc, const char **argv, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int fd = -1;

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "fifo=", 5) == 0)
			fd = open(argv[i] + 5, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dprintf(fd, "%s\n", line);
	close(fd);
}

static const char *
item(pam_handle_t *pam, int which)
{
	const void *value = NULL;

	if (pam_get_item(pam, which, &value) != PAM_SUCCESS || value == NULL)
		return "";
	return value;
}

static int
converse(
    pam_handle_t *pam, int n, const struct pam_message **msgs, struct pam_response **ret)
{
	const void *conv = NULL;
	const struct pam_conv *c;

	if (pam_get_item(pam, PAM_CONV, &conv) != PAM_SUCCESS || conv == NULL)
		return PAM_CONV_ERR;
	c = conv;
	return c->conv(n, msgs, ret, c->appdata_ptr);
}

static int
ask(pam_handle_t *pam, int style, const char *text, const char *want)
{
	const struct pam_message m = {.msg_style = style, .msg = text};
	const struct pam_message *one = &m;
	struct pam_response *r = NULL;
	int result = converse(pam, 1, &one, &r);

	if (result != PAM_SUCCESS)
		return result;
	result = r[0].resp != NULL && strcmp(r[0].resp, want) == 0 ? PAM_SUCCESS
								   : PAM_AUTH_ERR;
	free(r[0].resp);
	free(r);
	return result;
}

/* Several prompts at once, with talk between them. */
static int
ask_all(pam_handle_t *pam)
{
	const struct pam_message m[] = {
	    {.msg_style = PAM_TEXT_INFO, .msg = "Welcome"},
	    {.msg_style = PAM_PROMPT_ECHO_ON, .msg = "login: "},
	    {.msg_style = PAM_PROMPT_ECHO_OFF, .msg = "Password: "},
	    {.msg_style = PAM_ERROR_MSG, .msg = "Careful"},
	    {.msg_style = PAM_PROMPT_ECHO_OFF, .msg = "Again: "},
	};
	const struct pam_message *p[5];
	struct pam_response *r = NULL;
	int result = PAM_SUCCESS;

	for (int i = 0; i < 5; i++)
		p[i] = &m[i];
	if (converse(pam, 5, p, &r) != PAM_SUCCESS)
		return PAM_CONV_ERR;
	if (r[0].resp != NULL || strcmp(r[1].resp, "prompts") != 0 ||
	    strcmp(r[2].resp, PASSWORD) != 0 || r[3].resp != NULL ||
	    strcmp(r[4].resp, PASSWORD) != 0)
		result = PAM_AUTH_ERR;
	for (int i = 0; i < 5; i++)
		free(r[i].resp);
	free(r);
	return result;
}

/* Everything that pam_conv(3) does not allow; a program that lives through it asks on. */
static int
be_rude(pam_handle_t *pam)
{
	const struct pam_message info = {
	    .msg_style = PAM_TEXT_INFO, .msg = "I do not listen"};
	const struct pam_message prompt = {
	    .msg_style = PAM_PROMPT_ECHO_OFF, .msg = "Password: "};
	const struct pam_message odd = {.msg_style = 4711, .msg = NULL};
	const struct pam_message *many[PAM_MAX_NUM_MSG + 1];
	struct pam_response *r = NULL;

	for (int i = 0; i <= PAM_MAX_NUM_MSG; i++)
		many[i] = &info;
	if (converse(pam, 1, many, NULL) != PAM_SUCCESS ||
	    converse(pam, 0, many, &r) == PAM_SUCCESS ||
	    converse(pam, 0, NULL, NULL) == PAM_SUCCESS ||
	    converse(pam, PAM_MAX_NUM_MSG + 1, many, &r) == PAM_SUCCESS)
		return PAM_AUTH_ERR;
	many[0] = &prompt;
	if (converse(pam, 1, many, NULL) == PAM_SUCCESS)
		return PAM_AUTH_ERR;
	many[0] = &odd;
	if (converse(pam, 1, many, &r) == PAM_SUCCESS)
		return PAM_AUTH_ERR;
	return ask(pam, PAM_PROMPT_ECHO_OFF, "Password: ", PASSWORD);
}

static int
be_chatty(pam_handle_t *pam)
{
	const struct pam_message m = {
	    .msg_style = PAM_TEXT_INFO, .msg = "blah\nblah \x1b[31m"};
	const struct pam_message *one = &m;

	for (int i = 0; i < 500; i++) {
		struct pam_response *r = NULL;

		if (converse(pam, 1, &one, &r) != PAM_SUCCESS)
			return PAM_CONV_ERR;
		free(r);
	}
	return PAM_AUTH_ERR;
}

EXPORT int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *user = item(pam, PAM_USER);

	tell(argc, argv, "auth %s %s %s [%s]", user, item(pam, PAM_RHOST),
	    item(pam, PAM_TTY), item(pam, PAM_RUSER));
	pam_fail_delay(pam, 5000000); /* must not be waited for */
	if (strcmp(user, "prompts") == 0)
		return ask_all(pam);
	if (strcmp(user, "rude") == 0)
		return be_rude(pam);
	if (strcmp(user, "chatty") == 0)
		return be_chatty(pam);
	if (strcmp(user, "crash") == 0)
		raise(SIGKILL);
	if (strcmp(user, "unavailable") == 0)
		return PAM_AUTHINFO_UNAVAIL;
	if (strcmp(user, "map") == 0)
		pam_set_item(pam, PAM_USER, "carol");
	else if (strcmp(user, "map-root") == 0) /* user is gone once it is set */
		pam_set_item(pam, PAM_USER, "root");
	else if (strcmp(user, "map-empty") == 0)
		pam_set_item(pam, PAM_USER, "");
	return ask(pam, PAM_PROMPT_ECHO_OFF, "Password: ", PASSWORD);
}

EXPORT int
pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	tell(argc, argv, "setcred %s %s", item(pam, PAM_USER),
	    (flags & PAM_DELETE_CRED) != 0 ? "delete" : "establish");
	return PAM_SUCCESS;
}

EXPORT int
pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *user = item(pam, PAM_USER);

	if (strcmp(user, "expired") == 0)
		return PAM_ACCT_EXPIRED;
	if (strcmp(user, "newtok") == 0)
		return PAM_NEW_AUTHTOK_REQD;
	return PAM_SUCCESS;
}

EXPORT int
pam_sm_open_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	tell(argc, argv, "open %s", item(pam, PAM_USER));
	return strcmp(item(pam, PAM_USER), "nosession") == 0 ? PAM_SESSION_ERR
							     : PAM_SUCCESS;
}

EXPORT int
pam_sm_close_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	tell(argc, argv, "close %s", item(pam, PAM_USER));
	return PAM_SUCCESS;
}
