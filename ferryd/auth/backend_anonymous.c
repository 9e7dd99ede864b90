/*
 * Anonymous FTP (RFC 1635): the names "anonymous" and "ftp" in any case, with any
 * password. Knows no secret. Whether a password is asked for at all (no_anon_password) is
 * the worker's affair.
 */
#include "backend.h"

static bool
anonymous_claims(const struct setup *s, const char *user)
{
	bool enabled = s->single.used ? s->single.anonymous : s->conf->anonymous_enable;

	return enabled && backend_name_is_anonymous(user);
}

static void
anonymous_check(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	ret->answer = ANSWER_YES;
}

const struct backend backend_anonymous = {
    .name = "anonymous",
    .flags = BACKEND_JUDGES_ACCOUNT,
    .kind = KIND_ANONYMOUS,
    .claims = anonymous_claims,
    .check = anonymous_check,
};
