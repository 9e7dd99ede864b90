/*
 * The narration's part for the data connection: where it leads, who calls whom, why a
 * call failed, and the bytes.
 */
#include "explain_state.h"

#include "address.h"
#include "own.h"

static const char *
inner_words(const struct sockaddr_storage *a)
{
	switch (address_kind(a)) {
	case ADDRESS_PRIVATE:
		return "a private address: it exists only inside the server's own "
		       "network";
	case ADDRESS_SHARED:
		return "an address inside a provider's network (carrier-grade NAT)";
	case ADDRESS_LINK:
		return "an address that is valid on one cable only";
	case ADDRESS_LOOPBACK:
		return "the address by which a machine calls itself";
	case ADDRESS_NOWHERE:
		return "no address at all";
	default:
		return "another address than the one you are talking to";
	}
}

void
explain_on_address(struct explain *x, const struct ferry_event *ev)
{
	const struct attempt *a = explain_attempt(x);
	char sent[ADDRESS_TEXT_MAX], used[ADDRESS_TEXT_MAX];
	unsigned port = address_port(&ev->remote);

	address_text(&ev->remote, sent);
	address_text(&ev->used, used);
	if (a->sent.ss_family == AF_UNSPEC) { /* EPSV */
		draw_sentence(&x->draw,
		    "Only a port, %u, no address: you use the address you already know. "
		    "That is why EPSV "
		    "survives address translation.",
		    port ? port : (unsigned)address_port(&ev->used));
		return;
	}
	draw_sentence(&x->draw, "Address %s, port %u x 256 + %u = %u.%s", sent,
	    port / 256, port % 256, port,
	    address_same(&ev->remote, &x->peer)
		? " The address is the one you are already talking to: good."
		: "");
	if (!address_same(&ev->remote, &ev->used))
		draw_sentence(&x->draw,
		    "%s is %s.%s You use %s instead, the address you already know.", sent,
		    inner_words(&ev->remote),
		    address_is_inner(&ev->remote) && !address_is_inner(&x->peer)
			? " The server does not know its public address."
			: "",
		    used);
	else if (!address_same(&ev->remote, &x->peer))
		draw_sentence(&x->draw, "That is not the address you are talking to; you "
					"trust it because you "
					"asked for that (--trust-pasv-address).");
}

void
explain_on_listening(struct explain *x, const struct ferry_event *ev)
{
	char peer[ADDRESS_TEXT_MAX];

	explain_open_story(x);
	x->data_own = address_port(&ev->local);
	draw_step(&x->draw, "you open port %u and wait.", (unsigned)x->data_own);
	draw_sentence(&x->draw,
	    "Only for one visitor, only for %s, closed again right after.",
	    address_text(&x->peer, peer));
}

void
explain_on_accepted(struct explain *x, const struct ferry_event *ev)
{
	unsigned port = address_port(&ev->remote), command = address_port(&x->peer);

	explain_open_story(x);
	x->data_open = true;
	x->calls_by_server++;
	x->caller = ev->remote;
	x->data_own = address_port(&ev->local);
	x->data_peer = (uint16_t)port;
	draw_call(&x->draw, explain_data_arrow(x, true), "the SERVER dials you");
	if (port == 20 || port + 1 == command)
		draw_sentence(&x->draw,
		    "In active mode the server makes the call, from its data port %u "
		    "(one below %u, by tradition).",
		    port, port + 1);
	else
		draw_sentence(&x->draw,
		    "In active mode the server makes the call. It called from port %u, "
		    "not 20. That is allowed, "
		    "but a firewall rule \"from port 20\" would have blocked it.",
		    port);
	draw_sentence(&x->draw,
	    "A firewall at your side sees a stranger calling port %u: this is where "
	    "active mode usually breaks.",
	    (unsigned)x->data_own);
}

void
explain_on_stranger(struct explain *x, const struct ferry_event *ev)
{
	char text[ADDRESS_TEXT_MAX];

	explain_open_story(x);
	draw_broken_call(&x->draw,
	    (struct draw_arrow){.ours = x->data_own,
		.theirs = address_port(&ev->remote),
		.inward = true,
		.data = true,
		.stranger = true},
	    "a STRANGER dials you");
	draw_sentence(&x->draw,
	    "The call came from %s port %u, which is not the server. It was closed "
	    "unread.",
	    address_text(&ev->remote, text), (unsigned)address_port(&ev->remote));
}

void
explain_on_called(struct explain *x, const struct ferry_event *ev)
{
	explain_open_story(x);
	x->calls_by_you++;
	x->data_open = true;
	x->data_own = address_port(&ev->local);
	x->data_peer = address_port(&ev->remote);
	draw_call(&x->draw, explain_data_arrow(x, false), "you dial: data connection");
	draw_sentence(&x->draw,
	    "%s server's firewall must let port %u in: it must have its whole "
	    "passive range open, because the port changes each time.",
	    address_kind(&x->peer) == ADDRESS_LOOPBACK
		? "Here both ends are this machine, and nothing is in between. For "
		  "others the"
		: "Outgoing calls pass your router and firewall. The",
	    (unsigned)x->data_peer);
}

/* Digits after the point: a refusal comes in hundredths of a second. */
static int
digits(double seconds)
{
	return seconds < 1 ? 2 : 1;
}

