/* server/files/answer.c */
#include "server/files/answer.h"
#include "core/base/clock.h"
#include "server/http/conditional.h"
#include "server/http/range.h"

enum { FIELDS_MAX = 8 };

#define BOUNDARY "leat-5f3a91c07d26be48"

static void field_add(struct reply *reply, struct str name, struct str value)
{
	if (value.len)
		reply->fields[reply->n_fields++] = (struct http_field){ name, value };
}

static bool answer_is(struct reply *reply, int status)
{
	reply->status = status;
	return true;
}

/* ------------------------------------------------------------ bodies */

static bool body_bytes(struct request *request, const struct file *file, struct reply *reply,
		       const struct reply_part *parts, size_t n_parts)
{
	struct buf out;

	if (n_parts == 1) {
		reply->body = (struct str){ file->bytes + parts[0].from, parts[0].len };
		return true;
	}
	buf_init_arena(&out, &request->arena);
	for (size_t i = 0; i < n_parts; i++) {
		buf_add(&out, parts[i].bytes);
		buf_add(&out, (struct str){ file->bytes + parts[i].from, parts[i].len });
	}
	reply->body = buf_str(&out);
	return !out.error;
}

static bool body_set(struct request *request, const struct file *file, struct reply *reply,
		     const struct reply_part *parts, size_t n_parts)
{
	struct reply_file *body;

	if (file->bytes)
		return body_bytes(request, file, reply, parts, n_parts);
	body = arena_zalloc(&request->arena, sizeof(*body));
	if (!body)
		return false;
	body->fd = file->fd;
	body->n_parts = n_parts;
	body->parts = parts;
	for (size_t i = 0; i < n_parts; i++)
		body->size += parts[i].bytes.len + parts[i].len;
	reply->file = body;
	return true;
}

static struct str content_range(struct arena *arena, const struct http_range *range, uint64_t size)
{
	return arena_printf(arena, "bytes %llu-%llu/%llu", (unsigned long long)range->from,
			    (unsigned long long)(range->from + range->len - 1),
			    (unsigned long long)size);
}

static bool answer_ranges(struct request *request, const struct file *file, struct reply *reply,
			  const struct http_range *ranges, size_t n_ranges)
{
	struct arena *arena = &request->arena;
	struct reply_part *parts = arena_alloc_array(arena, n_ranges + 1, sizeof(*parts));

	if (!parts)
		return false;
	reply->status = 206;
	for (size_t i = 0; i < n_ranges; i++) {
		struct str shown = content_range(arena, &ranges[i], file->size);

		parts[i] = (struct reply_part){ STR_NONE, ranges[i].from, ranges[i].len };
		if (!shown.ptr)
			return false;
		if (n_ranges == 1) {
			field_add(reply, STR("Content-Range"), shown);
			return body_set(request, file, reply, parts, 1);
		}
		parts[i].bytes = arena_printf(
			arena,
			"%s--" BOUNDARY "\r\nContent-Type: %.*s\r\nContent-Range: %.*s\r\n\r\n",
			i ? "\r\n" : "", STR_ARG(file->type), STR_ARG(shown));
		if (!parts[i].bytes.ptr)
			return false;
	}
	parts[n_ranges] = (struct reply_part){ STR("\r\n--" BOUNDARY "--\r\n"), 0, 0 };
	reply->content_type = STR("multipart/byteranges; boundary=" BOUNDARY);
	return body_set(request, file, reply, parts, n_ranges + 1);
}

static bool answer_whole(struct request *request, const struct file *file, struct reply *reply)
{
	struct reply_part *part = arena_zalloc(&request->arena, sizeof(*part));

	if (!part)
		return false;
	part->len = file->size;
	return body_set(request, file, reply, part, 1);
}

static bool answer_unsatisfiable(struct request *request, const struct file *file,
				 struct reply *reply)
{
	struct str range =
		arena_printf(&request->arena, "bytes */%llu", (unsigned long long)file->size);

