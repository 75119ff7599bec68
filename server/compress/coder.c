/* server/compress/coder.c: what all codings have in common. */
#include "server/compress/coder.h"
#include "server/compress/coder_kind.h"
#include <errno.h>
#include <stdlib.h>

static const struct coder_kind *const kinds[N_CODINGS] = {
	[CODING_BR] = &coder_br,
	[CODING_ZSTD] = &coder_zstd,
	[CODING_GZIP] = &coder_gzip,
};

bool coding_find(struct str name, enum coding *ret_coding)
{
	for (unsigned i = 0; i < N_CODINGS; i++) {
		if (!str_eq(name, str_of(kinds[i]->name)))
			continue;
		*ret_coding = (enum coding)i;
		return true;
	}
	return false;
}

struct str coding_name(enum coding coding)
{
	return str_of(kinds[coding]->name);
}

enum coding coder_coding(const struct coder *coder)
{
	return coder->kind->coding;
}

bool coder_can_be_kept(const struct coder *coder)
{
	return coder->kind->is_reusable;
}

size_t coder_size(enum coding coding, int level)
{
	return kinds[coding]->sizes[level];
}

struct coder *coder_create(enum coding coding, int level)
{
	struct coder *coder = calloc(1, sizeof(*coder));

	check(level >= CODER_LEVEL_MIN && level <= CODER_LEVEL_MAX);
	if (!coder)
		return NULL;
	list_init(&coder->link);
	coder->kind = kinds[coding];
	coder->level = level;
	coder->state = coder->kind->create(level);
	if (coder->state)
		return coder;
	free(coder);
	return NULL;
}

void coder_destroy(struct coder *coder)
{
	if (!coder)
		return;
	check(!list_is_linked(&coder->link));
	coder->kind->destroy(coder->state);
	free(coder);
}

bool coder_begin(struct coder *coder, uint64_t size)
{
	coder->since_flush = 0;
	coder->in_part = false;
	return coder->kind->begin(coder->state, coder->level, size);
}

/* The next part: libraries want to be asked for the same until it is done. */
static void coder_begin_part(struct coder *coder, struct str in, enum coder_op op)
{
	const struct coder_kind *kind = coder->kind;

	coder->in_part = true;
	coder->part_left = MIN(in.len, (size_t)CODER_STEP);
	coder->part_op = coder->part_left == in.len ? op : CODER_GO;
	if (coder->part_op == CODER_GO && kind->burst &&
	    coder->since_flush + coder->part_left >= kind->burst)
		coder->part_op = CODER_FLUSH;
}

int coder_step(struct coder *coder, struct str *in, enum coder_op op, char *out, size_t room,
	       size_t *ret_len)
{
	struct str part;
	size_t used;
	int r;

	check(room > 0);
	if (!coder->in_part)
		coder_begin_part(coder, *in, op);
	check(coder->part_left <= in->len);
	part = str_first(*in, coder->part_left);
	r = coder->kind->step(coder->state, &part, coder->part_op, out, room, ret_len);
	if (r < 0)
		return -EIO;
	used = coder->part_left - part.len;
	coder->part_left -= used;
	coder->since_flush += used;
	*in = str_skip(*in, used);
	if (r == 0)
		return 0;
	check(coder->part_left == 0);
	coder->in_part = false;
	if (coder->part_op != CODER_GO)
		coder->since_flush = 0;
	return in->len == 0 && (op == CODER_GO || coder->part_op == op);
}
