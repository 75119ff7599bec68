/* server/settings.c: the tables. */
#include "server/settings.h"
#include "server/http/head.h"

#define AT(field) offsetof(struct settings, field)

static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };
static const char *const format_choices[] = { "text", "json", NULL };

static const char *const io_uring_choices[] = { "auto", "off", NULL };

const struct setting server_keys[] = {
	{ "threads", SETTING_TEXT, AT(threads), "auto",
	  "How many loops serve; auto: one for each CPU that may be used." },
	{ "compute_threads", SETTING_TEXT, AT(compute_threads), "auto",
	  "How many threads do what blocks or computes." },
	{ "io_uring", SETTING_CHOICE, AT(io_uring), "auto",
	  "What works on files for tasks: io_uring where the kernel lets leat have it, else the "
	  "threads that compute; off: always those.",
	  .choices = io_uring_choices },
	{ "uploads", SETTING_TEXT, AT(uploads),
	  .help = "The folder for files of forms, until their request ends; uploads in the state "
		  "directory, or a folder in $TMPDIR, when not said." },
	{ "resolvers", SETTING_TEXTS, AT(resolvers),
	  .help = "The servers that are asked for names, in this order; those of /etc/resolv.conf "
		  "when not said." },
	SETTINGS_END
};

const struct setting log_keys[] = {
	{ "level", SETTING_CHOICE, AT(log_level), "info",
	  "The least important line that is written.", .choices = level_choices },
	{ "format", SETTING_CHOICE, AT(log_format), "text", "text, or json: one object a line.",
	  .choices = format_choices },
	{ "access", SETTING_TEXT, AT(log_access), "stderr",
	  "Where the line of each request goes: off, stderr, or a path." },
	{ "sample", SETTING_TEXT, AT(log_sample), "1",
	  "The share of the access lines that are written, 0 to 1; those of answers from 400 on "
	  "all are." },
	SETTINGS_END
};

const struct setting limits_keys[] = {
	{ "connections", SETTING_INT, AT(connections), "10000",
	  "Open connections; for one more one that is idle is closed, else it is answered "
	  "with 503.",
	  1, 10000000 },
	{ "requests", SETTING_INT, AT(requests), "10000",
	  "Requests on one connection before it is closed.", 1, UINT32_MAX },
	{ "line", SETTING_SIZE, AT(line), "8k", "The request line; longer answers 414.", 64,
	  1 << 20 },
	{ "head", SETTING_SIZE, AT(head), "32k",
	  "The request line and all fields; more answers 431.", 256, 1 << 20 },
	{ "fields", SETTING_INT, AT(fields), "100", "Header fields of a request; more answers 431.",
	  1, HTTP_FIELDS_MAX },
	{ "body", SETTING_SIZE, AT(body), "1m", "The body of a request; more answers 413.", 0,
	  INT64_C(1) << 40 },
	{ "inflated", SETTING_SIZE, AT(inflated), "8m",
	  "The body of a request without its Content-Encoding; more answers 413.", 0,
	  INT64_C(1) << 40 },
	{ "extensions", SETTING_SIZE, AT(extensions), "16k", "Chunk extensions of one message.", 0,
	  1 << 30 },
	{ "trailers", SETTING_SIZE, AT(trailers), "16k", "Trailer fields of one message.", 0,
	  1 << 30 },
	{ "memory", SETTING_SIZE, AT(memory), "16m",
	  "What one request may use; past it: memory_limit.", 64 << 10, INT64_C(1) << 40 },
	{ "total_memory", SETTING_SIZE, AT(total_memory), "1g",
	  "What all requests, connections, caches and actors together may use.", 1 << 20,
	  INT64_C(1) << 50 },
	SETTINGS_END
};

const struct setting timeouts_keys[] = {
	{ "head", SETTING_DURATION, AT(timeout_head), "10s",
	  "A request's head, from its first byte; then 408.", 1, 86400000 },
	{ "body", SETTING_DURATION, AT(timeout_body), "30s",
	  "Between two reads of a body; then 408.", 1, 86400000 },
	{ "idle", SETTING_DURATION, AT(timeout_idle), "60s", "A connection without a request.", 1,
	  86400000 },
	{ "write", SETTING_DURATION, AT(timeout_write), "30s",
	  "An answer of which the client takes nothing.", 1, 86400000 },
	{ "handshake", SETTING_DURATION, AT(timeout_handshake), "10s",
	  "From a connection to the end of its TLS handshake.", 1, 86400000 },
	{ "route", SETTING_DURATION, AT(timeout_route), "30s",
	  "The tasks of a route that says none itself.", 1, 86400000 },
	{ "shutdown", SETTING_DURATION, AT(timeout_shutdown), "30s",
	  "What is in work at the end may take.", 1, 86400000 },
	SETTINGS_END
};

static const char *const corrupt_choices[] = { "refuse", "move_aside", NULL };

const struct setting store_keys[] = {
	{ "path", SETTING_TEXT, AT(store_path),
	  .help = "The file in which runs of jobs and what is yet to be done are kept, relative to "
		  "this file; or \":memory:\". leat.db in the state directory ($STATE_DIRECTORY); "
		  "in "
		  "memory where there is none." },
	{ "max", SETTING_SIZE, AT(store_max), "1g",
	  "How large the file may become; then nothing more is kept until there is room again.",
	  1 << 20, INT64_C(1) << 43 },
	{ "if_corrupt", SETTING_CHOICE, AT(store_if_corrupt), "refuse",
	  "What happens at the start when the file is broken: leat refuses to start, or moves it "
	  "aside, and begins a new one.",
	  .choices = corrupt_choices },
	SETTINGS_END
};
#undef AT
