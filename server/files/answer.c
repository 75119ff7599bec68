/* server/files/answer.c */
#include "server/files/answer.h"
#include "core/base/clock.h"
#include "server/files/body.h"
#include "server/http/conditional.h"
#include "server/http/range.h"
#include <errno.h>
#include <stdlib.h>

enum { FIELDS_MAX = 8 };

#define BOUNDARY "leat-5f3a91c07d26be48"

static void field_add(struct reply *reply, struct str name, struct str value)
{
	if (value.len)
		reply->fields[reply->n_fields++] = (struct http_field){ name, value };
}

static struct str file_etag(const struct files *files, const struct file *file)
{
	return files->etag && !file->listing ? (struct str){ file->etag, file->etag_len }
					     : STR_NONE;
}

static struct http_validators file_validators(const struct files *files, const struct file *file)
{
	return (struct http_validators){
		file_etag(files, file),
		file->mtime_ns / (int64_t)NS_PER_S,
		clock_wall_ns() / (int64_t)NS_PER_S,
	};
}

/* What 200, 206 and 304 have in common. */
static void answer_fields(const struct files *files, const struct file *file, struct reply *reply)
{
	field_add(reply, STR("ETag"), file_etag(files, file));
	if (!file->listing)
		field_add(reply, STR("Last-Modified"),
			  (struct str){ file->modified, HTTP_DATE_LEN });
	field_add(reply, STR("Cache-Control"), files->cache_control);
	if (file->listing)
		field_add(reply, STR("Vary"), STR("Accept"));
	else if (files->n_codings)
		field_add(reply, STR("Vary"), STR("Accept-Encoding"));
}

static void answer_body_fields(const struct files *files, const struct file *file,
			       struct reply *reply)
{
	if (file->listing == FILE_LISTING_JSON)
		reply->content_type = STR("application/json");
	else if (file->listing)
		reply->content_type = STR("text/html; charset=utf-8");
	else
		reply->content_type = files_type(files, file->name);
	if (!file->listing)
		field_add(reply, STR("Accept-Ranges"), STR("bytes"));
	if (file->coding)
		field_add(reply, STR("Content-Encoding"), file->coding->name);
}

/* ------------------------------------------------------------ rendered once */

int files_render(const struct files *files, struct file *file)
{
	struct http_field fields[FIELDS_MAX];
	struct reply unchanged = { .status = 304, .fields = fields };
	struct reply whole = { .status = 200, .fields = fields };
	struct buf out;
	size_t len;

	if (!file->bytes || file->size > FILE_SMALL_MAX)
		return 0;
	buf_init(&out, SIZE_MAX);
	answer_fields(files, file, &unchanged);
	reply_write_head(&unchanged, &out);
	len = out.len;
	whole.n_fields = unchanged.n_fields;
	answer_body_fields(files, file, &whole);
	whole.body = (struct str){ file->bytes, file->size };
	reply_write_head(&whole, &out);
	if (out.error || !file_charge(file, out.cap)) {
		buf_fini(&out);
		return -ENOMEM;
	}
	file->text = out.data;
	file->is_rendered = out.len - len <= REPLY_CONSTANT_HEAD_MAX;
	file->unchanged =
		(struct reply){ .status = 304, .constant = true, .head = { out.data, len } };
	file->whole = (struct reply){ .status = 200,
				      .constant = true,
				      .body = whole.body,
				      .head = { out.data + len, out.len - len } };
	return 0;
}

const struct reply *files_rendered(const struct files *files, const struct http_head *head,
				   const struct file *file)
{
	struct http_validators now;

	if (!file->is_rendered || http_head_find(head, STR("range")))
		return NULL;
	if (file->listing)
		return &file->whole;
	now = file_validators(files, file);
	switch (http_condition_check(head, &now)) {
	case HTTP_CONDITION_FAILED:
		return NULL;
	case HTTP_CONDITION_UNCHANGED:
		return &file->unchanged;
	case HTTP_CONDITION_HOLDS:
		return &file->whole;
	}
	unreachable();
}

/* ------------------------------------------------------------ ranges */

static struct str content_range(struct arena *arena, const struct http_range *range, uint64_t size)
{
	return arena_printf(arena, "bytes %llu-%llu/%llu", (unsigned long long)range->from,
			    (unsigned long long)(range->from + range->len - 1),
			    (unsigned long long)size);
}

