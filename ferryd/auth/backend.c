/*
 * Choosing a backend and drawing the conclusion from its answer: the same way whether it
 * runs in auth itself or in a process of its own.
 */
#include "backend.h"

#include <ferry/ferry.h>
#include <string.h>
#include <strings.h>

#include "certificate.h"
#include "section.h"

void
finding_init(struct finding *f)
{
	*f = (struct finding){
	    .answer = ANSWER_NO,
	    .user = BUF_INIT(LOGIN_NAME_MAX_BYTES),
	    .why = BUF_INIT(WHY_MAX),
	};
}

void
finding_clear(struct finding *f)
{
	buf_free(&f->user);
	buf_free(&f->why);
}

void
decision_init(struct decision *d)
{
	*d = (struct decision){
	    .answer = ANSWER_AGAIN,
	    .user = BUF_INIT(LOGIN_NAME_MAX_BYTES),
	    .why = BUF_INIT(WHY_MAX),
	};
}

void
decision_clear(struct decision *d)
{
	buf_free(&d->user);
	buf_free(&d->why);
	identity_clear(&d->identity);
}

bool
backend_name_is_anonymous(const char *user)
{
	return strcasecmp(user, "anonymous") == 0 || strcasecmp(user, "ftp") == 0;
}

const struct backend *
backend_choose(const struct backend *const *all, const struct setup *s, const char *user)
{
	for (; *all != NULL; all++)
		if ((*all)->claims(s, user))
			return *all;
	return NULL;
}

int
setup_for(const struct setup *all, size_t host, size_t network, struct setup *ret)
{
	const struct conf *view;

	if (host > section_count(all->conf, SECTION_HOST) ||
	    network > section_count(all->conf, SECTION_NETWORK))
		return -FERRY_EPROTO;
	view = section_view(all->conf, host, network);
	if (view == NULL)
		return -FERRY_ENOMEM;
	*ret = *all;
	ret->conf = ret->source.conf = view;
	ret->anonymous = &all->anonymous[host];
	ret->anonymous_why = &all->anonymous_why[host];
	return 0;
}

/* anonymous was resolved at the start, so that the loop never waits for an account
 * look-up. */
static int
identify_anonymous(const struct setup *s, struct identity *ret, struct buf *why)
{
	if (s->anonymous->root == NULL) {
		buf_append(why, buf_data(s->anonymous_why), buf_len(s->anonymous_why));
		return -FERRY_EREFUSED;
	}
	int r = identity_copy(s->anonymous, ret);
	if (r == 0 && !s->single.used)
		identity_judge_anonymous(s->conf, ret);
	return r;
}

/* judged: the backend has looked at all that it looks at. Of a login by certificate it
 * has seen less. */
static int
identify(const struct backend *b, const struct setup *s, const char *user, bool judged,
    struct identity *ret, struct buf *why)
{
	switch (b->kind) {
	case KIND_ANONYMOUS:
		return identify_anonymous(s, ret, why);
	case KIND_SINGLE:
		return identity_served(s->conf, s->single.uid, s->single.gid, false, ret);
	case KIND_ACCOUNT:
		break;
	}
	return identity_account(&s->source, user, judged, ret, why);
}

static bool
is_certified(const struct attempt *a)
{
	return a->chain.n > 0;
}

/* The worker says that this certificate came in a handshake; that it is one, and whose,
 * is found out here. */
static void
check_certificate(const struct backend *b, const struct setup *s, const struct attempt *a,
    struct finding *ret, void **ret_state)
{
	ret->answer = ANSWER_NO;
	if (b->vouched == NULL)
		buf_append_str(
		    &ret->why, "no certificate is good for this kind of login");
	else if (chain_proves(a->authorities, a->chain, cert_user_of(s->conf), a->user,
		     &ret->why) == 0)
		b->vouched(s, a, ret, ret_state);
}

void
backend_decide(const struct backend *b, const struct setup *s, const struct attempt *a,
    struct decision *ret, void **ret_state)
{
	_cleanup_(finding_clear)
	struct finding f;
	bool judged = (b->flags & BACKEND_JUDGES_ACCOUNT) != 0 && !is_certified(a);
	const char *user;
	int r;

	finding_init(&f);
	if (is_certified(a))
		check_certificate(b, s, a, &f, ret_state);
	else
		b->check(s, a, &f, ret_state);
	ret->answer = f.answer;
	if (f.answer != ANSWER_YES) {
		buf_append(&ret->why, buf_data(&f.why), buf_len(&f.why));
		if (buf_len(&f.why) == 0)
			buf_append_str(&ret->why, "no cause was given");
		return;
	}
	if (buf_len(&f.user) == 0)
		buf_append_str(&f.user, a->user);
	user = buf_cstr(&f.user);
	r = user != NULL ? identify(b, s, user, judged, &ret->identity, &ret->why)
			 : -FERRY_ENOMEM;
	if (r == 0)
		r = buf_append_str(&ret->user, user);
	if (r < 0)
		ret->answer = r == -FERRY_EREFUSED ? ANSWER_NO : ANSWER_AGAIN;
	if (r == -FERRY_ENOMEM)
		buf_append_str(&ret->why, "out of memory");
}
