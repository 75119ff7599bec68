/* server/files/files.c
 *
 *     files_hot()   --> cache: fresh, small ------------------------> its rendered answer
 *     files_serve() --> cache: fresh, or a little older (and then it is looked at again)
 *            |            \--------------------------------------------> files_answer()
 *            \--> unknown, or old --> desk_look() --> files_on_looked() --/
 *
 * While the pool looks, the request waits (request->native) until its route's deadline. */
#include "server/files/files.h"
#include "core/base/clock.h"
#include "server/files/answer.h"
#include "server/files/desk.h"
#include "server/http/conditional.h"
#include "server/server.h"
#include <errno.h>

/* What a request asks for. */
struct ask {
	struct file_query query;
	struct str key; /* the mark, what the answer depends on else, and the path */
};

enum ask_result {
	ASK_MADE,
	ASK_NOTHING,  /* a path that never leads to a file: 404 */
	ASK_REDIRECT, /* the root, asked for without its '/' */
	ASK_NO_MEMORY,
};

/* ------------------------------------------------------------ what is asked for */

/* What the client takes, best first; the order of the configuration decides between equals. */
static void ask_choose_codings(const struct files *files, const struct http_head *head,
			       struct file_query *query)
{
	unsigned weights[FILE_CODINGS_MAX];
	unsigned plain = files->n_codings ? http_coding_quality(head, STR("identity")) : 0;

	for (size_t i = 0; i < files->n_codings; i++) {
		unsigned weight = http_coding_quality(head, files->codings[i]->name);
		size_t at = query->n_codings;

		if (weight == 0 || weight < plain)
			continue;
		for (; at > 0 && weights[at - 1] < weight; at--) {
			weights[at] = weights[at - 1];
			query->codings[at] = query->codings[at - 1];
		}
		weights[at] = weight;
		query->codings[at] = files->codings[i];
		query->n_codings++;
	}
}

static enum file_listing ask_listing(const struct files *files, const struct http_head *head)
{
	if (!files->listing)
		return FILE_LISTING_NONE;
	return http_type_quality(head, STR("application/json")) >
			       http_type_quality(head, STR("text/html"))
		       ? FILE_LISTING_JSON
		       : FILE_LISTING_HTML;
}

static bool segment_is_served(const struct files *files, struct str segment, size_t place)
{
	if (str_has(segment, '/') || str_has(segment, '\0') || str_eq(segment, STR(".")) ||
	    str_eq(segment, STR("..")))
		return false;
	return files->hidden || !str_starts_with(segment, STR(".")) ||
	       (place == 0 && str_eq(segment, STR(".well-known"))); /* RFC 8615 */
}

static enum ask_result ask_add_rest(const struct files *files, const struct http_path *path,
				    size_t rest_from, struct buf *key)
{
	size_t begin = key->len;

	for (size_t i = rest_from; i < path->n_segments; i++) {
		struct str segment = path->segments[i];
		bool last = i + 1 == path->n_segments;

		if (!segment_is_served(files, segment, i) || (segment.len == 0 && !last))
			return ASK_NOTHING;
		buf_add(key, segment);
		if (!last)
			buf_add_char(key, '/');
	}
	if (key->len == begin)
		buf_add_char(key, '.');
	return ASK_MADE;
}

/* The key's beginning: for whom the same file is the same answer. */
static void ask_begin(struct ask *ask, const struct files *files, const struct http_head *head,
		      struct buf *key)
{
	ask->query = (struct file_query){ .root = files->root.ptr,
					  .index = files->index.ptr,
					  .links = (enum file_links)files->links,
					  .hidden = files->hidden,
					  .listing = ask_listing(files, head) };
	ask_choose_codings(files, head, &ask->query);
	buf_add(key, (struct str){ files->mark, sizeof(files->mark) });
	buf_add_char(key, (char)('0' + ask->query.listing));
	for (size_t i = 0; i < ask->query.n_codings; i++)
		buf_add(key, ask->query.codings[i]->suffix);
	buf_add_char(key, '/');
}

static enum ask_result ask_end(struct ask *ask, struct buf *key, size_t path_at)
{
	buf_add_char(key, '\0');
	if (key->error)
		return ASK_NO_MEMORY;
	ask->key = buf_str(key);
	ask->query.path = key->data + path_at;
	return ASK_MADE;
}

static enum ask_result ask_make(struct ask *ask, const struct files *files,
				const struct http_head *head, const struct http_path *path,
				size_t rest_from, struct arena *arena)
{
	enum ask_result result = ASK_MADE;
	struct buf key;
	size_t path_at;

	if (files->has_rest && rest_from == SIZE_MAX)
		return ASK_REDIRECT;
	buf_init_arena(&key, arena);
	buf_reserve(&key, 256);
	ask_begin(ask, files, head, &key);
	path_at = key.len;
	if (files->has_rest)
		result = ask_add_rest(files, path, rest_from, &key);
	else
		buf_add(&key, files->path.len ? files->path : STR("."));
	return result == ASK_MADE ? ask_end(ask, &key, path_at) : result;
}

static enum ask_result ask_make_fallback(struct ask *ask, const struct files *files,
					 const struct http_head *head, struct arena *arena)
{
	struct buf key;
	size_t path_at;

	buf_init_arena(&key, arena);
	ask_begin(ask, files, head, &key);
	path_at = key.len;
	buf_add(&key, files->fallback);
	return ask_end(ask, &key, path_at);
}

/* ------------------------------------------------------------ answering a request */

struct files_wait {
	struct desk_wait wait;
	struct timer timer;
	struct request *request;
	const struct files *files;
	bool fell_back;
};

static void files_look(const struct files *files, struct request *request, struct ask *ask,
		       bool fell_back);

