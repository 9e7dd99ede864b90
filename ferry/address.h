/*
 * Socket addresses for people: text, port, and what kind of place an address is.
 */
#ifndef FERRY_ADDRESS_H
#define FERRY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 64

/* What the narration says about an address; decided by its bits alone. */
enum address_kind {
	ADDRESS_UNKNOWN, /* no address */
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE,
	ADDRESS_SHARED, /* of a provider's address translation, 100.64/10 */
	ADDRESS_LINK,
	ADDRESS_LOOPBACK,
	ADDRESS_NOWHERE, /* 0.0.0.0, :: */
};

/* "192.0.2.1", "2001:db8::1", "?" if there is none. An IPv4 address mapped into IPv6 is
 * shown as IPv4. Returns out, which holds ADDRESS_TEXT_MAX bytes. */
const char *address_text(const struct sockaddr_storage *a, char *out);
/* The opposite. 0 or -1. A scope ("%eth0") is dropped. */
int address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret);
uint16_t address_port(const struct sockaddr_storage *a);
void address_set_port(struct sockaddr_storage *a, uint16_t port);
/* The address without the port. */
bool address_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
enum address_kind address_kind(const struct sockaddr_storage *a);
/* Can nobody outside its own network call this address? */
bool address_is_inner(const struct sockaddr_storage *a);
/* Does it stand for an IPv4 address (64:ff9b::/96, RFC 6052)? */
bool address_is_translated(const struct sockaddr_storage *a);

/* The addresses in a text, "192.0.2.1", "192,0,2,1,..." or "2001:db8::1", at most max:
 * how many were found. */
size_t address_find(const char *text, struct sockaddr_storage *ret, size_t max);

#endif
