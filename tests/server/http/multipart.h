/* tests/server/http/multipart.h: what a parser makes of a body, as one text. */
#pragma once
#include "core/base/buf.h"
#include "core/base/check.h"
#include "server/http/multipart.h"
#include <stdlib.h>

/* Each piece at the end of its own memory, so that ASan sees a byte too far. */
static inline char *multipart_tight(struct str piece)
{
	char *copy = malloc(piece.len ? piece.len : 1);

	check(copy);
	if (piece.len)
		memcpy(copy, piece.ptr, piece.len);
	return copy;
}

/* "<name|filename|type>data</>…", then "." (whole), "?" (not whole) or "!status problem". */
static inline bool multipart_piece(struct multipart *multipart, struct str piece, struct buf *out)
{
	char *copy = multipart_tight(piece);
	struct str rest = { copy, piece.len }, data;
	enum multipart_event event = MULTIPART_MORE;

	do {
		size_t used = 0;

		event = multipart_read(multipart, rest, &used, &data);
		check(used <= rest.len && (event != MULTIPART_MORE || used == rest.len));
		rest = str_skip(rest, used);
		if (event == MULTIPART_PART)
			buf_printf(out, "<%.*s|%.*s|%.*s>", STR_ARG(multipart->name),
				   multipart->filename.ptr ? (int)multipart->filename.len : 1,
				   multipart->filename.ptr ? multipart->filename.ptr : "-",
				   STR_ARG(multipart->type));
		if (event == MULTIPART_DATA)
			buf_add(out, data);
		if (event == MULTIPART_PART_END)
			buf_add(out, STR("</>"));
		if (event == MULTIPART_BAD)
			buf_printf(out, "!%d %s", multipart->status, multipart->problem);
	} while (event != MULTIPART_MORE && event != MULTIPART_BAD);
	free(copy);
	return event != MULTIPART_BAD;
}

/* `cut` bytes at a time. */
static inline void multipart_transcribe(struct str boundary, struct str body, size_t cut,
					struct buf *out)
{
	struct multipart multipart;

	multipart_init(&multipart, boundary, 4);
	for (size_t at = 0; at < body.len; at += cut)
		if (!multipart_piece(&multipart, str_first(str_skip(body, at), cut), out)) {
			check(!multipart_is_whole(&multipart));
			return;
		}
	buf_add_char(out, multipart_is_whole(&multipart) ? '.' : '?');
}
