/* server/logger.c: the writers' side, settings, start and stop; who wakes whom is told in
 * logger_thread.c.
 *
 * Locking: none here but that of the outputs; what is not atomic is the main thread's, and fixed
 * while others run. */
#include "server/logger.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "server/log_journal.h"
#include "server/logger_thread.h"
#include "server/share.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOGGER_WAKE_SIZE = 64 << 10, /* bytes in one ring */
	LOGGER_WAIT_MS = 200,        /* how long a thread that writes by itself waits for room */
};

struct logger_state logger;
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

struct log_style logger_style(const struct log_output *output)
{
	return (struct log_style){ .json = atomic_load(&logger.format) == LOGGER_JSON,
				   .journal = output == &logger.err && logger.journal };
}

void logger_format(struct log_output *output, const struct log_record *record, struct str text,
		   struct buf *lines)
{
	struct log_style style = logger_style(output);

	if (style.journal && logger.journal_fd >= 0 &&
	    log_journal_send(logger.journal_fd, style.json, record, text))
		return;
	log_line_write(style, record, text, lines);
}

/* Where lines of this kind go now, or NULL. */
struct log_output *logger_output(uint32_t kind)
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
	logger_format(output, &record, text, &buf);
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

bool logger_access_is_sampled(void)
{
	return atomic_load_explicit(&logger.share, memory_order_relaxed) < SHARE_ALL;
}

bool logger_access_takes(int status, uint64_t random)
{
	return status >= 400 ||
	       random >> 32 < atomic_load_explicit(&logger.share, memory_order_relaxed);
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
	atomic_store(&logger.share, settings->share);
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
	fd_close(&logger.journal_fd);
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
	logger.journal_fd = logger.journal ? log_journal_open() : -1;
	atomic_store(&logger.state, LOGGER_AWAKE);
	atomic_store(&logger.urgent, false);
	atomic_store(&logger.stopping, false);
	atomic_store(&logger.n_lines, 0);
	atomic_store(&logger.n_lost, 0);
	log_output_init(&logger.err, STDERR_FILENO);
	log_output_init(&logger.file, -1);
	r = logger_set(settings);
	if (r == 0)
		r = logger_thread_start();
	if (r < 0) {
		logger_fini();
		return r;
	}
	logger.started = true;
	log_set_sink(logger_sink);
	return 0;
}

void logger_end(void)
{
	if (!logger.started)
		return;
	atomic_store(&logger.stopping, true);
	logger_wake();
	logger_thread_join();
}

void logger_stop(void)
{
	if (!logger.started)
		return;
	logger_end();
	log_set_sink(NULL);
	logger_fini();
	logger.started = false;
}
