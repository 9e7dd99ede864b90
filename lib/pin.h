/*
 * Pins: the SHA-256 of a public key (of its SubjectPublicKeyInfo, RFC 7469 2.4), as text.
 * For the client engine and its program; knows nothing of certificates.
 */
#ifndef FERRY_LIB_PIN_H
#define FERRY_LIB_PIN_H

#include <stdint.h>

#define PIN_SIZE 32
/* 64 digits and the NUL */
#define PIN_TEXT_MAX (2 * PIN_SIZE + 1)

/* Takes 64 hexadecimal digits, with or without a colon between any two bytes, or 44
 * characters of base64; in front may stand "sha256//" (curl's way), "sha256:" or
 * "SHA256:". 0 or -FERRY_EINVAL. */
int pin_parse(const char *text, uint8_t ret[PIN_SIZE]);
/* 64 digits in lower case. Returns out. */
const char *pin_format(const uint8_t pin[PIN_SIZE], char out[PIN_TEXT_MAX]);

#endif
