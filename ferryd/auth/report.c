/*
 * answer (1 byte), length of the cause (2 bytes, big end first), cause; for ANSWER_YES
 * with a new identity, the verdict as messages.def encodes it. See report.h.
 */
#include "report.h"

#include <ferry/ferry.h>
#include <string.h>

#define HEAD 3

static size_t
put_head(uint8_t *out, enum answer answer, const uint8_t *why, size_t n)
{
	out[0] = (uint8_t)answer;
	out[1] = (uint8_t)(n >> 8);
	out[2] = (uint8_t)n;
	if (n > 0)
		memcpy(out + HEAD, why, n);
	return HEAD + n;
}

size_t
report_encode(const struct decision *d, uint32_t worker, uint32_t session, uint8_t *out)
{
	static const char untold[] = "what the check found cannot be told";
	const struct bytes user = {.p = buf_data(&d->user), .n = buf_len(&d->user)};
	size_t head = put_head(out, d->answer, buf_data(&d->why), buf_len(&d->why));
	size_t n = 0;
	struct msg m;

	if (d->answer != ANSWER_YES || d->identity.root == NULL)
		return head;
	identity_to_verdict(&d->identity, worker, session, user, &m);
	if (msg_encode(&m, ROLE_AUTH, ROLE_MASTER, 0, out + head, &n) < 0)
		return put_head(
		    out, ANSWER_AGAIN, (const uint8_t *)untold, strlen(untold));
	return head + n;
}

static int
take_verdict(
    const uint8_t *p, size_t n, uint32_t worker, uint32_t session, struct decision *ret)
{
	const char *why;
	struct msg m;

	if (msg_decode(p, n, ROLE_AUTH, ROLE_MASTER, 0, &m, &why) < 0 ||
	    m.type != MSG_MASTER_VERDICT || m.master_verdict.worker != worker ||
	    m.master_verdict.session != session)
		return -FERRY_EPROTO;
	if (buf_append(&ret->user, m.master_verdict.user.p, m.master_verdict.user.n) < 0)
		return -FERRY_ENOMEM;
	return identity_from_verdict(&m.master_verdict, &ret->identity);
}

int
report_decode(
    const uint8_t *p, size_t n, uint32_t worker, uint32_t session, struct decision *ret)
{
	size_t why;

	if (n < HEAD || p[0] > ANSWER_AGAIN)
		return -FERRY_EPROTO;
	why = (size_t)p[1] << 8 | p[2];
	if (why > WHY_MAX || why > n - HEAD)
		return -FERRY_EPROTO;
	if (p[0] != ANSWER_YES && n != HEAD + why)
		return -FERRY_EPROTO;
	if (buf_append(&ret->why, p + HEAD, why) < 0)
		return -FERRY_ENOMEM;
	if (n > HEAD + why) {
		int r =
		    take_verdict(p + HEAD + why, n - HEAD - why, worker, session, ret);

		if (r < 0)
			return r;
	}
	ret->answer = p[0];
	return 0;
}