	reply->n_fields = 0;
	reply->content_type = STR_NONE;
	field_add(reply, STR("Content-Range"), range);
	return answer_is(reply, 416);
}

/* ------------------------------------------------------------ the answer */

static void answer_fields(const struct files_config *config, const struct file *file,
			  struct reply *reply)
{
	if (config->etag)
		field_add(reply, STR("ETag"), (struct str){ file->etag, file->etag_len });
	field_add(reply, STR("Last-Modified"), (struct str){ file->modified, HTTP_DATE_LEN });
	field_add(reply, STR("Cache-Control"), config->cache_control);
	if (config->precompressed.n_texts)
		field_add(reply, STR("Vary"), STR("Accept-Encoding"));
}

static bool answer_body(struct request *request, const struct file *file, struct reply *reply,
			const struct http_validators *now)
{
	const struct http_field *range = http_head_find(&request->head, STR("range"));
	struct http_range ranges[HTTP_RANGES_MAX];
	size_t n_ranges = 0;

	field_add(reply, STR("Accept-Ranges"), STR("bytes"));
	if (file->coding)
		field_add(reply, STR("Content-Encoding"), file->coding->name);
	reply->content_type = file->type;
	if (!range || request->head.method_id != HTTP_GET ||
	    !http_if_range_holds(&request->head, now))
		return answer_whole(request, file, reply);
	switch (http_range_read(range->value, file->size, ranges, &n_ranges)) {
	case HTTP_RANGE_WHOLE:
		return answer_whole(request, file, reply);
	case HTTP_RANGE_PARTIAL:
		return answer_ranges(request, file, reply, ranges, n_ranges);
	case HTTP_RANGE_UNSATISFIABLE:
		return answer_unsatisfiable(request, file, reply);
	}
	unreachable();
}

static bool answer_make(const struct files_config *config, struct request *request,
			const struct file *file, struct reply *reply)
{
	const struct http_validators now = {
		config->etag ? (struct str){ file->etag, file->etag_len } : STR_NONE,
		file->mtime_ns / (int64_t)NS_PER_S,
		clock_wall_ns() / (int64_t)NS_PER_S,
	};

	reply->fields = arena_alloc_array(&request->arena, FIELDS_MAX, sizeof(*reply->fields));
	if (!reply->fields)
		return false;
	switch (http_condition_check(&request->head, &now)) {
	case HTTP_CONDITION_FAILED:
		return answer_is(reply, 412);
	case HTTP_CONDITION_UNCHANGED:
		answer_fields(config, file, reply);
		return answer_is(reply, 304);
	case HTTP_CONDITION_HOLDS:
		answer_fields(config, file, reply);
		return answer_body(request, file, reply, &now);
	}
	unreachable();
}

void files_answer(const struct files_config *config, struct request *request,
		  const struct file *file)
{
	struct reply reply = { .status = 200 };

	if (answer_make(config, request, file, &reply))
		request_reply(request, &reply);
	else
		request_reply(request, reply_refusal(503));
}

void files_redirect(struct request *request)
{
	struct reply reply = { .status = 308, .n_fields = 1 };
	const struct http_path *path = &request->path;
	struct http_field field = { .name = STR("Location") };
	struct buf out;
	size_t first = 0;

	/* "//name/" would lead to another host */
	while (first < path->n_segments && path->raw[first].len == 0)
		first++;
	buf_init_arena(&out, &request->arena);
	buf_add_char(&out, '/');
	for (size_t i = first; i < path->n_segments; i++) {
		buf_add(&out, path->raw[i]);
		buf_add_char(&out, '/');
	}
	if (request->head.query.ptr) {
		buf_add_char(&out, '?');
		buf_add(&out, request->head.query);
	}
	field.value = buf_str(&out);
	reply.fields = &field;
	request_reply(request, out.error ? reply_refusal(503) : &reply);
}