static void
explain_data_silence(struct explain *x, const struct ferry_event *ev, const char *where)
{
	unsigned port = address_port(&ev->remote);

	if (address_same(&ev->remote, &x->peer))
		draw_sentence(&x->draw,
		    "No answer from %s port %u in %.*f s. Not \"refused\": silence. Port "
		    "%u of the same machine still "
		    "answers you, so the machine is up and a firewall or router in front "
		    "of it most likely swallows "
		    "port %u.",
		    where, port, digits(ev->seconds), ev->seconds,
		    (unsigned)address_port(&x->peer), port);
	else
		draw_sentence(&x->draw,
		    "No answer from %s port %u in %.*f s. Not \"refused\": silence. No "
		    "such machine, or a firewall "
		    "swallows the call.",
		    where, port, digits(ev->seconds), ev->seconds);
	if (x->encrypted)
		draw_sentence(&x->draw,
		    "Many firewalls open such a port when they read it in the answer "
		    "(227, 229). This answer they cannot read: it is encrypted.");
}

static void
explain_call_failure(struct explain *x, const struct ferry_event *ev)
{
	char where[ADDRESS_TEXT_MAX];
	unsigned port = address_port(&ev->remote);

	address_text(&ev->remote, where);
	switch (ev->sys_errno) {
	case ECONNREFUSED:
		draw_sentence(&x->draw,
		    "Refused by %s port %u after %.*f s: somebody answered \"no such "
		    "door here\". The machine is up; "
		    "either nothing listens at that port, or a firewall rejects the "
		    "call.",
		    where, port, digits(ev->seconds), ev->seconds);
		return;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EACCES:
	case ENOPROTOOPT:
		draw_sentence(&x->draw,
		    "\"%s\" from the way to %s port %u after %.*f s: %s.",
		    strerror(ev->sys_errno), where, port, digits(ev->seconds),
		    ev->seconds,
		    ev->channel == FERRY_DATA && address_same(&ev->remote, &x->peer)
			? "the command connection reaches the same address, so it is not "
			  "the route but a firewall "
			  "that says no"
			: "no machine has that address there, or a router or firewall "
			  "says no");
		return;
	case 0:
	case ETIMEDOUT:
	case EINPROGRESS:
		if (ev->channel == FERRY_DATA)
			explain_data_silence(x, ev, where);
		else
			draw_sentence(&x->draw,
			    "No answer from %s port %u in %.*f s: no such machine, or a "
			    "firewall swallows the call.",
			    where, port, digits(ev->seconds), ev->seconds);
		return;
	default:
		draw_sentence(
		    &x->draw, "%s port %u: %s.", where, port, strerror(ev->sys_errno));
	}
}

void
explain_on_connect_failed(struct explain *x, const struct ferry_event *ev)
{
	if (ev->channel == FERRY_DATA)
		explain_open_story(x);
	if (ev->error == FERRY_EABORTED)
		return; /* another address of the host answered first */
	x->draw.time = ev->time > ev->seconds ? ev->time - ev->seconds : 0;
	if (x->whole && !x->connected) {
		/* there is nobody else in the diagram yet */
		x->own = ev->local;
		x->peer = ev->remote;
		explain_open_story(x);
		x->has_columns = false;
	}
	draw_broken_call(&x->draw,
	    (struct draw_arrow){.ours = address_port(&ev->local),
		.theirs = address_port(&ev->remote),
		.data = ev->channel == FERRY_DATA},
	    ev->channel == FERRY_DATA ? "you dial: data connection"
				      : "you dial: command connection");
	explain_call_failure(x, ev);
}

void
explain_on_reused(struct explain *x, const struct ferry_event *ev)
{
	explain_open_story(x);
	x->data_own = address_port(&ev->local);
	x->data_peer = address_port(&ev->remote);
	draw_sentence(&x->draw,
	    "The data connection from your port %u to the server's port %u is still open "
	    "(block mode): nobody needs to call.",
	    (unsigned)x->data_own, (unsigned)x->data_peer);
}

void
explain_on_data_end(struct explain *x, const struct ferry_event *ev)
{
	explain_open_story(x);
	draw_bytes(&x->draw, explain_data_arrow(x, !ev->upload), ev->bytes, ev->seconds);
	if (x->blocks)
		draw_sentence(&x->draw, "End of file = a block that says so. The data "
					"connection stays open for the next file.");
	else
		draw_sentence(&x->draw, ev->upload
					    ? "End of file = you hang up."
					    : "End of file = the server hangs up.");
	if (ev->wire > 0 && ev->wire < ev->bytes)
		draw_sentence(&x->draw, "Packed, %llu bytes became %llu on the way.",
		    (unsigned long long)ev->bytes, (unsigned long long)ev->wire);
	x->data_open = false;
	x->n_files++;
	explain_tell_held(x);
}

/* Heard from the other end, or seen on the way; what we close ourselves is told already.
 */
void
explain_on_closed(struct explain *x, const struct ferry_event *ev)
{
	bool data = ev->channel == FERRY_DATA;
	const struct attempt *a = explain_attempt(x);

	if (!data)
		x->connected = false;
	if (!x->whole)
		return;
	if (!data)
		draw_step(&x->draw, "the command connection %s.",
		    ev->error == 0 ? "is closed" : "is gone");
	else if (!a->done && a->bytes > 0) {
		draw_bytes(&x->draw, explain_data_arrow(x, !x->upload), a->bytes, 0);
		draw_sentence(&x->draw, "The data connection ended here, too early.");
	} else if (!a->done) {
		draw_step(&x->draw, "the data connection is closed, unused.");
	}
}

bool
explain_missed_call(struct explain *x)
{
	const struct attempt *a = explain_attempt(x);

	if (!x->active || !a->agreed || a->called || x->missed)
		return false;
	x->missed = true;
	x->data_peer = 0;
	draw_broken_call(&x->draw, explain_data_arrow(x, true), "the SERVER dials you");
	draw_sentence(&x->draw,
	    "You waited at port %u as announced, and no call of the server came there.",
	    (unsigned)x->data_own);
	return true;
}