static void files_refuse(struct request *request, int status)
{
	struct str code = status == 504 ? STR("timeout") : STR_NONE;
	struct reply reply = reply_problem(&request->arena, status, code, STR_NONE,
					   request->context.id, STR_NONE);

	request_reply(request, status == 503 ? reply_refusal(503) : &reply);
}

static void files_fail(const struct files *files, struct request *request, int error,
		       bool fell_back)
{
	struct ask ask;

	switch (error) {
	case -EISDIR:
		if (fell_back)
			break; /* `fallback` is a folder: nothing to be served */
		files_redirect(request);
		return;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
		files_refuse(request, 503);
		return;
	default:
		break;
	}
	if (!file_error_is_lasting(error))
		files_refuse(request, 500); /* whether it is there could not be found out */
	else if (!files->fallback.len || fell_back)
		files_refuse(request, 404);
	else if (ask_make_fallback(&ask, files, &request->head, &request->arena) == ASK_MADE)
		files_look(files, request, &ask, true);
	else
		files_refuse(request, 503);
}

static void files_take(const struct files *files, struct request *request, struct file *file,
		       bool fell_back)
{
	if (file->error) {
		files_fail(files, request, file->error, fell_back);
		return;
	}
	file_ref(file);
	request->file = file;
	files_answer(files, request, file);
}

static void files_on_looked(struct desk_wait *desk_wait, int result, struct file *file)
{
	struct files_wait *wait = container_of(desk_wait, struct files_wait, wait);

	timer_stop(&wait->timer);
	wait->request->native = NULL;
	wait->request->on_cancel = NULL;
	if (result == 0)
		files_take(wait->files, wait->request, file, wait->fell_back);
	else
		files_fail(wait->files, wait->request, result, wait->fell_back);
}

static void files_on_late(struct timer *timer)
{
	struct files_wait *wait = container_of(timer, struct files_wait, timer);

	desk_wait_cancel(&wait->wait);
	files_refuse(wait->request, 504);
}

/* The client has left. */
static void files_on_cancel(struct request *request)
{
	struct files_wait *wait = request->native;

	desk_wait_cancel(&wait->wait);
	timer_stop(&wait->timer);
	request->native = NULL;
	request_destroy(request);
}

static void files_wait(const struct files *files, struct request *request, const struct ask *ask,
		       bool fell_back)
{
	struct files_wait *wait = arena_zalloc(&request->arena, sizeof(*wait));
	struct worker *worker = request->worker;
	int r = -ENOMEM;

	if (wait) {
		wait->wait.on_end = files_on_looked;
		wait->request = request;
		wait->files = files;
		wait->fell_back = fell_back;
		r = desk_look(&worker->files, request->generation, files, &ask->query, ask->key,
			      &wait->wait);
	}
	if (r < 0) {
		files_refuse(request, 503);
		return;
	}
	request->native = wait;
	request->on_cancel = files_on_cancel;
	timer_init(&wait->timer, worker->loop, files_on_late);
	timer_start_at(&wait->timer, request->started_ns + request->route->timeout_ms * NS_PER_MS);
}

/* A full queue leaves it as old as it is; soon it will have to be waited for. */
static void files_look_again(const struct files *files, struct worker *worker,
			     struct generation *generation, const struct ask *ask)
{
	desk_look(&worker->files, generation, files, &ask->query, ask->key, NULL);
}

static void files_look(const struct files *files, struct request *request, struct ask *ask,
		       bool fell_back)
{
	struct worker *worker = request->worker;
	struct file *file;

	ask->query.budget = &worker->server->memory;
	switch (desk_find(&worker->files, ask->key, &file)) {
	case DESK_NONE:
		files_wait(files, request, ask, fell_back);
		return;
	case DESK_STALE:
		files_look_again(files, worker, request->generation, ask);
		break;
	case DESK_FRESH:
		break;
	}
	files_take(files, request, file, fell_back);
}

void files_serve(const struct files *files, struct request *request)
{
	enum http_method method = request->head.method_id;
	struct ask ask;

	if (method != HTTP_GET && method != HTTP_HEAD) {
		request_reply(request, server_allow_reply(1U << HTTP_GET, method == HTTP_OPTIONS));
		return;
	}
	switch (ask_make(&ask, files, &request->head, &request->path, request->match.rest_from,
			 &request->arena)) {
	case ASK_MADE:
		files_look(files, request, &ask, false);
		return;
	case ASK_NOTHING:
		files_refuse(request, 404);
		return;
	case ASK_REDIRECT:
		files_redirect(request);
		return;
	case ASK_NO_MEMORY:
		files_refuse(request, 503);
		return;
	}
}

/* ------------------------------------------------------------ the hot path */

const struct reply *files_hot(const struct files *files, struct worker *worker,
			      const struct http_head *head, const struct http_path *path,
			      size_t rest_from, uint64_t *ret_until_ns)
{
	const struct reply *reply;
	enum desk_age age;
	struct file *file;
	struct ask ask;

	if ((head->method_id != HTTP_GET && head->method_id != HTTP_HEAD) ||
	    ask_make(&ask, files, head, path, rest_from, &worker->path_arena) != ASK_MADE)
		return NULL;
	age = desk_find(&worker->files, ask.key, &file);
	if (age == DESK_NONE)
		return NULL;
	reply = files_rendered(files, head, file);
	if (!reply)
		return NULL;
	if (age == DESK_STALE) {
		ask.query.budget = &worker->server->memory;
		files_look_again(files, worker, worker->generation, &ask);
	}
	*ret_until_ns = file->checked_ns + FILE_CACHE_FRESH_MS * NS_PER_MS;
	return reply;
}
