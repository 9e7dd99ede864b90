/*
 * The doctor's diagnosis, and all that is made of it: whatever was seen, and whatever
 * words a server said, the findings are few, known and sorted, and the page and the JSON
 * can be written. A checkup is read from the input: of each attempt some bytes, then its
 * words up to a line feed, and where a bit says so a line for each of a ferryd's replies.
 */
#include "address.h"
#include "doctor.h"
#include "own.h"

#include <assert.h>
#include <netinet/in.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};

static uint8_t
byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static void
words(struct input *in, char *out, size_t cap)
{
	size_t n = 0;

	for (uint8_t c = byte(in); c != '\n' && c != 0; c = byte(in))
		if (n + 1 < cap)
			out[n++] = (char)c;
	out[n] = '\0';
}

static void
address(struct input *in, struct sockaddr_storage *ret)
{
	static const uint32_t known[] = {
	    0, 0x7f000001, 0xc0a80b02, 0xac120002, 0xcb00710a, 0xc6336402};
	uint8_t kind = byte(in);

	*ret = (struct sockaddr_storage){0};
	if (kind % 8 == 7)
		return;
	if (kind % 8 == 6) {
		ret->ss_family = AF_INET6;
		((struct sockaddr_in6 *)ret)->sin6_addr.s6_addr[0] = byte(in);
		((struct sockaddr_in6 *)ret)->sin6_port =
		    htons((uint16_t)(byte(in) << 8));
		return;
	}
	ret->ss_family = AF_INET;
	((struct sockaddr_in *)ret)->sin_addr.s_addr =
	    htonl(known[kind % ARRAY_LEN(known)]);
	((struct sockaddr_in *)ret)->sin_port = htons((uint16_t)(byte(in) << 8));
}

static void
hops(struct input *in, struct hops *h)
{
	unsigned n = byte(in) % (HOPS_MAX + 1);

	h->measured = true;
	h->distance = byte(in) % (n + 1);
	for (unsigned i = 0; i <= n; i++) {
		h->command[i].kind = byte(in) % (HOP_REJECTED + 1);
		address(in, &h->command[i].who);
		h->data[i].kind = byte(in) % (HOP_REJECTED + 1);
		address(in, &h->data[i].who);
	}
}

static void
told_of_visit(struct input *in, struct visit *v)
{
	char text[512];

	words(in, text, sizeof text);
	v->who = told_who(text);
	words(in, text, sizeof text);
	v->ports = told_ports(text);
	v->round_trip = byte(in) / 1000.0;
}

static void
told_of_trial(struct input *in, struct trial *t)
{
	char text[512];

	words(in, text, sizeof text);
	t->call = told_call(text);
	words(in, text, sizeof text);
	t->arrived = told_address(text);
	words(in, text, sizeof text);
	t->probe = told_probe(text);
	words(in, text, sizeof text);
	t->unlocked = told_probe(text);
	t->hops = byte(in);
	t->own_hops = t->hops & 1;
	t->all_hops = t->hops & 2;
}

static void
visit(struct input *in, struct visit *v)
{
	uint8_t flags = byte(in);

	v->family = flags & 1 ? AF_INET6 : AF_INET;
	v->port = flags & 2 ? 21 : 2121;
	v->tls = flags & 4;
	v->masked = flags & 8;
	v->web = flags & 16;
	v->stage = byte(in) % (VISIT_LOGGED_IN + 1);
	v->result = -(int)(byte(in) % (FERRY_ETLSNONE + 1));
	v->code = byte(in) & 1 ? 421 : 530;
	v->sys_errno = byte(in);
	address(in, &v->own);
	address(in, &v->peer);
	words(in, v->words, sizeof v->words);
	if (flags & 32)
		hops(in, &v->hops);
	if (flags & 64)
		told_of_visit(in, v);
}

static void
attempt(struct input *in, struct trial *t)
{
	struct attempt *a = &t->a;
	static const int codes[] = {0, 425, 426, 500, 502, 522, 550};
	uint8_t flags = byte(in);

	a->mode = FERRY_MODE_EPSV + byte(in) % 5;
	if (a->mode == FERRY_MODE_ACTIVE)
		a->mode = FERRY_MODE_PORT;
	a->tls = flags & 1;
	a->open = flags & 2;
	a->done = flags & 4;
	a->dial_failed = flags & 8;
	a->agreed = flags & 16;
	a->called = flags & 32;
	a->refused = codes[byte(in) % ARRAY_LEN(codes)];
	a->answer = codes[byte(in) % ARRAY_LEN(codes)];
	a->sys_errno = byte(in);
	a->result = -(int)(byte(in) % (FERRY_ETLSNONE + 1));
	a->bytes = byte(in);
	a->seconds = byte(in) / 50.0;
	a->answered_after = byte(in) / 50.0;
	address(in, &a->own);
	address(in, &a->peer);
	address(in, &a->sent);
	address(in, &a->used);
	address(in, &a->told);
	address(in, &a->stranger);
	words(in, a->words, sizeof a->words);
	if (flags & 64)
		told_of_trial(in, t);
}

static void
check(const struct diagnosis *d)
{
	assert(d->n <= FINDINGS_MAX);
	for (size_t i = 0; i < d->n; i++) {
		assert(d->findings[i].code < VERDICT_CODES);
		assert(d->findings[i].certainty != VERDICT_NO);
		assert(i == 0 || d->findings[i - 1].weight <= d->findings[i].weight);
		assert(diagnosis_has(d, d->findings[i].code) == d->findings[i].certainty);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct checkup c;
	struct input in = {.p = data, .n = size};
	struct diagnosis d;
	_cleanup_free_ char *text = NULL;
	_cleanup_file_ FILE *out = NULL;
	size_t len;

	c = (struct checkup){.host = "host", .port = 21};
	c.n_visits = 1 + byte(&in) % VISITS_MAX;
	c.outer_given = byte(&in) & 1;
	c.announced_is_his = byte(&in) & 1;
	for (size_t i = 0; i < c.n_visits; i++)
		visit(&in, &c.visits[i]);
	while (in.n > 0 && c.n_trials < TRIALS_MAX) {
		struct trial *t = &c.trials[c.n_trials++];

		t->visit = byte(&in) % c.n_visits;
		t->kind = byte(&in) & 1 ? TRIAL_BIG : TRIAL_LISTING;
		attempt(&in, t);
	}
	diagnose(&c, &d);
	check(&d);
	out = open_memstream(&text, &len);
	if (out == NULL)
		return 0;
	doctor_page(out, true, &c, &d);
	doctor_json(out, &c, &d, EXITCODE_FINDINGS);
	fclosep(&out);
	/* nothing that a server said steers the terminal */
	for (const char *p = text; *p != '\0'; p++)
		assert((unsigned char)*p >= ' ' || *p == '\n' ||
		       (*p == '\033' && p[1] == '['));
	return 0;
}
