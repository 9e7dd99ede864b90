/*
 * The calls that move files: ferry_get() and ferry_put(). The machinery is transfer.c.
 */
#include "client.h"

static const struct op_type op_get = {
    .name = "get",
    TRANSFER_OP,
    .reply = transfer_reply,
    .work = transfer_work,
    .end = transfer_end,
};

static const struct op_type op_put = {
    .name = "put",
    TRANSFER_OP,
    .reply = transfer_reply,
    .work = transfer_work,
    .end = transfer_end,
};

/* RFC 3659 5.3: in TYPE A the offset would count line ends that only the wire has. */
static int
check_offset(struct ferry *h, uint64_t offset)
{
	if (offset > 0 && !h->binary)
		return fail(
		    h, FERRY_EINVAL, 0, "a transfer can be continued in TYPE I only");
	if (offset > INT64_MAX)
		return fail(h, FERRY_EINVAL, 0, "no file is that long");
	return 0;
}

int
ferry_get(
    struct ferry *h, const char *path, uint64_t offset, ferry_write_cb *cb, void *user)
{
	int r = op_prepare(h, &op_get, path ? path : "", NULL);

	if (r < 0)
		return r;
	transfer_prepare(h, "RETR", h->binary ? 'I' : 'A');
	h->xfer.convert = !h->binary;
	h->xfer.check_size = h->binary;
	h->xfer.offset = offset;
	h->xfer.write = cb;
	h->xfer.user = user;
	r = check_offset(h, offset);
	if (r < 0) {
		op_release(h);
		return r;
	}
	return op_run(h);
}

static const char *const put_verbs[] = {
    [FERRY_PUT_STORE] = "STOR",
    [FERRY_PUT_APPEND] = "APPE",
    [FERRY_PUT_UNIQUE] = "STOU",
};

static int
check_put(struct ferry *h, enum ferry_put_how how, uint64_t offset)
{
	if ((size_t)how >= ARRAY_LEN(put_verbs))
		return fail(h, FERRY_EINVAL, 0, "there is no way %d to upload", (int)how);
	if (offset > 0 && how != FERRY_PUT_STORE)
		return fail(
		    h, FERRY_EINVAL, 0, "an offset goes with FERRY_PUT_STORE only");
	return check_offset(h, offset);
}

int
ferry_put(struct ferry *h, const char *path, enum ferry_put_how how, uint64_t offset,
    int64_t size, ferry_read_cb *cb, void *user)
{
	/* RFC 959 gives STOU no argument: the server chooses */
	bool nameless = how == FERRY_PUT_UNIQUE && (!path || !*path);
	int r = op_prepare(h, &op_put, nameless ? NULL : path ? path : "", NULL);

	if (r < 0)
		return r;
	r = check_put(h, how, offset);
	if (r < 0) {
		op_release(h);
		return r;
	}
	transfer_prepare(h, put_verbs[how], h->binary ? 'I' : 'A');
	h->xfer.upload = true;
	h->xfer.convert = !h->binary;
	h->xfer.offset = offset;
	h->xfer.size = size < 0 ? -1 : size;
	h->xfer.read = cb;
	h->xfer.user = user;
	return op_run(h);
}
