/* server/compress/coder_kind.h: one library. Internal to server/compress. */
#pragma once
#include "server/compress/coder.h"

struct coder_kind {
	enum coding coding;
	const char *name; /* as in Content-Encoding */
	bool is_reusable; /* begin() makes another body of one that has ended, or not */
	size_t sizes[CODER_LEVEL_MAX + 1]; /* about, by level */

	/* Bytes after which it is flushed by itself, since it would work for too long at once on
	 * more; 0: it need not be. */
	size_t burst;

	void *(*create)(int level);
	bool (*begin)(void *state, int level, uint64_t size);
	void (*destroy)(void *state);

	/* As coder_step(), without its bounds. */
	int (*step)(void *state, struct str *in, enum coder_op op, char *out, size_t room,
		    size_t *ret_len);
};

extern const struct coder_kind coder_br, coder_zstd, coder_gzip;
