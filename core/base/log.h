/* core/base/log.h: lines for the operator.
 *
 * A line is a fixed phrase and then key=value pairs: "request done method=GET status=200". Values
 * that come from outside go through log_quote(), which quotes and escapes where it must, so that
 * no client can forge a line or a pair. Any thread may log. Where lines go is the sink's matter:
 * stderr until somebody sets another. */
#pragma once
#include "core/base/str.h"

enum log_level {
	LOG_ERROR,   /* something that was asked for does not work */
	LOG_WARNING, /* survived; the line says what was done about it */
	LOG_INFO,    /* starts, ends, reloads */
	LOG_DEBUG,
};

typedef void log_sink_fn(enum log_level level, struct str line);

void log_set_level(enum log_level level); /* the least important that is still written */
void log_set_sink(log_sink_fn *sink);     /* NULL: stderr */
bool log_is_on(enum log_level level);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) (log_is_on(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)

/* Writes `value` into `out` as the value of a pair: as it is when it has only printable characters
 * without space, quote, '=' and backslash; else quoted, with \", \\, \n, \xNN. Always ends in NUL,
 * and is cut (with "...") when it does not fit. Returns out. */
char *log_quote(char *out, size_t size, struct str value);

#define LOG_QUOTED_MAX 256
/* A quoted copy for the length of the enclosing block: log_info("x name=%s", LOG_QUOTE(name)); */
#define LOG_QUOTE(value) log_quote((char[LOG_QUOTED_MAX]){ 0 }, LOG_QUOTED_MAX, value)
