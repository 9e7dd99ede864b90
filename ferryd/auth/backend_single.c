/*
 * The one user of --user. In embedded use it claims every name that is not anonymous, so
 * that a wrong name takes the same way, and the same time, as a wrong password.
 */
#include "single.h"

#include <ferry/ferry.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "backend.h"

/* Digests of a random key: what is compared tells nothing about what was typed, and the
 * comparison takes the same time for every input. 0 or -FERRY_ESYS. */
static int
digest(const struct single *s, const void *p, size_t n, uint8_t ret[SINGLE_DIGEST])
{
	unsigned len = SINGLE_DIGEST;

	if (HMAC(EVP_sha256(), s->key, sizeof(s->key), p, n, ret, &len) == NULL ||
	    len != SINGLE_DIGEST)
		return -FERRY_ESYS;
	return 0;
}

int
single_set(struct single *s, const struct msg_auth_user *m)
{
	if (s->used)
		return -FERRY_EPROTO;
	*s = (struct single){
	    .used = true,
	    .anonymous = m->anonymous,
	    .has_user = m->user.n > 0 && m->password.n > 0,
	    .uid = m->uid,
	    .gid = m->gid,
	};
	if (getrandom(s->key, sizeof(s->key), 0) != (ssize_t)sizeof(s->key))
		return -FERRY_ESYS;
	if (digest(s, m->user.p, m->user.n, s->user) < 0 ||
	    digest(s, m->password.p, m->password.n, s->password) < 0)
		return -FERRY_ESYS;
	return 0;
}

bool
single_matches(const struct single *s, const char *user, const char *password)
{
	uint8_t u[SINGLE_DIGEST], p[SINGLE_DIGEST];
	int wrong;

	if (digest(s, user, strlen(user), u) < 0 ||
	    digest(s, password, strlen(password), p) < 0)
		return false;
	/* Both are always compared: no short way out. */
	wrong = CRYPTO_memcmp(u, s->user, sizeof(u)) |
		CRYPTO_memcmp(p, s->password, sizeof(p));
	wrong |= !s->has_user;
	explicit_bzero(u, sizeof(u));
	explicit_bzero(p, sizeof(p));
	return wrong == 0;
}

bool
single_names(const struct single *s, const char *user)
{
	uint8_t u[SINGLE_DIGEST];

	return digest(s, user, strlen(user), u) == 0 && s->has_user &&
	       CRYPTO_memcmp(u, s->user, sizeof(u)) == 0;
}

static bool
single_claims(const struct setup *s, const char *user)
{
	return s->single.used;
}

static void
single_check(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	if (single_matches(&s->single, a->user, a->password)) {
		ret->answer = ANSWER_YES;
		return;
	}
	ret->answer = ANSWER_NO;
	buf_append_str(&ret->why, "not the user name and password of --user");
}

static void
single_vouched(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	if (single_names(&s->single, a->user)) {
		ret->answer = ANSWER_YES;
		return;
	}
	ret->answer = ANSWER_NO;
	buf_append_str(&ret->why, "not the user name of --user");
}

const struct backend backend_single = {
    .name = "single",
    .flags = BACKEND_JUDGES_ACCOUNT,
    .kind = KIND_SINGLE,
    .claims = single_claims,
    .check = single_check,
    .vouched = single_vouched,
};
