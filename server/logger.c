/* server/logger.c
 *
 * The log thread is in one of three states, and a writer has to wake it only in the first, or when its line is urgent (a
 * warning, an error, or 64 KiB in its ring):
 *
 *   IDLE    all rings were empty; it sleeps without a timeout
 *   DOZING  there may be lines; it sleeps until LOGGER_DOZE_MS have passed
 *   AWAKE   it is draining; afterwards it dozes, or idles when there was nothing
 *
 * So a busy server's lines cost no system call, and an idle server's log thread never runs. No wake-up is lost: a writer
 * puts its line, then reads the state; the thread sets IDLE, then looks at the rings (all sequentially consistent).
 *
 * Locking: none here but that of the outputs; what is not atomic is the main thread's, and fixed while others run. */
#include "server/logger.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "server/log_line.h"
#include "server/log_output.h"
#include "server/log_ring.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOGGER_DOZE_MS = 200,
	LOGGER_WAKE_SIZE = 64 << 10,  /* bytes in one ring */
	LOGGER_BATCH_SIZE = 64 << 10, /* bytes of lines that are written at once */
	LOGGER_BATCH_MAX = 1 << 20,
	LOGGER_WAIT_MS = 200, /* how long a thread that writes by itself waits for room */
	LOGGER_STALL_MS =
		500, /* how often the log thread, waiting for room, looks whether to stop */
};

enum logger_state { LOGGER_IDLE, LOGGER_DOZING, LOGGER_AWAKE };
enum logger_target { LOGGER_ACCESS_OFF, LOGGER_ACCESS_STDERR, LOGGER_ACCESS_FILE };

static struct {
	bool started; /* main thread */
	pthread_t thread;
	int wake_fd;
	bool journal; /* stderr is systemd's journal; fixed while started */
	struct log_ring *_Atomic rings;
	_Atomic int state;  /* enum logger_state */
	atomic_bool urgent; /* the thread has been woken for this turn already */
	atomic_bool stopping;
	_Atomic int format, access; /* enum logger_format, logger_target */
	_Atomic uint64_t n_lines;   /* that had no ring */
	_Atomic uint64_t n_lost;    /* that no output took */
	struct log_output err, file;
	char *path; /* of the access file; main thread */
} logger;

static _Thread_local struct log_ring *own_ring;

/* ------------------------------------------------------------ writers */

