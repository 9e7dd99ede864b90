/*
 * How far away the server is, as the system has measured it. A file of its own because
 * the shortest round trip is in the kernel's header and not in the C library's, and the
 * two cannot be had together.
 */
#include "client.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

unsigned
ferry_round_trip(const struct ferry *h)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (h->control.fd < 0 ||
	    getsockopt(h->control.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	/* kernels that do not know it leave it at 0, and say ~0 while there is none */
	return info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt;
}