static bool answer_range(struct request *request, struct file *file, struct reply *reply,
			 const struct http_range *range)
{
	struct reply_part *part = arena_zalloc(&request->arena, sizeof(*part));
	struct str shown = content_range(&request->arena, range, file->size);

	if (!part || !shown.ptr)
		return false;
	reply->status = 206;
	part->from = range->from;
	part->len = range->len;
	field_add(reply, STR("Content-Range"), shown);
	return file_body_set(request, file, reply, part, 1);
}

static bool answer_ranges(struct request *request, struct file *file, struct reply *reply,
			  const struct http_range *ranges, size_t n_ranges)
{
	struct arena *arena = &request->arena;
	struct reply_part *parts = arena_alloc_array(arena, n_ranges + 1, sizeof(*parts));

	if (!parts)
		return false;
	for (size_t i = 0; i < n_ranges; i++) {
		struct str shown = content_range(arena, &ranges[i], file->size);

		if (!shown.ptr)
			return false;
		parts[i] = (struct reply_part){ STR_NONE, ranges[i].from, ranges[i].len };
		parts[i].bytes = arena_printf(
			arena,
			"%s--" BOUNDARY "\r\nContent-Type: %.*s\r\nContent-Range: %.*s\r\n\r\n",
			i ? "\r\n" : "", STR_ARG(reply->content_type), STR_ARG(shown));
		if (!parts[i].bytes.ptr)
			return false;
	}
	parts[n_ranges] = (struct reply_part){ STR("\r\n--" BOUNDARY "--\r\n"), 0, 0 };
	reply->status = 206;
	reply->content_type = STR("multipart/byteranges; boundary=" BOUNDARY);
	return file_body_set(request, file, reply, parts, n_ranges + 1);
}

static bool answer_whole(struct request *request, struct file *file, struct reply *reply)
{
	struct reply_part *part = arena_zalloc(&request->arena, sizeof(*part));

	if (!part)
		return false;
	part->len = file->size;
	return file_body_set(request, file, reply, part, 1);
}

static bool answer_unsatisfiable(struct request *request, const struct file *file,
				 struct reply *reply)
{
	struct str range =
		arena_printf(&request->arena, "bytes */%llu", (unsigned long long)file->size);

	reply->status = 416;
	reply->n_fields = 0;
	reply->content_type = STR_NONE;
	field_add(reply, STR("Content-Range"), range);
	return range.ptr != NULL;
}

/* ------------------------------------------------------------ the answer */

static bool answer_body(const struct files *files, struct request *request, struct file *file,
			struct reply *reply, const struct http_validators *now)
{
	const struct http_field *range = http_head_find(&request->head, STR("range"));
	struct http_range ranges[HTTP_RANGES_MAX];
	size_t n_ranges = 0;

	answer_body_fields(files, file, reply);
	if (!range || file->listing || request->head.method_id != HTTP_GET ||
	    !http_if_range_holds(&request->head, now))
		return answer_whole(request, file, reply);
	switch (http_range_read(range->value, file->size, ranges, &n_ranges)) {
	case HTTP_RANGE_WHOLE:
		return answer_whole(request, file, reply);
	case HTTP_RANGE_PARTIAL:
		return n_ranges == 1 ? answer_range(request, file, reply, ranges)
				     : answer_ranges(request, file, reply, ranges, n_ranges);
	case HTTP_RANGE_UNSATISFIABLE:
		return answer_unsatisfiable(request, file, reply);
	}
	unreachable();
}

static bool answer_make(const struct files *files, struct request *request, struct file *file,
			struct reply *reply)
{
	const struct http_validators now = file_validators(files, file);
	enum http_condition condition = file->listing ? HTTP_CONDITION_HOLDS
						      : http_condition_check(&request->head, &now);

	reply->fields = arena_alloc_array(&request->arena, FIELDS_MAX, sizeof(*reply->fields));
	if (!reply->fields)
		return false;
	switch (condition) {
	case HTTP_CONDITION_FAILED:
		reply->status = 412;
		return true;
	case HTTP_CONDITION_UNCHANGED:
		answer_fields(files, file, reply);
		if (!file->coding) /* for policies: of what was not compressed before */
			reply->content_type = files_type(files, file->name);
		reply->status = 304;
		return true;
	case HTTP_CONDITION_HOLDS:
		answer_fields(files, file, reply);
		return answer_body(files, request, file, reply, &now);
	}
	unreachable();
}

void files_answer(const struct files *files, struct request *request, struct file *file)
{
	struct reply reply = { .status = 200 };

	if (answer_make(files, request, file, &reply))
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
