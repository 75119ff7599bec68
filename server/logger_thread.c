/* server/logger_thread.c
 *
 * The log thread is in one of three states, and a writer has to wake it only in the first, or
 * when its line is urgent (a warning, an error, or 64 KiB in its ring):
 *
 *   IDLE    all rings were empty; it sleeps without a timeout
 *   DOZING  there may be lines; it sleeps until LOGGER_DOZE_MS have passed
 *   AWAKE   it is draining; afterwards it dozes, or idles when there was nothing
 *
 * So a busy server's lines cost no system call, and an idle server's log thread never runs. No
 * wake-up is lost: a writer puts its line, then reads the state; the thread sets IDLE, then
 * looks at the rings (all sequentially consistent). */
#include "server/logger_thread.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
	LOGGER_DOZE_MS = 200,
	LOGGER_WAIT_MS = 200, /* for room, with an output locked */
	LOGGER_STALL_MS =
		500, /* how often the log thread, waiting for room, looks whether to stop */
};

/* What the thread has formatted and not yet written, for one output. */
struct logger_batch {
	struct log_output *output;
	struct buf buf;
	bool failing; /* the last write failed, and was reported */
};

static void logger_report(struct logger_batch *err, enum log_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void logger_report(struct logger_batch *err, enum log_kind kind, const char *format, ...)
{
	struct log_record record = { 0, kind, clock_wall_ns() };
	char text[256];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check(len > 0);
	logger_format(err->output, &record, str_of(text), &err->buf);
}

static void logger_lose(struct str lines)
{
	uint64_t n = 0;

	for (size_t i = 0; i < lines.len; i++)
		n += lines.ptr[i] == '\n';
	atomic_fetch_add(&logger.n_lost, n);
}

/* Waits as long as it takes, or until the logger stops: meanwhile the rings fill, and drop what
 * may be dropped. */
static int logger_flush_batch(struct logger_batch *batch)
{
	struct str lines = buf_str(&batch->buf);
	int r = batch->buf.error;

	while (lines.len > 0 && (r == 0 || r == -EAGAIN)) {
		while (!log_output_wait(batch->output, LOGGER_STALL_MS))
			if (atomic_load(&logger.stopping))
				break;
		r = log_output_write(batch->output, &lines, LOGGER_WAIT_MS);
		if (r == -EAGAIN && atomic_load(&logger.stopping))
			break;
	}
	logger_lose(lines);
	buf_clear(&batch->buf);
	return r;
}

static void logger_flush(struct logger_batch *err, struct logger_batch *file)
{
	int r = file->buf.len > 0 ? logger_flush_batch(file) : file->failing ? -1 : 0;

	if (r < 0 && !file->failing)
		logger_report(err, LOG_KIND_ERROR,
			      "access log cannot be written error=\"%s\"; its lines are lost",
			      strerrordesc_np(-r));
	else if (r == 0 && file->failing)
		logger_report(err, LOG_KIND_INFO, "access log is written again");
	file->failing = r < 0;
	(void)logger_flush_batch(err);
}

static bool logger_drain_ring(struct log_ring *ring, struct logger_batch *err,
			      struct logger_batch *file)
{
	uint64_t n_dropped = atomic_load_explicit(&ring->n_dropped, memory_order_relaxed);
	struct log_record record;
	char text[LOG_TEXT_MAX];
	bool any = false;

	for (; log_ring_take(ring, &record, text); any = true) {
		struct log_output *output = logger_output(record.kind);

		if (output)
			logger_format(output, &record, (struct str){ text, record.size },
				      output == &logger.err ? &err->buf : &file->buf);
		if (err->buf.len >= LOGGER_BATCH_SIZE || file->buf.len >= LOGGER_BATCH_SIZE)
			logger_flush(err, file);
	}
	if (n_dropped != ring->n_reported)
		logger_report(err, LOG_KIND_WARNING, "log lines dropped n=%ju",
			      (uintmax_t)(n_dropped - ring->n_reported));
	ring->n_reported = n_dropped;
	return any;
}

static bool logger_drain(struct logger_batch *err, struct logger_batch *file)
{
	bool any = false;

	for (struct log_ring *ring = atomic_load(&logger.rings); ring; ring = ring->next)
		any = logger_drain_ring(ring, err, file) || any;
	logger_flush(err, file);
	return any;
}

static bool logger_has_lines(void)
{
	for (struct log_ring *ring = atomic_load(&logger.rings); ring; ring = ring->next)
		if (!log_ring_is_empty(ring))
			return true;
	return false;
}

static void logger_sleep_for(int timeout_ms)
{
	struct pollfd poller = { .fd = logger.wake_fd, .events = POLLIN };
	uint64_t n;

	if (poll(&poller, 1, timeout_ms) > 0 && read(logger.wake_fd, &n, sizeof(n)) < 0)
		check(errno == EAGAIN || errno == EINTR);
}

static bool logger_is_called(void)
{
	return atomic_load(&logger.urgent) || atomic_load(&logger.stopping);
}

/* Sleeps until there is something that should be written now. */
static void logger_sleep(bool had_lines)
{
	if (!had_lines) {
		atomic_store(&logger.state, LOGGER_IDLE);
		if (!logger_has_lines())
			logger_sleep_for(-1);
	}
	atomic_store(&logger.state, LOGGER_DOZING);
	if (!logger_is_called() && (had_lines || logger_has_lines()))
		logger_sleep_for(LOGGER_DOZE_MS);
	atomic_store(&logger.state, LOGGER_AWAKE);
	atomic_store(&logger.urgent, false);
}

static void *logger_thread_run(void *arg)
{
	struct logger_batch err = { .output = &logger.err }, file = { .output = &logger.file };
	bool stopping, any;

	(void)arg;
	pthread_setname_np(pthread_self(), "leat-log");
	buf_init(&err.buf, LOGGER_BATCH_MAX);
	buf_init(&file.buf, LOGGER_BATCH_MAX);
	do {
		stopping = atomic_load(&logger.stopping);
		any = logger_drain(&err, &file);
		if (!stopping)
			logger_sleep(any);
	} while (!stopping);
	buf_fini(&err.buf);
	buf_fini(&file.buf);
	return NULL;
}

/* Signals are the main thread's. */
int logger_thread_start(void)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&logger.thread, NULL, logger_thread_run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

void logger_thread_join(void)
{
	check(pthread_join(logger.thread, NULL) == 0);
}
