/* server/policy/compress_body.c
 *
 * A body that is small is compressed at once and keeps a length; a larger one while it is sent, in
 * the loop's share for it (server/compress). What is asked for again and again is compressed once:
 * a constant body is kept by the policy, that of a small file by the cache of files. */
#include "server/policy/compress_body.h"
#include "server/compress/coded_cache.h"
#include "server/compress/compress_source.h"
#include "server/files/body.h"
#include "server/request.h"

enum { AT_ONCE_MAX = 16 << 10 };

/* ------------------------------------------------------------ what is kept */

static bool body_is(struct str body, const char *ptr, size_t len)
{
	return body.ptr == ptr && body.len == len && len > 0;
}

/* That of a constant reply, which lives as long as the policy. */
static bool body_is_constant(const struct request *request, struct str body)
{
	const struct reply *constant = request->route->reply ? reply_constant(request->route->reply)
							     : NULL;

	return constant && body_is(body, constant->body.ptr, constant->body.len);
}

static bool body_is_file(const struct request *request, struct str body)
{
	const struct file *file = request->file;

	return file && file->bytes && body_is(body, file->bytes, file->size);
}

static struct str body_find(const struct compress_how *how, struct str body)
{
	const struct request *request = how->request;

	if (body_is_file(request, body))
		return (struct str){ request->file->coded[how->coding].bytes,
				     request->file->coded[how->coding].len };
	if (body_is_constant(request, body))
		return coded_cache_find(how->cache, body, how->coding);
	return STR_NONE;
}

static void body_keep(const struct compress_how *how, struct str body, struct str bytes)
{
	struct request *request = how->request;

	if (body_is_file(request, body))
		file_cache_add_coded(&request->worker->files.cache, request->file, how->coding,
				     bytes);
	else if (body_is_constant(request, body))
		coded_cache_add(how->cache, body, how->coding, bytes);
}

/* Keeps it when it has been compressed while it was sent. */
struct body_keeper {
	struct compress_keeper keeper;
	struct compress_how how;
	struct str body;
};

static void body_on_whole(struct compress_keeper *keeper, struct str bytes)
{
	struct body_keeper *own = container_of(keeper, struct body_keeper, keeper);

	body_keep(&own->how, own->body, bytes);
}

/* NULL: it is not kept. */
static struct compress_keeper *body_keeper(const struct compress_how *how, struct str body)
{
	struct body_keeper *own;

	if (!body_is_file(how->request, body) && !body_is_constant(how->request, body))
		return NULL;
	own = arena_alloc(how->arena, sizeof(*own));
	if (!own)
		return NULL;
	*own = (struct body_keeper){ { body_on_whole, MIN(body.len, (size_t)CODED_BODY_MAX) },
				     *how,
				     body };
	return &own->keeper;
}

/* ------------------------------------------------------------ compressing */

/* While it is sent. */
static bool body_flow(const struct compress_how *how, struct reply *reply)
{
	struct compress_from from = { .inner = reply->source, .bytes = reply->body };
	struct body_source *source;

	if (reply->file)
		from.inner = file_body_source(how->arena, reply->file);
	if (reply->file && !from.inner)
		return false;
	if (!from.inner)
		from.keeper = body_keeper(how, reply->body);
	source = compress_source_create(how->arena, &how->request->worker->coders, how->coding,
					how->level, &from);
	if (!source)
		return false; /* a file's source holds nothing yet */
	reply->source = source;
	reply->body = STR_NONE;
	reply->file = NULL;
	return true;
}

/* All of it now. */
static bool body_at_once(const struct compress_how *how, struct reply *reply)
{
	struct str bytes = compress_bytes(how->arena, &how->request->worker->coders, how->coding,
					  how->level, reply->body);

	if (!bytes.ptr)
		return false;
	body_keep(how, reply->body, bytes);
	reply->body = bytes;
	return true;
}

bool compress_body(const struct compress_how *how, struct reply *reply)
{
	struct str kept = reply->source || reply->file ? STR_NONE : body_find(how, reply->body);

	if (kept.ptr) {
		reply->body = kept;
		return true;
	}
	if (reply->source || reply->file || reply->body.len > AT_ONCE_MAX)
		return body_flow(how, reply);
	return body_at_once(how, reply);
}