static void logger_wake(void)
{
	const uint64_t one = 1;

	while (write(logger.wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void logger_wake_for(enum log_kind kind, size_t waiting)
{
	int idle = LOGGER_IDLE;

	if (kind <= LOG_KIND_WARNING || waiting >= LOGGER_WAKE_SIZE) {
		if (!atomic_load(&logger.urgent) && !atomic_exchange(&logger.urgent, true))
			logger_wake();
	} else if (atomic_load(&logger.state) == LOGGER_IDLE &&
		   atomic_compare_exchange_strong(&logger.state, &idle, LOGGER_DOZING)) {
		logger_wake();
	}
}

static struct log_style logger_style(const struct log_output *output)
{
	return (struct log_style){ .json = atomic_load(&logger.format) == LOGGER_JSON,
				   .journal = output == &logger.err && logger.journal };
}

/* Where lines of this kind go now, or NULL. */
static struct log_output *logger_output(uint32_t kind)
{
	if (kind != LOG_KIND_ACCESS)
		return &logger.err;
	switch ((enum logger_target)atomic_load(&logger.access)) {
	case LOGGER_ACCESS_OFF:
		return NULL;
	case LOGGER_ACCESS_STDERR:
		return &logger.err;
	case LOGGER_ACCESS_FILE:
		return &logger.file;
	}
	unreachable();
}

/* Writes without a ring; waits a moment when there is no room, then gives the line up. */
static void logger_write_now(enum log_kind kind, struct str text)
{
	struct log_record record = { (uint32_t)text.len, kind, clock_wall_ns() };
	struct log_output *output = logger_output(kind);
	struct str lines;
	struct buf buf;

	if (!output)
		return;
	buf_init(&buf, LOGGER_BATCH_MAX);
	log_line_write(logger_style(output), &record, text, &buf);
	lines = buf_str(&buf);
	atomic_fetch_add(&logger.n_lines, 1);
	if (buf.error || log_output_write(output, &lines, LOGGER_WAIT_MS) < 0)
		atomic_fetch_add(&logger.n_lost, 1);
	buf_fini(&buf);
}

static void logger_count(_Atomic uint64_t *count) /* by its only writer */
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void logger_put(enum log_kind kind, struct str text)
{
	struct log_ring *ring = own_ring;
	size_t waiting = ring ? log_ring_put(ring, kind, clock_wall_ns(), text) : 0;

	if (waiting > 0) {
		logger_count(&ring->n_lines);
		logger_wake_for(kind, waiting);
	} else if (!ring || kind <= LOG_KIND_WARNING) {
		logger_write_now(kind, text);
	} else {
		logger_count(&ring->n_dropped);
	}
}

static void logger_sink(enum log_level level, struct str line)
{
	logger_put((enum log_kind)level, line);
}

void logger_access(struct str line)
{
	if (logger_access_is_on())
		logger_put(LOG_KIND_ACCESS, line);
}

bool logger_access_is_on(void)
{
	return atomic_load_explicit(&logger.access, memory_order_relaxed) != LOGGER_ACCESS_OFF;
}

void logger_attach(void)
{
	struct log_ring *ring = own_ring ? NULL : log_ring_create();

	if (!ring)
		return; /* without one its lines are written at once */
	ring->next = atomic_load(&logger.rings);
	while (!atomic_compare_exchange_weak(&logger.rings, &ring->next, ring))
		;
	own_ring = ring;
}

void logger_stats(struct logger_stats *ret_stats)
{
	struct logger_stats stats = { atomic_load(&logger.n_lines), atomic_load(&logger.n_lost) };

	for (struct log_ring *ring = atomic_load(&logger.rings); ring; ring = ring->next) {
		stats.lines += atomic_load_explicit(&ring->n_lines, memory_order_relaxed);
		stats.dropped += atomic_load_explicit(&ring->n_dropped, memory_order_relaxed);
	}
	*ret_stats = stats;
}

/* ------------------------------------------------------------ the log thread */

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
	log_line_write(logger_style(err->output), &record, str_of(text), &err->buf);
}

static void logger_lose(struct str lines)
{
	uint64_t n = 0;

	for (size_t i = 0; i < lines.len; i++)
		n += lines.ptr[i] == '\n';
	atomic_fetch_add(&logger.n_lost, n);
}

/* Waits as long as it takes, or until the logger stops: meanwhile the rings fill, and drop what may be dropped. */
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
			log_line_write(logger_style(output), &record,
				       (struct str){ text, record.size },
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

static void *logger_thread(void *arg)
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

/* ------------------------------------------------------------ settings */

/* JOURNAL_STREAM names the device and inode of the stream that systemd made (systemd.exec(5)). */
static bool logger_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

static int logger_set_file(const char *path)
{
	int fd, r;

	if (logger.path && strcmp(logger.path, path) == 0)
		return 0;
	r = log_output_open(path, &fd);
	if (r < 0)
		return r;
	log_output_set(&logger.file, fd);
	free(logger.path);
	logger.path = mem_strdup(path);
	return 0;
}

static int logger_set_access(const char *access)
{
	bool off = strcmp(access, "off") == 0;

	if (!off && strcmp(access, "stderr") != 0) {
		int r = logger_set_file(access);

		if (r == 0)
			atomic_store(&logger.access, LOGGER_ACCESS_FILE);
		return r;
	}
	atomic_store(&logger.access, off ? LOGGER_ACCESS_OFF : LOGGER_ACCESS_STDERR);
	log_output_set(&logger.file, -1);
	free(logger.path);
	logger.path = NULL;
	return 0;
}

int logger_set(const struct logger_settings *settings)
{
	log_set_level(settings->level);
	atomic_store(&logger.format, settings->format);
	return logger_set_access(settings->access);
}

void logger_reopen(void)
{
	int fd, r = logger.path ? log_output_open(logger.path, &fd) : 1;

	if (r == 0)
		log_output_set(&logger.file, fd);
	else if (r < 0)
		log_warning(
			"access log cannot be reopened path=%s error=\"%s\"; keeping the old file",
			LOG_QUOTE(str_of(logger.path)), strerrordesc_np(-r));
}

/* ------------------------------------------------------------ start and stop */

/* Signals are the main thread's. */
static int logger_start_thread(void)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&logger.thread, NULL, logger_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void logger_fini(void)
{
	struct log_ring *ring = atomic_exchange(&logger.rings, NULL);

	while (ring) {
		struct log_ring *next = ring->next;

		log_ring_destroy(ring);
		ring = next;
	}
	own_ring = NULL;
	atomic_store(&logger.access, LOGGER_ACCESS_OFF);
	log_output_fini(&logger.err);
	log_output_fini(&logger.file);
	fd_close(&logger.wake_fd);
	free(logger.path);
	logger.path = NULL;
}

int logger_start(const struct logger_settings *settings)
{
	int r;

	check(!logger.started);
	logger.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (logger.wake_fd < 0)
		return -errno;
	logger.journal = logger_stderr_is_journal();
	atomic_store(&logger.state, LOGGER_AWAKE);
	atomic_store(&logger.urgent, false);
	atomic_store(&logger.stopping, false);
	atomic_store(&logger.n_lines, 0);
	atomic_store(&logger.n_lost, 0);
	log_output_init(&logger.err, STDERR_FILENO);
	log_output_init(&logger.file, -1);
	r = logger_set(settings);
	if (r == 0)
		r = logger_start_thread();
	if (r < 0) {
		logger_fini();
		return r;
	}
	logger.started = true;
	log_set_sink(logger_sink);
	return 0;
}

void logger_stop(void)
{
	if (!logger.started)
		return;
	atomic_store(&logger.stopping, true);
	logger_wake();
	check(pthread_join(logger.thread, NULL) == 0);
	log_set_sink(NULL);
	logger_fini();
	logger.started = false;
}
