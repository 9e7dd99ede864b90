/*
 * Messages between ferryd's processes: typed, versioned, checked to the last byte on
 * arrival. The rows of messages.def make the structs here and the codec in msg.c.
 *
 * The sender is always taken for hostile: a message of the wrong version, from a role
 * that may not send it, with a number out of range, a text with a NUL, a byte too few or
 * too many, or a wrong number of descriptors is refused whole, and the receiver ends that
 * peer.
 */
#ifndef FERRYD_WIRE_MSG_H
#define FERRYD_WIRE_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "util.h"

#define WIRE_VERSION 1
/* Largest encoded message; a SOCK_SEQPACKET datagram. */
#define WIRE_MAX 66560
/* Most descriptors that any message carries. */
#define WIRE_MAX_FDS 2
/* Where a child finds its channel to the master. */
#define WIRE_CHILD_FD 3

/* Bits, so that a row of messages.def can name several. */
enum role {
	ROLE_MASTER = 1 << 0,
	ROLE_WORKER = 1 << 1,
	ROLE_AGENT = 1 << 2,
	ROLE_AUTH = 1 << 3,
	ROLE_CHILD = ROLE_WORKER | ROLE_AGENT | ROLE_AUTH,
};

#define MESSAGE(NAME, ...) MSG_##NAME,
enum msg_type {
	MSG_NONE,
#include "messages.def"
	MSG_TYPES,
};
#undef MESSAGE

/* The FIELDS_ macros of messages.def are now defined: one struct per message. TEXT and
 * BYTES are borrowed from the buffer that was decoded; TEXT holds no NUL but is not
 * terminated by one. */
#define MSG_UINT8(name, min, max) uint8_t name;
#define MSG_UINT16(name, min, max) uint16_t name;
#define MSG_UINT32(name, min, max) uint32_t name;
#define MSG_UINT64(name, min, max) uint64_t name;
#define MSG_INT64(name) int64_t name;
#define MSG_BYTES(name, min, max) struct bytes name;
#define MESSAGE(NAME, name, ...)                                                         \
	struct msg_##name {                                                              \
		FIELDS_##name(MSG_UINT8, MSG_UINT16, MSG_UINT32, MSG_UINT64, MSG_INT64,  \
		    MSG_BYTES, MSG_BYTES)                                                \
	};
#include "messages.def"
#undef MESSAGE

struct msg {
	enum msg_type type;
	uint32_t id; /* of a request, and of its answer; 0 where nothing is answered */
	union {
#define MESSAGE(NAME, name, ...) struct msg_##name name;
#include "messages.def"
#undef MESSAGE
	};
};

/* "WORKER_GRANT"; for logs and tests. */
const char *msg_name(enum msg_type type);

/* Writes m into out (WIRE_MAX bytes). 0 and *ret_len, or -FERRY_EINVAL when m could not
 * be decoded by a receiver of that role: out of range, wrong direction, wrong number of
 * descriptors. */
int msg_encode(const struct msg *m, enum role from, enum role to, size_t nfds,
    uint8_t *out, size_t *ret_len);
/* Reads a message that `from` sent to `to` with nfds descriptors. 0, or -FERRY_EPROTO
 * with *ret_why naming the rule that was broken (static text). ret's pointers lead into
 * p. */
int msg_decode(const uint8_t *p, size_t n, enum role from, enum role to, size_t nfds,
    struct msg *ret, const char **ret_why);

/* A C string as a field. */
struct bytes bytes_of(const char *s);
/* A field as an allocated C string; NULL when memory is out. */
char *bytes_dup(struct bytes b);

#endif
