/*
 * The PAM conversation; see pam_talk.h and pam_conv(3). Linux-PAM's form: msgs is an
 * array of pointers.
 */
#include "pam_talk.h"

#include <stdlib.h>
#include <string.h>

#define SAID_MAX 600

void
pam_talk_init(struct pam_talk *t, const char *user, const char *password)
{
	*t = (struct pam_talk){
	    .user = user,
	    .password = password,
	    .said = BUF_INIT(SAID_MAX),
	};
}

void
pam_talk_forget(struct pam_talk *t)
{
	t->user = NULL;
	t->password = NULL;
}

void
pam_talk_clear(struct pam_talk *t)
{
	pam_talk_forget(t);
	buf_free(&t->said);
}

/* Keeps what fits; the rest of a chatty module's text is of no use to anybody. */
static void
listen_to(struct pam_talk *t, const char *text)
{
	size_t room = buf_room(&t->said);
	size_t n = text != NULL ? strlen(text) : 0;

	if (n == 0 || room < 3)
		return;
	if (buf_len(&t->said) > 0)
		buf_append(&t->said, "; ", 2);
	room = buf_room(&t->said);
	buf_append(&t->said, text, n < room ? n : room);
}

/* *ret_text: an answer that the module frees, or NULL where none is wanted. */
static int
answer_one(struct pam_talk *t, const struct pam_message *m, char **ret_text)
{
	const char *text = NULL;

	switch (m->msg_style) {
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		listen_to(t, m->msg);
		return PAM_SUCCESS;
	case PAM_PROMPT_ECHO_OFF:
		text = t->password;
		break;
	case PAM_PROMPT_ECHO_ON:
		text = t->user;
		break;
	default: /* binary prompts and what is yet to be invented */
		return PAM_CONV_ERR;
	}
	if (text == NULL)
		return PAM_CONV_ERR;
	*ret_text = strdup(text);
	return *ret_text != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
}

static void
drop_text(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* The module wants no answers (its pointer for them is NULL): it may only tell, not ask.
 */
static int
only_listen(struct pam_talk *t, int n, const struct pam_message **msgs)
{
	for (int i = 0; i < n; i++) {
		if (msgs[i] == NULL || (msgs[i]->msg_style != PAM_TEXT_INFO &&
					   msgs[i]->msg_style != PAM_ERROR_MSG))
			return PAM_CONV_ERR;
		listen_to(t, msgs[i]->msg);
	}
	return PAM_SUCCESS;
}

int
pam_talk(int n, const struct pam_message **msgs, struct pam_response **ret, void *user)
{
	struct pam_talk *t = user;
	struct pam_response *responses;
	int result = PAM_SUCCESS;

	if (n <= 0 || n > PAM_MAX_NUM_MSG || msgs == NULL || t == NULL)
		return PAM_CONV_ERR;
	if (ret == NULL)
		return only_listen(t, n, msgs);
	responses = calloc((size_t)n, sizeof(*responses));
	if (responses == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n && result == PAM_SUCCESS; i++)
		result = msgs[i] != NULL ? answer_one(t, msgs[i], &responses[i].resp)
					 : PAM_CONV_ERR;
	if (result == PAM_SUCCESS) {
		*ret = responses;
		return PAM_SUCCESS;
	}
	for (int i = 0; i < n; i++)
		drop_text(responses[i].resp);
	free(responses);
	return result;
}
