/*
 * See forge.h. RFC 8446 5.2, 5.3, 7.1 to 7.3.
 */
#include "forge.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define TAG 16
#define HEAD 5
#define CONTENT_MAX (1 << 14)

/* HKDF-Expand-Label without context, of one block. */
static void
derive(const uint8_t secret[FORGE_SECRET], const char *label, uint8_t *ret, size_t n)
{
	uint8_t info[32], block[32];
	unsigned len = 0;
	int words = snprintf((char *)info + 3, sizeof(info) - 3, "tls13 %s", label);

	info[0] = 0;
	info[1] = (uint8_t)n;
	info[2] = (uint8_t)words;
	/* Its NUL stands for the empty context. */
	info[3 + words + 1] = 1;
	HMAC(EVP_sha256(), secret, FORGE_SECRET, info, (size_t)words + 5, block, &len);
	assert(len == sizeof(block) && n <= len);
	memcpy(ret, block, n);
}

void
forge_begin(struct forge *f, const uint8_t secret[FORGE_SECRET])
{
	memcpy(f->secret, secret, FORGE_SECRET);
	derive(secret, "key", f->key, sizeof(f->key));
	derive(secret, "iv", f->iv, sizeof(f->iv));
	f->records = 0;
}

void
forge_next(struct forge *f)
{
	uint8_t next[FORGE_SECRET];

	derive(f->secret, "traffic upd", next, sizeof(next));
	forge_begin(f, next);
}

static void
seal(struct forge *f, uint8_t *record, size_t n)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[sizeof(f->iv)];
	int len = 0;

	memcpy(nonce, f->iv, sizeof(nonce));
	for (unsigned i = 0; i < 8; i++)
		nonce[sizeof(nonce) - 1 - i] ^= (uint8_t)(f->records >> 8 * i);
	assert(ctx != NULL);
	EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, f->key, nonce);
	EVP_EncryptUpdate(ctx, NULL, &len, record, HEAD);
	EVP_EncryptUpdate(ctx, record + HEAD, &len, record + HEAD, (int)n);
	EVP_EncryptFinal_ex(ctx, record + HEAD + n, &len);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, record + HEAD + n);
	EVP_CIPHER_CTX_free(ctx);
	f->records++;
}

bool
forge_record(struct forge *f, uint8_t type, const void *p, size_t n, size_t padding,
    struct buf *out)
{
	uint8_t record[HEAD + CONTENT_MAX + 1 + TAG] = {FORGE_DATA, 3, 3};
	size_t inner = n + 1 + padding;

	assert(n + padding <= CONTENT_MAX);
	record[3] = (uint8_t)((inner + TAG) >> 8);
	record[4] = (uint8_t)(inner + TAG);
	memcpy(record + HEAD, p, n);
	record[HEAD + n] = type;
	memset(record + HEAD + n + 1, 0, padding);
	seal(f, record, inner);
	return buf_append(out, record, HEAD + inner + TAG) == 0;
}
