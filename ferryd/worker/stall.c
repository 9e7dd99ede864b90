/*
 * The end of a transfer that stands still, as TCP sees it. See stall.h. Must never take
 * the client's own slowness for a fault of the network.
 */
#include "stall.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* One packet may be lost; so often in a row, with longer and longer pauses, is no chance.
 */
#define REPEATS_MIN 2
/* Loopback's packets are larger than any link's, and nothing swallows them. */
#define PACKET_MAX 9000
#define PACKET_USUAL 1448

bool
stall_look(int fd, struct stall *s)
{
	struct tcp_info i = {0};
	socklen_t len = sizeof(i);
	int waiting = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
		return false;
	if (ioctl(fd, SIOCOUTQ, &waiting) < 0 || waiting < 0)
		waiting = 0;
	if (!s->upload)
		s->arrived = i.tcpi_bytes_acked;
	s->packet = i.tcpi_snd_mss <= PACKET_MAX ? i.tcpi_snd_mss : PACKET_USUAL;
	s->in_flight = i.tcpi_unacked;
	s->repeats = i.tcpi_retransmits;
	s->probes = i.tcpi_probes;
	s->waiting = (size_t)waiting;
	return true;
}

/* Our packets, or the probes of a closed window, get no answer. */
static bool
is_unanswered(const struct stall *s)
{
	return s->given_up || (s->in_flight > 0 && s->repeats >= REPEATS_MIN) ||
	       s->probes >= REPEATS_MIN;
}

/* Handshakes are small. A connection on which only they got through, and nothing that
 * fills a packet, is the picture of a link that takes smaller packets only, with the ICMP
 * message that would say so filtered (RFC 2923 2.1). A client that sends fills its first
 * packet: behind such a link nothing of the file comes at all. */
enum failure_cause
stall_judge(const struct stall *s)
{
	if (!s->upload && is_unanswered(s))
		return s->arrived >= s->packet ? FAILURE_LOST : FAILURE_SWALLOWED;
	if (!s->stood)
		return FAILURE_CAUSES;
	if (s->upload)
		return s->arrived > 0 ? FAILURE_SILENT : FAILURE_SWALLOWED;
	return s->in_flight == 0 && s->waiting > 0 ? FAILURE_UNREAD : FAILURE_CAUSES;
}

const char *
stall_words(enum failure_cause cause, bool upload)
{
	switch (cause) {
	case FAILURE_SWALLOWED:
		return upload ? " The connection is open, and nothing ever came: a link "
				"on the way may take small packets only (MTU)."
			      : " My large packets get no answer: a link on the way may "
				"take smaller ones only (MTU).";
	case FAILURE_LOST:
		return " My packets get no answer any more: something on the way drops "
		       "them.";
	case FAILURE_UNREAD:
		return " Your side is connected and takes no more.";
	case FAILURE_SILENT:
		return " Your side is connected and sends no more, or it does not get "
		       "through.";
	default:
		return "";
	}
}
