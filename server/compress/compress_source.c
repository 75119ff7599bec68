/* server/compress/compress_source.c */
#include "server/compress/compress_source.h"
#include "core/base/clock.h"
#include <errno.h>

static struct compress_source *compress_of(struct body_source *source)
{
	return container_of(source, struct compress_source, source);
}

/* ------------------------------------------------------------ what wakes it */

static void compress_tell(struct compress_source *own)
{
	if (!own->waiting)
		return;
	own->waiting = false;
	own->source.on_more(&own->source);
}

static void compress_on_more(struct body_source *inner)
{
	struct compress_source *own = inner->taker;

	own->inner_waits = false;
	compress_tell(own);
}

static void compress_on_turn(struct coder_turn *turn)
{
	compress_tell(container_of(turn, struct compress_source, turn));
}

/* ------------------------------------------------------------ work */

/* Nobody behind the coder could tell that something is missing. */
static bool compress_is_as_promised(const struct compress_source *own)
{
	uint64_t size = own->inner->size;

	return size == BODY_SIZE_UNKNOWN ||
	       (own->in_whole ? own->n_pulled == size : own->n_pulled <= size);
}

/* The next piece of what is to be compressed. 1, also at its end; -EAGAIN; or why there is none. */
static int compress_pull(struct compress_source *own)
{
	int r;

	if (own->in.len > 0 || own->in_whole)
		return 1;
	if (own->inner_waits)
		return -EAGAIN;
	r = body_source_read(own->inner, &own->in);
	own->inner_waits = r == -EAGAIN;
	own->in_whole = r == 0;
	own->n_pulled += own->in.len;
	if (r >= 0 && !compress_is_as_promised(own))
		return -EPROTO;
	return r < 0 ? r : 1;
}

/* One step of the coder. */
static int compress_step(struct compress_source *own, enum coder_op op)
{
	uint64_t start_ns = clock_monotonic_ns();
	size_t len = 0;
	int r = coder_step(own->coder, &own->in, op, own->out + own->out_len,
			   COMPRESS_OUT - own->out_len, &len);

	coders_worked(own->coders, start_ns);
	own->out_len += len;
	own->done = r > 0 && op == CODER_END;
	return r;
}

static bool compress_has_room(const struct compress_source *own)
{
	return own->out_len < COMPRESS_OUT;
}

/* Until there is a full piece, or nothing to be done now. 0; -EAGAIN: what is in `out`, if
 * anything, is all for now; or an error. */
static int compress_work(struct compress_source *own)
{
	while (!own->done && compress_has_room(own)) {
		int r;

		if (!coders_may_work(own->coders, &own->turn))
			return -EAGAIN;
		r = compress_pull(own);
		if (r == -EAGAIN && own->coder->since_flush == 0 && !own->coder->in_part)
			return r;
		if (r < 0 && r != -EAGAIN)
			return r;
		r = compress_step(own, r == -EAGAIN    ? CODER_FLUSH
				       : own->in_whole ? CODER_END
						       : CODER_GO);
		if (r < 0)
			return r;
	}
	return 0;
}

static void compress_keep(struct compress_source *own)
{
	if (!own->keeper || own->kept.error)
		return;
	buf_add(&own->kept, (struct str){ own->out, own->out_len });
	if (own->done && !own->kept.error)
		own->keeper->on_whole(own->keeper, buf_str(&own->kept));
}

static int compress_read(struct body_source *source, struct str *ret_bytes)
{
	struct compress_source *own = compress_of(source);
	int r;

	check(!own->waiting);
	if (own->error || own->done)
		return own->error;
	own->out_len = 0;
	r = compress_work(own);
	if (r == -EAGAIN && own->out_len == 0) {
		own->waiting = true;
		return r;
	}
	if (r < 0 && r != -EAGAIN)
		own->error = r;
	if (r < 0 && own->out_len == 0)
		return r;
	compress_keep(own);
	*ret_bytes = (struct str){ own->out, own->out_len };
	return own->out_len > 0;
}

/* ------------------------------------------------------------ beginning and end */

static void compress_close(struct body_source *source)
{
	struct compress_source *own = compress_of(source);

	own->waiting = false;
	coder_turn_cancel(&own->turn);
	coders_give_back(own->coders, own->coder);
	body_source_close(own->inner);
	buf_fini(&own->kept);
}

struct body_source *compress_source_create(struct arena *arena, struct coders *coders,
					   enum coding coding, int level,
					   const struct compress_from *from)
{
	static const struct body_source_ops ops = { compress_read, compress_close };
	struct compress_source *own = arena_zalloc(arena, sizeof(*own));
	struct body_source *inner = from->inner;
	char *out = arena_alloc(arena, COMPRESS_OUT);

	if (!own || !out)
		return NULL;
	own->coder = coders_take(coders, coding, level, inner ? inner->size : from->bytes.len);
	if (!own->coder)
		return NULL;
	own->source = (struct body_source){ .ops = &ops,
					    .size = BODY_SIZE_UNKNOWN,
					    .coding = coding_name(coding) };
	own->coders = coders;
	own->inner = inner;
	own->in = from->bytes;
	own->in_whole = !inner;
	own->out = out;
	own->keeper = from->keeper;
	coder_turn_init(&own->turn, compress_on_turn);
	buf_init(&own->kept, from->keeper ? from->keeper->max : 0);
	if (inner) {
		own->source.type = inner->type;
		inner->on_more = compress_on_more;
		inner->taker = own;
	}
	return &own->source;
}

struct str compress_bytes(struct arena *arena, struct coders *coders, enum coding coding, int level,
			  struct str bytes)
{
	struct coder *coder = coders_take(coders, coding, level, bytes.len);
	char *out = coder ? arena_alloc(arena, bytes.len) : NULL;
	uint64_t start_ns = clock_monotonic_ns();
	size_t room = bytes.len, len = 0, n;
	int r = 0;

	while (out && r == 0 && len < room) {
		r = coder_step(coder, &bytes, CODER_END, out + len, room - len, &n);
		len += n;
	}
	coders_worked(coders, start_ns);
	if (coder)
		coders_give_back(coders, coder);
	return r > 0 ? (struct str){ out, len } : STR_NONE;
}
