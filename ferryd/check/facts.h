/*
 * What ferryd check finds out about this machine before it judges: plain values, so that
 * the judge is a pure function and a test can write any machine down. Gathering reads
 * files of the system, tries to bind ports, resolves pasv_address where it is a name,
 * calls its control port once if a server runs here, and runs nft to read the packet
 * filter's rules. It changes nothing, and asks nobody on the network but the resolver.
 */
#ifndef FERRYD_CHECK_FACTS_H
#define FERRYD_CHECK_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "endpoint.h"
#include "reach.h"
#include "ruleset.h"

#define FACTS_ADDRESSES 64
#define FACTS_ADVERTISED 8
#define FACTS_PORTS 4

enum yesno { UNKNOWN, NO, YES };

/* Why the packet filter's rules are not known. */
enum unread {
	READ_ALL,
	UNREAD_NOT_ROOT,
	UNREAD_NO_NFT, /* there is no such program */
	UNREAD_FAILED, /* it failed, or said what could not be read */
	UNREAD_LEGACY, /* iptables with its own tables in the kernel, which nft does not
			  show */
};

/* The families a call can come over. */
enum { FAMILY_4, FAMILY_6, FAMILIES };

struct facts {
	/* Where the server listens, as far as the options say. */
	bool listens[FAMILIES];
	uint16_t control[FACTS_PORTS]; /* its ports for control connections */
	size_t controls;

	/* This machine's addresses, without loopback and link-local ones. */
	struct endpoint own[FACTS_ADDRESSES];
	size_t owns;
	unsigned smallest_mtu; /* of its interfaces; 0: unknown */

	/* pasv_address: a number, or what the name resolves to. */
	struct endpoint advertised[FACTS_ADVERTISED];
	size_t advertiseds;
	bool advertised_by_name;
	enum reach outside; /* its control port, called from here, where a server runs */

	/* The passive range. */
	unsigned busy;       /* ports that cannot be bound */
	uint16_t first_busy; /* ... one of them */
	int busy_error;      /* ... and why */
	enum yesno
	    control_busy; /* a server runs on the control port: ferryd, most likely */

	/* Connections to the control port that the system knows of, a minute back. */
	unsigned calls;
	unsigned trusted_calls; /* of them, from proxy_protocol_from */
	struct endpoint caller; /* one of the others, or of all */
	bool one_caller;        /* there is no other address */
	bool caller_is_gateway; /* it is this machine's way out */

	int data_port_error; /* of binding ftp_data_port; 0: it can be bound */

	/* The kernel; low > high: unknown */
	uint16_t ephemeral_low, ephemeral_high;
	enum yesno
	    reserved;    /* ip_local_reserved_ports has all of the range that overlaps */
	int mtu_probing; /* tcp_mtu_probing; -1: unknown */
	/* Ports below are root's; 0: unknown. The processes that listen are not root. */
	unsigned unprivileged_from;

	/* The packet filter. */
	enum unread unread;
	enum manager manager;
	char chain[200]; /* where a rule belongs, or "" */
	bool ftp_helper;
	enum passage control_passage[FAMILIES], passive_passage[FAMILIES];
	uint16_t shut_port[FAMILIES]; /* with PASSAGE_PARTLY, of the passive range */

	/* What else stands between the program and the network. */
	enum yesno selinux; /* it enforces */
	char apparmor[128]; /* this program's profile, or "" */
	char container[32]; /* "docker", "podman", "kubernetes", ... or "" */
};

/* conf must have come through load_config(). Takes a few seconds at most. */
void facts_gather(const struct conf *conf, struct facts *ret);

/* Only where the server listens and the machine's addresses; the rest stays empty. */
void facts_gather_addresses(const struct conf *conf, struct facts *ret);

#endif
