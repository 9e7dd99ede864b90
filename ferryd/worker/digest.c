/*
 * Checksums. See digest.h.
 */
#include "digest.h"

#include <ferry/ferry.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* crypto: libcrypto's name, or NULL for zlib's CRC-32. */
static const struct {
	const char *name;
	const char *crypto;
} kinds[DIGEST_COUNT] = {
    [DIGEST_SHA256] = {"SHA-256", "SHA256"},
    [DIGEST_SHA512] = {"SHA-512", "SHA512"},
    [DIGEST_SHA1] = {"SHA-1", "SHA1"},
    [DIGEST_MD5] = {"MD5", "MD5"},
    [DIGEST_CRC32] = {"CRC32", NULL},
};

struct digest {
	EVP_MD_CTX *context; /* NULL: CRC-32 */
	uLong crc;
};

const char *
digest_name(enum digest_kind kind)
{
	return kinds[kind].name;
}

bool
digest_find(struct bytes name, enum digest_kind *ret_kind)
{
	for (int i = 0; i < DIGEST_COUNT; i++) {
		if (strlen(kinds[i].name) != name.n ||
		    !equal_nocase((const char *)name.p, kinds[i].name, name.n))
			continue;
		*ret_kind = (enum digest_kind)i;
		return true;
	}
	return false;
}

/* One of each is made, so that all that libcrypto does at first use is done. */
void
digest_prepare(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	for (int i = 0; i < DIGEST_COUNT; i++) {
		struct digest *d = NULL;

		if (digest_new((enum digest_kind)i, &d) == 0)
			digest_free(d);
	}
}

static int
digest_begin(struct digest *d, const char *crypto)
{
	EVP_MD *md = EVP_MD_fetch(NULL, crypto, NULL);
	int good = 0;

	d->context = md != NULL ? EVP_MD_CTX_new() : NULL;
	if (d->context != NULL)
		good = EVP_DigestInit_ex2(d->context, md, NULL);
	EVP_MD_free(md); /* the context has its own reference */
	return good ? 0 : -FERRY_ENOMEM;
}

int
digest_new(enum digest_kind kind, struct digest **ret)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -FERRY_ENOMEM;
	if (kinds[kind].crypto != NULL && digest_begin(d, kinds[kind].crypto) < 0) {
		digest_free(d);
		return -FERRY_ENOMEM;
	}
	if (kinds[kind].crypto == NULL)
		d->crc = crc32(0, NULL, 0);
	*ret = d;
	return 0;
}

void
digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->context);
	free(d);
}

int
digest_add(struct digest *d, const void *p, size_t n)
{
	if (d->context != NULL)
		return EVP_DigestUpdate(d->context, p, n) ? 0 : -FERRY_ENOMEM;
	d->crc = crc32_z(d->crc, p, n);
	return 0;
}

int
digest_end(struct digest *d, char out[DIGEST_TEXT_MAX])
{
	uint8_t raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (d->context == NULL) {
		snprintf(out, DIGEST_TEXT_MAX, "%08lx", (unsigned long)d->crc);
		return 0;
	}
	if (!EVP_DigestFinal_ex(d->context, raw, &n) || n > (DIGEST_TEXT_MAX - 1) / 2)
		return -FERRY_ENOMEM;
	for (unsigned i = 0; i < n; i++)
		snprintf(out + 2 * (size_t)i, 3, "%02x", raw[i]);
	return 0;
}
