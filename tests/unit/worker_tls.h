/*
 * The keys of a worker in worker_world.h, from the kit of its peer
 * (tests/fuzz/tls_kit.h).
 */
#ifndef FERRY_TESTS_WORKER_TLS_H
#define FERRY_TESTS_WORKER_TLS_H

#include "worker_world.h"

#include "section.h"
#include "tls_identity.h"
#include "tls_kit.h"

static inline struct bytes
world_pem(BIO *bio)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return (struct bytes){(const uint8_t *)p, (size_t)n};
}

/* With the defaults of the configuration, and always the same tickets. */
static inline struct tls_identity *
world_identity(const struct tls_kit *kit)
{
	static const uint8_t ticket[KEYS_TICKET_SIZE] = "tickets";
	struct keys keys = {0};
	struct tls_identity *id = NULL;
	struct conf conf;
	char why[TLS_WHY_MAX];

	keys.item[KEYS_EC_CERT] = world_pem(kit->cert_pem);
	keys.item[KEYS_EC_KEY] = world_pem(kit->key_pem);
	keys.item[KEYS_TICKET] = (struct bytes){ticket, sizeof(ticket)};
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(tls_identity_new(&conf, 0, &keys, &id, why), 0);
	conf_free(&conf);
	return id;
}

/* Every host of the configuration shows it. */
static inline void
world_give_identity(struct world *w, struct tls_identity *id)
{
	size_t hosts = section_count(&w->conf, SECTION_HOST) + 1;

	w->worker.identity = calloc(hosts, sizeof(struct tls_identity *));
	assert_non_null(w->worker.identity);
	for (size_t i = 0; i < hosts; i++)
		w->worker.identity[i] = tls_identity_ref(id);
}

#endif
