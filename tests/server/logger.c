/* tests/server/logger.c: where log lines end up, in which form, and what is lost when nobody
 * reads. */
#include "server/logger.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/io/net.h"
#include "server/expr/json.h"
#include "tests/lib/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/leat-logger-XXXXXX";
static int old_stderr = -1;
static int reading = -1; /* the other end of what stands in for stderr */

/* stderr is a file (reading < 0) or a pipe from here to after(). */
static const char *file_path(const char *name)
{
	static char path[4][128];
	static unsigned n;
	char *out = path[n++ % 4];

	snprintf(out, 128, "%s/%s", folder, name);
	return out;
}

static void stderr_to_file(void)
{
	int fd = open(file_path("err"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	check(fd >= 0);
	old_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static void stderr_to_pipe(void)
{
	int fds[2];

	check(pipe2(fds, O_CLOEXEC) == 0);
	old_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	reading = fds[0];
}

static void stderr_back(void)
{
	dup2(old_stderr, STDERR_FILENO);
	fd_close(&old_stderr);
	fd_close(&reading);
}

static struct str read_file(const char *path)
{
	static char text[4 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, len = 0;

	check(fd >= 0);
	while ((n = read(fd, text + len, sizeof(text) - (size_t)len)) > 0)
		len += n;
	close(fd);
	return (struct str){ text, (size_t)len };
}

static struct str read_err(void)
{
	return read_file(file_path("err"));
}

static void start(enum logger_format format, const char *access)
{
	const struct logger_settings settings = { LOG_INFO, format, access };

	check(logger_start(&settings) == 0);
}

static bool has(struct str text, const char *part)
{
	return str_find(text, str_of(part)) >= 0;
}

static size_t count(struct str text, const char *part)
{
	size_t n = 0;

	for (ptrdiff_t at; (at = str_find(text, str_of(part))) >= 0; n++)
		text = str_skip(text, (size_t)at + strlen(part));
	return n;
}

static void wait_for_err(const char *part)
{
	for (int i = 0; i < 2000 && !has(read_err(), part); i++)
		usleep(1000);
}

/* ------------------------------------------------------------ form */

static void a_text_line_has_a_time_and_a_level(void)
{
	struct str text;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	clock_freeze(0, INT64_C(1795572184123456789));
	log_info("generation loaded number=%d", 7);
	clock_thaw();
	logger_stop();
	stderr_back();
	text = read_err();
	is_str(text, STR("2026-11-25T02:03:04.123Z info generation loaded number=7\n"));
}

static void an_access_line_is_an_info_line(void)
{
	struct str text;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	clock_freeze(0, INT64_C(1795572184123456789));
	logger_access(STR("method=GET path=/ status=200"));
	logger_access(STR("request done method=GET"));
	clock_thaw();
	logger_stop();
	stderr_back();
	text = read_err();
	is_str(text, STR("2026-11-25T02:03:04.123Z info request done method=GET path=/ status=200\n"
			 "2026-11-25T02:03:04.123Z info request done method=GET\n"));
}

static void json_keeps_integers_and_escapes_texts(void)
{
	struct str text;

	stderr_to_file();
	start(LOGGER_JSON, "stderr");
	clock_freeze(0, INT64_C(1795572184123456789));
	logger_access(
		STR("request done method=GET status=200 zero=0 leading=007 minus=-5 "
		    "part=1.5 long=12345678901234567890 quoted=\"a \\\"b\\\" \\\\ \\n \\x1f\" "
		    "none= time=1 dash=-"));
	clock_thaw();
	logger_stop();
	stderr_back();
	text = read_err();
	is_true(json_check(str_trim_space(text), NULL));
	is_true(has(text, "{\"time\":\"2026-11-25T02:03:04.123Z\",\"level\":\"info\","
			  "\"message\":\"request done\",\"method\":\"GET\",\"status\":200,"));
	is_true(has(text, "\"zero\":0,"));
	is_true(has(text, "\"leading\":\"007\""));
	is_true(has(text, "\"minus\":-5"));
	is_true(has(text, "\"part\":\"1.5\""));
	is_true(has(text, "\"long\":\"12345678901234567890\""));
	is_true(has(text, "\"quoted\":\"a \\\"b\\\" \\\\ \\n \\u001f\"") ||
		has(text, "\"quoted\":\"a \\\"b\\\" \\\\ \\n \\u001F\""));
	is_true(has(text, "\"none\":\"\""));
	is_true(has(text, "\"_time\":1"));
	is_true(has(text, "\"dash\":\"-\"}"));
}

static void words_behind_the_pairs_belong_to_the_message(void)
{
	struct str text;

	stderr_to_file();
	start(LOGGER_JSON, "off");
	log_warning("accept failed error=EMFILE retrying in 20 ms");
	log_warning("accept failed error=EMFILE; retrying in 20 ms");
	log_warning("write failed error=\"a b\"; ignoring");
	log_warning("last value=1;");
	logger_stop();
	stderr_back();
	text = read_err();
	is_true(has(text,
		    "\"message\":\"accept failed; retrying in 20 ms\",\"error\":\"EMFILE\"}"));
	is_true(has(text, "\"message\":\"write failed; ignoring\",\"error\":\"a b\"}"));
	is_true(has(text, "\"message\":\"last\",\"value\":\"1;\"}"));
	is_true(has(text, "\"level\":\"warning\",\"message\":\"accept failed retrying in 20 ms\","
			  "\"error\":\"EMFILE\"}"));
}

static void every_line_of_bytes_is_one_line_of_json(void)
{
	unsigned seed = 1;
	char line[300];
	struct str text, one;
	size_t n = 0, bad = 0;

	stderr_to_file();
	start(LOGGER_JSON, "stderr");
	for (int i = 0; i < 2000; i++) {
		static const char likely_bytes[] = "a=\"\\ x1\n";
		size_t len = (size_t)rand_r(&seed) % sizeof(line);

		for (size_t at = 0; at < len; at++)
			line[at] = rand_r(&seed) % 2 ? (char)rand_r(&seed)
						     : likely_bytes[(unsigned)rand_r(&seed) % 8];
		logger_access((struct str){ line, len });
	}
	logger_stop();
	stderr_back();
	text = read_err();
	while (text.len > 0 && str_next_part(&text, '\n', &one)) {
		n++;
		bad += !json_check(one, NULL);
	}
	is_int(n, 2000);
	is_int(bad, 0);
}

static void control_characters_never_reach_the_output(void)
{
	struct str text;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	logger_access(STR("request done path=/\n2026 error forged\x1b[31m\x7f\r"));
	logger_stop();
	stderr_back();
	text = read_err();
	is_int(count(text, "\n"), 1);
	is_true(has(text, "path=/?2026 error forged?[31m??\n"));
}

static void a_line_that_is_too_long_is_cut(void)
{
	static char line[20000];
	struct str text;

	memset(line, 'a', sizeof(line));
	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	logger_attach();
	logger_access((struct str){ line, sizeof(line) });
	logger_access(STR("request done id=2"));
	logger_stop();
	stderr_back();
	text = read_err();
	is_int(count(text, "\n"), 2);
	is_true(text.len < 9000);
	is_true(has(text, "id=2"));
}

static void the_journal_gets_priorities_and_no_time(void)
{
	struct stat st;
	char stream[64];
	struct str text;

	stderr_to_file();
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	start(LOGGER_TEXT, "stderr");
	log_error("one a=1");
	log_warning("two");
	log_info("three");
	logger_stop();
	unsetenv("JOURNAL_STREAM");
	stderr_back();
	text = read_err();
	is_str(text, STR("<3>one a=1\n<4>two\n<6>three\n"));
}

/* ------------------------------------------------------------ access: off, stderr, a file */

static void access_lines_can_be_off(void)
{
	stderr_to_file();
	start(LOGGER_TEXT, "off");
	is_false(logger_access_is_on());
	logger_access(STR("method=GET"));
	logger_stop();
	stderr_back();
	is_int(read_err().len, 0);
}

static void the_access_file_is_reopened(void)
{
	const char *path = file_path("access.log"), *moved = file_path("access.log.1");
	struct stat st;
	struct str text;

	stderr_to_file();
	start(LOGGER_TEXT, path);
	is_true(logger_access_is_on());
	logger_access(STR("n=1"));
	is_int(rename(path, moved), 0);
	logger_access(STR("n=2"));
	logger_reopen();
	logger_access(STR("n=3"));
	log_info("not there");
	logger_stop();
	stderr_back();
	is_int(stat(path, &st), 0);
	is_int(st.st_mode & 07137, 0);
	text = read_file(moved);
	is_true(has(text, "n=1\n") && has(text, "n=2\n") && !has(text, "n=3"));
	text = read_file(path);
	is_true(!has(text, "n=2") && has(text, "info request done n=3\n") &&
		!has(text, "not there"));
	is_true(has(read_err(), "not there"));
}

static void a_file_that_cannot_be_opened_changes_nothing(void)
{
	const char *path = file_path("kept.log");
	struct logger_settings settings = { LOG_INFO, LOGGER_TEXT, "/nowhere/access.log" };

	stderr_to_file();
	is_int(logger_start(&settings), -ENOENT);
	start(LOGGER_TEXT, path);
	is_int(logger_set(&settings), -ENOENT);
	logger_access(STR("n=1"));
	settings.access = "stderr";
	is_int(logger_set(&settings), 0);
	logger_access(STR("n=2"));
	logger_stop();
	stderr_back();
	is_true(has(read_file(path), "n=1"));
	is_false(has(read_err(), "n=1"));
	is_true(has(read_err(), "n=2"));
}

static void a_full_disk_is_said_once_and_loses_no_other_line(void)
{
	struct logger_stats stats;
	struct str text;

	stderr_to_file();
	start(LOGGER_TEXT, "/dev/full");
	logger_attach();
	for (int i = 0; i < 3; i++) {
		logger_access(STR("n=1"));
		log_warning("round %d", i);
		wait_for_err(i == 2 ? "round 2" : i == 1 ? "round 1" : "round 0");
	}
	do {
		usleep(1000);
		logger_stats(&stats);
	} while (stats.dropped < 3);
	is_int(stats.dropped, 3);
	logger_stop();
	stderr_back();
	text = read_err();
	is_int(count(text, "access log cannot be written"), 1);
	is_int(count(text, "round"), 3);
}

/* ------------------------------------------------------------ threads and rings */

enum { N_WRITERS = 6, N_LINES = 3000 };

static void *writer(void *arg)
{
	int self = (int)(intptr_t)arg;

	logger_attach();
	for (int i = 0; i < N_LINES; i++) {
		char line[80];
		int len = snprintf(line, sizeof(line), "request done writer=%d line=%d;", self, i);

		logger_access((struct str){ line, (size_t)len });
		if (i % 500 == 0)
			log_warning("writer=%d line=%d", self, i);
		if (i % 100 == 0)
			usleep(100);
	}
	return NULL;
}

static void many_threads_keep_their_order_and_lose_nothing(void)
{
	pthread_t threads[N_WRITERS];
	int next[N_WRITERS] = { 0 };
	struct logger_stats stats;
	struct str text, one;
	size_t n_wrong = 0;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	for (int i = 0; i < N_WRITERS; i++)
		pthread_create(&threads[i], NULL, writer, (void *)(intptr_t)i);
	for (int i = 0; i < N_WRITERS; i++)
		pthread_join(threads[i], NULL);
	logger_stats(&stats);
	logger_stop();
	stderr_back();
	text = read_err();
	is_int(stats.dropped, 0);
	is_int(stats.lines, N_WRITERS * (N_LINES + N_LINES / 500));
	is_int(count(text, "\n"), N_WRITERS * (N_LINES + N_LINES / 500));
	while (text.len > 0 && str_next_part(&text, '\n', &one)) {
		ptrdiff_t at = str_find(one, STR("request done writer="));
		int self, line;

		if (at < 0)
			continue;
		if (sscanf(one.ptr + at, "request done writer=%d line=%d;", &self, &line) != 2 ||
		    self < 0 || self >= N_WRITERS || line != next[self]++)
			n_wrong++;
	}
	is_int(n_wrong, 0);
	is_int(next[N_WRITERS - 1], N_LINES);
}

/* A busy machine may hold the log thread up for longer than it would doze: what was quick once shows
 * that it does not doze, and what was slow each time that it does. */
enum { N_TRIES = 40, QUICK_MS = 150, AT_ONCE_MS = 10 };

static bool urgent_was_quick(int round)
{
	uint64_t start_ns = clock_monotonic_ns();
	char text[40];

	snprintf(text, sizeof(text), "urgent round=%d.", round);
	log_warning("%s", text);
	wait_for_err(text);
	return clock_monotonic_ns() - start_ns < QUICK_MS * NS_PER_MS;
}

static bool patient_was_late(int round)
{
	char text[40];

	snprintf(text, sizeof(text), "patient round=%d.", round);
	log_info("%s", text);
	usleep(AT_ONCE_MS * 1000);
	if (has(read_err(), text))
		return false;
	wait_for_err(text);
	return has(read_err(), text);
}

static void warnings_are_written_at_once(void)
{
	bool quick = false, late = false;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	logger_attach();
	for (int i = 0; i < N_TRIES && !quick; i++)
		quick = urgent_was_quick(i);
	for (int i = 0; i < N_TRIES && !late; i++)
		late = patient_was_late(i);
	is_true(quick);
	is_true(late);
	logger_stop();
	stderr_back();
}

static bool full_ring_was_quick(void)
{
	char line[1000];
	uint64_t start_ns = clock_monotonic_ns();
	size_t before = read_err().len;

	memset(line, 'a', sizeof(line));
	for (int i = 0; i < 70; i++)
		logger_access((struct str){ line, sizeof(line) });
	while (read_err().len == before)
		usleep(1000);
	return clock_monotonic_ns() - start_ns < QUICK_MS * NS_PER_MS;
}

static void a_ring_of_64_kib_is_drained_before_its_time(void)
{
	bool quick = false;
	size_t n = 0;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	logger_attach();
	for (; n < N_TRIES && !quick; n++) {
		quick = full_ring_was_quick();
		while (count(read_err(), "\n") < 70 * (n + 1))
			usleep(1000);
	}
	is_true(quick);
	logger_stop();
	stderr_back();
	is_int(count(read_err(), "\n"), 70 * n);
}

/* How often the log thread has gone to sleep; -1: there is none. */
static long log_thread_sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	long found = -1;

	check(tasks);
	while ((entry = readdir(tasks))) {
		char path[300], text[4096] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		if (strstr(text, "Name:\tleat-log\n"))
			found = atol(strstr(text, "\nvoluntary_ctxt_switches:") + 25);
	}
	closedir(tasks);
	return found;
}

static void an_idle_logger_does_not_wake_up(void)
{
	long before = -1, now;
	int still = 0;

	stderr_to_file();
	start(LOGGER_TEXT, "stderr");
	logger_attach();
	log_info("one line");
	for (int i = 0; i < N_TRIES && still < 2; i++) { /* its dozing ends, some time */
		usleep(500000);
		now = log_thread_sleeps();
		still = now == before ? still + 1 : 0;
		before = now;
	}
	is_true(before > 0);
	is_int(still, 2);
	log_info("another");
	wait_for_err("another");
	is_true(has(read_err(), "another"));
	logger_stop();
	stderr_back();
}

static void *read_slowly(void *arg)
{
	struct buf *out = arg;
	ssize_t n = 1;

	while (n > 0) {
		char *at = buf_reserve(out, 65536);

		n = read(reading, at, 65536);
		if (n > 0)
			out->len += (size_t)n;
	}
	return NULL;
}

/* The sum of what the lines say that tell of dropped ones: there may be more than one. */
static uint64_t dropped_told(struct str text)
{
	const struct str say = STR("log lines dropped n=");
	uint64_t sum = 0;

	for (size_t i = 0; i + say.len < text.len; i++)
		if (str_starts_with(str_skip(text, i), say))
			sum += strtoull(text.ptr + i + say.len, NULL, 10);
	return sum;
}

static void nobody_reading_drops_access_lines_and_no_warning(void)
{
	char line[1000];
	struct logger_stats stats;
	struct buf out;
	pthread_t reader;
	uint64_t start_ns;

	memset(line, 'a', sizeof(line));
	stderr_to_pipe();
	start(LOGGER_TEXT, "stderr");
	logger_attach();
	log_warning("first");
	usleep(20000);
	start_ns = clock_monotonic_ns();
	for (int i = 0; i < 2000; i++)
		logger_access((struct str){ line, sizeof(line) });
	for (int i = 0; i < 20; i++)
		log_error("kept n=%d.", i);
	is_true(clock_monotonic_ns() - start_ns < 3 * NS_PER_S); /* the loop was not held up */
	logger_stats(&stats);
	is_true(stats.dropped > 1000);
	buf_init(&out, 8 << 20);
	pthread_create(&reader, NULL, read_slowly, &out);
	usleep(100000);
	logger_stop();
	dup2(old_stderr, STDERR_FILENO); /* the last writer: the reader sees the end */
	pthread_join(reader, NULL);
	stderr_back();
	is_int(count(buf_str(&out), "error kept n="), 20);
	is_int(count(buf_str(&out), "first"), 1);
	is_int(dropped_told(buf_str(&out)), stats.dropped);
	is_int(count(buf_str(&out), "aaa\n") + stats.dropped, 2000);
	buf_fini(&out);
}

static void stopping_does_not_wait_for_a_reader_for_ever(void)
{
	char line[1000];
	uint64_t start_ns;

	memset(line, 'a', sizeof(line));
	stderr_to_pipe();
	start(LOGGER_TEXT, "stderr");
	logger_attach();
	for (int i = 0; i < 200; i++)
		logger_access((struct str){ line, sizeof(line) });
	start_ns = clock_monotonic_ns();
	logger_stop();
	is_true(clock_monotonic_ns() - start_ns < 5 * NS_PER_S);
	stderr_back();
}

int main(void)
{
	check(mkdtemp(folder) != NULL);
	TEST(a_text_line_has_a_time_and_a_level);
	TEST(an_access_line_is_an_info_line);
	TEST(json_keeps_integers_and_escapes_texts);
	TEST(words_behind_the_pairs_belong_to_the_message);
	TEST(every_line_of_bytes_is_one_line_of_json);
	TEST(control_characters_never_reach_the_output);
	TEST(a_line_that_is_too_long_is_cut);
	TEST(the_journal_gets_priorities_and_no_time);
	TEST(access_lines_can_be_off);
	TEST(the_access_file_is_reopened);
	TEST(a_file_that_cannot_be_opened_changes_nothing);
	TEST(a_full_disk_is_said_once_and_loses_no_other_line);
	TEST(many_threads_keep_their_order_and_lose_nothing);
	TEST(warnings_are_written_at_once);
	TEST(a_ring_of_64_kib_is_drained_before_its_time);
	TEST(an_idle_logger_does_not_wake_up);
	TEST(nobody_reading_drops_access_lines_and_no_warning);
	TEST(stopping_does_not_wait_for_a_reader_for_ever);
	for (const char *const *name =
		     (const char *const[]){ "err", "access.log", "access.log.1", "kept.log", NULL };
	     *name; name++)
		unlink(file_path(*name));
	rmdir(folder);
	return tap_done();
}
