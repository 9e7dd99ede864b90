/*
 * Keys in a row of bytes: the lengths of all items, 32 bits each in the machine's order
 * (sender and receiver are one machine), then the items. For master and workers. Must
 * never leave a copy of a key behind that it does not hand out.
 */
#include "keys.h"

#include <ferry/ferry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define HEAD (KEYS_ITEMS * sizeof(uint32_t))

int
keys_pack(const struct keys *keys, struct buf *out)
{
	uint32_t length[KEYS_ITEMS];
	size_t total = HEAD;
	uint8_t *p;

	for (size_t i = 0; i < KEYS_ITEMS; i++) {
		if (keys->item[i].n > KEYS_MAX)
			return -FERRY_ETOOBIG;
		length[i] = (uint32_t)keys->item[i].n;
		total += length[i];
	}
	/* All of it at once: a buffer that grows leaves its old memory behind. */
	int r = buf_reserve(out, total, &p);
	if (r < 0)
		return r;
	memcpy(p, length, HEAD);
	p += HEAD;
	for (size_t i = 0; i < KEYS_ITEMS; i++) {
		if (length[i] > 0)
			memcpy(p, keys->item[i].p, length[i]);
		p += length[i];
	}
	buf_commit(out, total);
	return 0;
}

int
keys_parse(const uint8_t *p, size_t n, struct keys *ret)
{
	uint32_t length[KEYS_ITEMS];
	struct keys keys;

	if (n < HEAD)
		return -FERRY_EPROTO;
	memcpy(length, p, HEAD);
	p += HEAD;
	n -= HEAD;
	for (size_t i = 0; i < KEYS_ITEMS; i++) {
		if (length[i] > n)
			return -FERRY_EPROTO;
		keys.item[i] = (struct bytes){.p = p, .n = length[i]};
		p += length[i];
		n -= length[i];
	}
	if (n > 0)
		return -FERRY_EPROTO;
	*ret = keys;
	return 0;
}

int
keys_seal(const struct buf *packed)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	_cleanup_close_ int fd = memfd_create("ferryd-keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const uint8_t *p = buf_data(packed);
	size_t left = buf_len(packed);

	if (fd < 0)
		return -FERRY_ESYS;
	while (left > 0) {
		ssize_t n = write(fd, p, left);

		if (n < 0)
			return -FERRY_ESYS;
		p += n;
		left -= (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -FERRY_ESYS;
	return fd_take(&fd);
}

int
keys_unseal(int fd, struct buf *out)
{
	struct stat st;
	size_t got = 0;
	uint8_t *p;

	if (fstat(fd, &st) < 0)
		return -FERRY_ESYS;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)HEAD ||
	    st.st_size > (off_t)(HEAD + KEYS_MAX))
		return -FERRY_EPROTO;
	int r = buf_reserve(out, (size_t)st.st_size, &p);
	if (r < 0)
		return r;
	while (got < (size_t)st.st_size) {
		ssize_t n = pread(fd, p + got, (size_t)st.st_size - got, (off_t)got);

		if (n <= 0)
			return n < 0 ? -FERRY_ESYS : -FERRY_EPROTO;
		got += (size_t)n;
	}
	buf_commit(out, got);
	return 0;
}
