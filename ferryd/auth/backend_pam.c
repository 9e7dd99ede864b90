/*
 * Users through PAM (local_enable): authenticate, account, credentials, session. Every
 * function here runs in a process of its own (checker.h), because modules block, crash
 * and change the process they are in. Unknown names take the same way as known ones: PAM
 * is always asked.
 *
 * PAM_RUSER stays unset: we do not know who the user is on the other machine, and
 * pam_rhosts must not be told that we do.
 */
#include <ferry/ferry.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "pam_talk.h"
#include "util.h"

struct pam_state {
	pam_handle_t *pam;
	struct pam_talk talk;
	bool credentials; /* pam_setcred was called and must be undone */
	int last;         /* what PAM said last, for pam_end */
};

/* The name in the words of PAM's documentation, the cause in PAM's, then what modules
 * said. */
static void
explain(struct pam_state *p, const char *step, struct buf *why)
{
	buf_printf(why, "%s: %.200s", step, pam_strerror(p->pam, p->last));
	if (buf_len(&p->talk.said) > 0)
		buf_printf(why, " (%.600s)", buf_cstr(&p->talk.said));
}

/* Is the user to blame, or could PAM not say? A wrong service file is PAM_ABORT,
 * PAM_MODULE_UNKNOWN or PAM_SYSTEM_ERR. */
static enum answer
answer_of(int result)
{
	switch (result) {
	case PAM_SUCCESS:
		return ANSWER_YES;
	case PAM_ABORT:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_BUF_ERR:
	case PAM_CONV_ERR:
	case PAM_MODULE_UNKNOWN:
	case PAM_OPEN_ERR:
	case PAM_SERVICE_ERR:
	case PAM_SYMBOL_ERR:
	case PAM_SYSTEM_ERR:
		return ANSWER_AGAIN;
	default:
		return ANSWER_NO;
	}
}

/* The worker waits before it answers a failed login, without holding a process while it
 * does so: a module's own delay would only use up the places for checks. */
static void
no_delay(int result, unsigned usec, void *user)
{
}

static int
set_items(struct pam_state *p, const struct attempt *a)
{
	p->last = pam_set_item(p->pam, PAM_RHOST, a->peer);
	if (p->last == PAM_SUCCESS)
		p->last = pam_set_item(p->pam, PAM_TTY, "ftp");
	if (p->last == PAM_SUCCESS)
		p->last = pam_set_item(p->pam, PAM_FAIL_DELAY, (const void *)no_delay);
	return p->last;
}

/* Modules may map the name: what is in PAM_USER now is who was let in. */
static enum answer
take_user(struct pam_state *p, struct finding *ret)
{
	const void *user = NULL;

	p->last = pam_get_item(p->pam, PAM_USER, &user);
	if (p->last == PAM_SUCCESS && user != NULL && *(const char *)user != '\0' &&
	    buf_append_str(&ret->user, user) == 0)
		return ANSWER_YES;
	buf_append_str(&ret->why, "PAM accepted the login, but left no usable user name");
	return ANSWER_NO;
}

/* One step after the other; the first that fails is the cause. An account without a
 * password is no login, even where the service says nullok: that word is meant for
 * consoles.
 *
 * proved: who it is is known, and what the service's auth lines know besides passwords
 * (pam_listfile, pam_shells) is not asked: see identity_account(). Credentials are made
 * of the secret that nobody gave here; modules that cannot do without are forgiven. */
static enum answer
run_steps(struct pam_state *p, bool proved, struct finding *ret)
{
	static const struct {
		const char *name;
		int (*run)(pam_handle_t *pam, int flags);
		int flags;
		bool root_only; /* others have nobody's credentials to set */
	} steps[] = {
	    {"pam_authenticate", pam_authenticate, PAM_DISALLOW_NULL_AUTHTOK, false},
	    {"pam_acct_mgmt", pam_acct_mgmt, PAM_DISALLOW_NULL_AUTHTOK, false},
	    {"pam_setcred", pam_setcred, PAM_ESTABLISH_CRED, true},
	};

	for (size_t i = proved ? 1 : 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].root_only && geteuid() != 0)
			continue;
		p->last = steps[i].run(p->pam, steps[i].flags);
		if (p->last != PAM_SUCCESS && !(proved && steps[i].root_only)) {
			explain(p, steps[i].name, &ret->why);
			return answer_of(p->last);
		}
		p->credentials = steps[i].root_only && p->last == PAM_SUCCESS;
	}
	return take_user(p, ret);
}

static bool
pam_claims(const struct setup *s, const char *user)
{
	return s->conf->local_enable && s->conf->pam_service_name != NULL;
}

/* password NULL: it is not needed, and a module that asks for one gets none. */
static void
ask_pam(const struct setup *s, const struct attempt *a, const char *password,
    struct finding *ret, void **ret_state)
{
	struct pam_state *p = calloc(1, sizeof(*p));
	struct pam_conv conv;

	ret->answer = ANSWER_AGAIN;
	if (p == NULL)
		return;
	*ret_state = p;
	pam_talk_init(&p->talk, a->user, password);
	conv = (struct pam_conv){.conv = pam_talk, .appdata_ptr = &p->talk};
	p->last = pam_start(s->conf->pam_service_name, a->user, &conv, &p->pam);
	if (p->last != PAM_SUCCESS) {
		p->pam = NULL;
		buf_printf(&ret->why, "pam_start failed for service %.100s",
		    s->conf->pam_service_name);
		return;
	}
	if (set_items(p, a) != PAM_SUCCESS)
		explain(p, "pam_set_item", &ret->why);
	else
		ret->answer = run_steps(p, password == NULL, ret);
	pam_talk_forget(&p->talk);
}

static void
pam_check(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	ask_pam(s, a, a->password, ret, ret_state);
}

static void
pam_vouched(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	ask_pam(s, a, NULL, ret, ret_state);
}

static int
pam_open(void *state, struct buf *why)
{
	struct pam_state *p = state;

	p->last = pam_open_session(p->pam, 0);
	if (p->last == PAM_SUCCESS)
		return 0;
	explain(p, "pam_open_session", why);
	return -FERRY_EREFUSED;
}

static void
pam_finish(void *state, bool open)
{
	struct pam_state *p = state;

	if (p == NULL)
		return;
	if (open)
		p->last = pam_close_session(p->pam, 0);
	if (p->credentials)
		p->last = pam_setcred(p->pam, PAM_DELETE_CRED);
	if (p->pam != NULL)
		pam_end(p->pam, p->last);
	pam_talk_clear(&p->talk);
	free(p);
}

const struct backend backend_pam = {
    .name = "pam",
    .flags = BACKEND_BLOCKS | BACKEND_SESSIONS | BACKEND_JUDGES_ACCOUNT,
    .kind = KIND_ACCOUNT,
    .claims = pam_claims,
    .check = pam_check,
    .vouched = pam_vouched,
    .open_session = pam_open,
    .end = pam_finish,
};
