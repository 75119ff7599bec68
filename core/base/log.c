/* core/base/log.c */
#include "core/base/log.h"
#include "core/base/check.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static _Atomic int level_max = LOG_INFO;
static log_sink_fn *_Atomic sink_now;

void log_set_level(enum log_level level)
{
	atomic_store(&level_max, (int)level);
}

void log_set_sink(log_sink_fn *sink)
{
	atomic_store(&sink_now, sink);
}

bool log_is_on(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	switch (level) {
	case LOG_ERROR:
		return "error";
	case LOG_WARNING:
		return "warning";
	case LOG_INFO:
		return "info";
	case LOG_DEBUG:
		return "debug";
	}
	unreachable();
}

static void log_to_stderr(enum log_level level, struct str line)
{
	char text[LINE_MAX_BYTES + 32];
	int len = snprintf(text, sizeof(text), "%s: %.*s\n", log_level_name(level), STR_ARG(line));

	if (len > 0 && write(STDERR_FILENO, text, MIN((size_t)len, sizeof(text) - 1)) < 0)
		return; /* there is nowhere left to say it */
}

void log_write(enum log_level level, const char *format, ...)
{
	log_sink_fn *sink = atomic_load(&sink_now);
	char line[LINE_MAX_BYTES];
	va_list args;
	int len;

	if (!log_is_on(level))
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0)
		return;
	for (char *at = line; *at; at++) /* the last guard: one line stays one line */
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	(sink ? sink : log_to_stderr)(level,
				      (struct str){ line, MIN((size_t)len, sizeof(line) - 1) });
}

static bool log_is_plain(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return value.len > 0;
}

/* Writes one byte as it stands inside quotes; returns how many characters that took. */
static size_t log_escape(char out[5], unsigned char c)
{
	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, 5, "\\%c", c);
	if (c == '\n')
		return (size_t)snprintf(out, 5, "\\n");
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(out, 5, "\\x%02x", c);
	out[0] = (char)c;
	return 1;
}

char *log_quote(char *out, size_t size, struct str value)
{
	size_t len = 0;
	bool cut = false;

	check(size >= 8);
	if (log_is_plain(value) && value.len < size) {
		memcpy(out, value.ptr, value.len);
		out[value.len] = '\0';
		return out;
	}
	out[len++] = '"';
	for (size_t i = 0; i < value.len && !cut; i++) {
		char text[5];
		size_t n = log_escape(text, (unsigned char)value.ptr[i]);

		cut = len + n + 5 > size; /* room for ..." and NUL */
		if (!cut) {
			memcpy(out + len, text, n);
			len += n;
		}
	}
	snprintf(out + len, size - len, cut ? "...\"" : "\"");
	return out;
}
