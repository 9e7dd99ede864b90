/*
 * What every TLS row is measured with, by the load generator and by the bare mechanisms:
 * what all servers have. TLS 1.3 besides; the certificate is P-256 (bench.py).
 */
#ifndef FERRY_BENCH_CIPHER_H
#define FERRY_BENCH_CIPHER_H

#define CIPHER "TLS_AES_128_GCM_SHA256"
#define GROUP "P-256"

#endif
