/*
 * Deeds of the C library, of libuv and of threads: what they do behind our back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "deeds.h"
#include "log.h"
#include "sandbox.h"
#include "util.h"

/* Sizes that make a heap grow past the mmap threshold and shrink again. */
static void *
churn(void *user)
{
	void *blocks[128];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
			blocks[i] = malloc(1 + i * 2000);
			if (blocks[i] == NULL)
				return user;
			memset(blocks[i], 1, 1 + i * 2000);
		}
		for (size_t i = ARRAY_LEN(blocks); i > 0; i--)
			free(blocks[i - 1]);
	}
	return NULL;
}

int
threads(const struct stage *st)
{
	pthread_t thread[16];

	for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
		int error = pthread_create(&thread[i], NULL, churn, thread);
		if (error != 0)
			return error;
	}
	for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
		void *failed;
		if (pthread_join(thread[i], &failed) != 0 || failed != NULL)
			return ENOMEM;
	}
	return 0;
}

int
detached_threads(const struct stage *st)
{
	pthread_attr_t attr;
	int pipefd[2];
	char byte;

	if (pipe2(pipefd, O_CLOEXEC) < 0 || pthread_attr_init(&attr) != 0)
		return errno;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (int i = 0; i < 8; i++) {
		pthread_t thread;
		if (pthread_create(&thread, &attr, churn, NULL) != 0)
			return EAGAIN;
		if (write(pipefd[1], "x", 1) != 1 || read(pipefd[0], &byte, 1) != 1)
			return errno;
	}
	return 0;
}

static void
on_work(uv_work_t *work)
{
	churn(NULL);
}

static void
on_worked(uv_work_t *work, int status)
{
	int *left = work->data;

	--*left;
}

static void
on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	uv_close((uv_handle_t *)poll, NULL);
}

int
event_loop(const struct stage *st)
{
	uv_loop_t loop;
	uv_work_t work[8];
	uv_timer_t timer;
	uv_poll_t poll;
	int left = ARRAY_LEN(work);
	char byte;

	if (uv_loop_init(&loop) < 0)
		return EIO;
	for (size_t i = 0; i < ARRAY_LEN(work); i++) {
		work[i].data = &left;
		uv_queue_work(&loop, &work[i], on_work, on_worked);
	}
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 1, 0);
	if (uv_poll_init(&loop, &poll, st->channel[1]) < 0)
		return EIO;
	uv_poll_start(&poll, UV_READABLE, on_readable);
	if (write(st->channel[0], "x", 1) != 1)
		return errno;
	uv_run(&loop, UV_RUN_DEFAULT);
	if (read(st->channel[1], &byte, 1) != 1 || left != 0)
		return EIO;
	return uv_loop_close(&loop) == 0 ? 0 : EBUSY;
}

static int
by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
sort_many(const struct stage *st)
{
	size_t n = 300000;
	int *numbers = malloc(n * sizeof(int));

	if (numbers == NULL)
		return ENOMEM;
	for (size_t i = 0; i < n; i++)
		numbers[i] = (int)((i * 7919) % n);
	qsort(numbers, n, sizeof(int), by_number);
	free(numbers);
	return 0;
}

int
tell_time(const struct stage *st)
{
	time_t now = time(NULL);
	struct timespec ts;
	struct tm tm;
	uint8_t random[16];
	char text[64];

	if (localtime_r(&now, &tm) == NULL || gmtime_r(&now, &tm) == NULL)
		return errno;
	if (localtime(&now) == NULL || mktime(&tm) == (time_t)-1 ||
	    strftime(text, sizeof(text), "%c %Z", &tm) == 0)
		return errno;
	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0 ||
	    clock_getres(CLOCK_MONOTONIC, &ts) < 0)
		return errno;
	return getentropy(random, sizeof(random)) < 0 ? errno : 0;
}

int
say_something(const struct stage *st)
{
	int fd = st->channel[0];
	char said[256];

	if (strstr(sandbox_describe(), "seccomp") == NULL)
		return EINVAL;
	log_to(log_sink_socket, &fd);
	log_event(LOG_INFO, 1, "event=test cause=\"%s\" terminal=%d", strerror(ENOENT),
	    isatty(2));
	return read(st->channel[1], said, sizeof(said)) > 0 ? 0 : errno;
}

int
find_user(const struct stage *st)
{
	struct passwd *pw = getpwnam("root");

	return pw != NULL && pw->pw_uid == 0 && getpwnam("no-such-user") == NULL ? 0
										 : ENOENT;
}
