/*
 * The narration's part for encryption: from where on, how it is known who the other end
 * is, and what it means for the routers in between.
 */
#include "explain_state.h"

#include "own.h"

static const char *
trust_words(enum ferry_trust trust)
{
	static const char *const words[] = {
	    [FERRY_TRUST_NONE] = "",
	    [FERRY_TRUST_AUTHORITY] =
		" It is the right server: an authority that this "
		"machine trusts vouches for its certificate and its "
		"name.",
	    [FERRY_TRUST_PIN] =
		" It is the right server: it has the key that --pin names.",
	    [FERRY_TRUST_PROGRAM] =
		" It is the server that you accepted: it has the same key.",
	    [FERRY_TRUST_SESSION] =
		" It is the same server: it resumed the session of the "
		"command connection, which nobody else could.",
	    [FERRY_TRUST_SAME_KEY] =
		" It is the same server: it has the key of the command "
		"connection.",
	};

	return (size_t)trust < ARRAY_LEN(words) ? words[trust] : "";
}

void
explain_tell_tls(struct explain *x)
{
	if (!x->tls_untold)
		return;
	x->tls_untold = false;
	draw_step(
	    &x->draw, "the command connection is encrypted from here on: %s", x->tls);
	draw_sentence(
	    &x->draw, "Your name and password travel inside.%s", trust_words(x->trust));
	draw_sentence(&x->draw, "Firewalls and routers that read along to learn the "
				"ports of data connections, "
				"and NATs that put other addresses into PORT, can no "
				"longer do so: the server's "
				"passive ports must be open as such, and active mode "
				"needs an address that the "
				"server can reach.");
}

void
explain_on_tls(struct explain *x, const struct ferry_event *ev)
{
	if (ev->channel == FERRY_CONTROL) {
		snprintf(x->tls, sizeof x->tls, "%s, %s", ev->text, ev->cipher);
		x->trust = ev->trust;
		x->tls_untold = x->encrypted = true;
		return;
	}
	if (!explain_is_open(x))
		return;
	explain_open_story(x);
	draw_step(
	    &x->draw, "the data connection is encrypted: %s, %s", ev->text, ev->cipher);
	draw_sentence(&x->draw, "%s%s",
	    ev->resumed
		? "The session of the command connection goes on here, so there is no "
		  "second exchange of certificates."
		: "This server begins a new session for each data connection.",
	    trust_words(ev->trust));
}
