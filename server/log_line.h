/* server/log_line.h: one log line as it is written out: text or JSON. Internal to the logger.
 *
 * Whatever comes in, one line goes out: control characters become '?'. */
#pragma once
#include "core/base/buf.h"
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
