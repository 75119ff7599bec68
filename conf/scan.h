/* conf/scan.h: a file's bytes before YAML, and places in them.
 *
 * libyaml counts characters, a place counts bytes. A struct scan walks between the two, both ways,
 * at a cost of the distance. It relies on scan_check(): the only line end is \n (or \r\n), so that
 * everybody counts the same lines. */
#pragma once
#include "core/base/diag.h"
#include <yaml.h>

struct scan {
	const struct source *source;
	size_t index; /* characters before `at`, a byte order mark not counted */
	size_t at;
	size_t line_start; /* offset of the line that `at` is in, behind a byte order mark */
	uint32_t line;
};

/* True when the bytes can be handed to libyaml: UTF-8 without control characters, foreign line
 * ends and directives. Else the first that is wrong is in `diag`. */
bool scan_check(const struct source *source, struct diag *diag);

/* How many bytes a byte order mark at the start takes: 0 or 3. */
size_t scan_begin(const struct source *source);

void scan_init(struct scan *scan, const struct source *source);
size_t scan_seek(struct scan *scan, yaml_mark_t mark); /* the offset, where `at` is now */

/* From `start` to `end`, or to the end of its line when `end` is on another. */
struct place scan_place(struct scan *scan, yaml_mark_t start, yaml_mark_t end);

/* The place of an offset; walks from the start of the file, so for errors only. */
struct place scan_place_at(const struct source *source, size_t offset, size_t len);

/* The offset of a place; as slow. The length of the text when it is not in there. */
size_t scan_offset(struct place place);

/* The line around an offset, without its end. */
struct str scan_line(struct str text, size_t offset);
