/* server/log_line.h: one log line as it is written out: text or JSON. Internal to the logger.
 *
 * Whatever comes in, one line goes out: control characters become '?'. */
#pragma once
#include "core/base/buf.h"
#include "core/base/log.h"
#include "server/log_ring.h"

struct log_style {
	bool json;
	bool journal; /* "<6>" before the line, and no time in text: systemd's journal has its own */
};

/* Appends the line with its newline. Text is "TIME LEVEL PHRASE PAIRS", where an access line
 * without a phrase gets "request done". JSON is
 * {"time":…,"level":…,"message":PHRASE,"key":value,…}: plain integers stay numbers, the rest is
 * text. */
void log_line_write(struct log_style style, const struct log_record *record, struct str text,
		    struct buf *out);

/* The next pair of a line, as it is in it, past words that belong to none. False: there is none. */
bool log_line_next_pair(struct str *rest, struct str *ret_key, struct str *ret_value);

/* A value without its quotes and escapes, in `plain`, which has room for as many bytes. */
struct str log_line_plain(struct str value, char *plain);
enum log_level log_line_level(uint32_t kind);
