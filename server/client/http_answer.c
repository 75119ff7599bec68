/* server/client/http_answer.c
 *
 *   HEAD --+--> LENGTH --+
 *   ^   |  +--> CHUNKED -+--> WHOLE
 *   +---+  +--> CLOSE ---+
 *   (1xx)  \_____________/--> FAILED    (also from HEAD)
 */
#include "server/client/http_answer.h"
#include "server/http/fields.h"

enum { PIECES_MIN = 2048, BODY_MIN = 1024, BODY_GROWTH = 4 };

static const struct http_limits head_limits = {
	.line_max = HTTP_ANSWER_LINE_MAX,
	.head_max = HTTP_ANSWER_HEAD_MAX,
	.fields_max = HTTP_FIELDS_MAX,
	.body_max = UINT64_MAX,
};

void http_answer_init(struct http_answer *answer, struct arena *arena, enum http_method method,
		      size_t body_max)
{
	*answer = (struct http_answer){ .arena = arena, .method = method, .body_max = body_max };
}

void http_answer_fini(struct http_answer *answer)
{
	http_body_destroy(answer->chunked);
	answer->chunked = NULL;
}

static void http_answer_fail(struct http_answer *answer, enum http_call_error error,
			     const char *detail)
{
	answer->state = ANSWER_FAILED;
	answer->error = error;
	answer->detail = detail;
}

static void http_answer_finish(struct http_answer *answer)
{
	answer->response.body =
		(struct str){ answer->body, answer->streams ? 0 : answer->body_len };
	answer->state = ANSWER_WHOLE;
}

/* ------------------------------------------------------------ body */

/* Room for `size` more bytes. Grows in large steps: what was outgrown stays in the arena and
 * counts. */
static bool http_answer_grow(struct http_answer *answer, size_t size)
{
	size_t need = answer->body_len + size;
	size_t want = MAX(answer->body_cap * BODY_GROWTH, (size_t)BODY_MIN);
	size_t cap = MAX(need, MIN(want, answer->body_max));
	char *body;

	/* the last step goes all the way: memory that is not touched costs nothing */
	if (cap > answer->body_max / BODY_GROWTH)
		cap = MAX(need, answer->body_max);
	body = arena_alloc(answer->arena, cap);
	if (!body && cap > need)
		body = arena_alloc(answer->arena, cap = need);
	if (!body) {
		http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the body");
		return false;
	}
	if (answer->body_len)
		memcpy(body, answer->body, answer->body_len);
	answer->body = body;
	answer->body_cap = cap;
	return true;
}

/* `more` bytes may come with the same read, so room for them is made at once. */
static void http_answer_add(struct http_answer *answer, struct str data, size_t more)
{
	size_t left = answer->body_max - answer->body_len;

	if (data.len > left) {
		http_answer_fail(answer, HTTP_CALL_TOO_LARGE, "the body is too large");
		return;
	}
	if (answer->body_len + data.len > answer->body_cap &&
	    !http_answer_grow(answer, data.len + MIN(more, left - data.len)))
		return;
	memcpy(answer->body + answer->body_len, data.ptr, data.len);
	answer->body_len += data.len;
}

static size_t http_answer_read_length(struct http_answer *answer, struct str bytes)
{
	size_t n = MIN(bytes.len, (size_t)answer->length - answer->body_len);

	http_answer_add(answer, str_first(bytes, n), 0);
	if (answer->state == ANSWER_LENGTH && answer->body_len == answer->length)
		http_answer_finish(answer);
	return n;
}

static void http_answer_fail_chunks(struct http_answer *answer, int status)
{
	if (status == 413)
		http_answer_fail(answer, HTTP_CALL_TOO_LARGE, "the body is too large");
	else if (status == 503)
		http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the trailers");
	else
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE, "bad chunks");
}

static size_t http_answer_read_chunked(struct http_answer *answer, struct str bytes)
{
	size_t used = 0, n = 0;
	struct str data = STR_NONE;
	int status = 0;

	while (answer->state == ANSWER_CHUNKED) {
		struct str rest = str_skip(bytes, used);

		switch (http_body_read(answer->chunked, rest, &n, &data, &status)) {
		case HTTP_BODY_MORE:
			return bytes.len;
		case HTTP_BODY_DATA:
			used += n;
			http_answer_add(answer, data, bytes.len - used);
			break;
		case HTTP_BODY_END:
			used += n;
			http_answer_finish(answer);
			break;
		case HTTP_BODY_BAD:
			http_answer_fail_chunks(answer, status);
			break;
		}
	}
	return used;
}

/* ------------------------------------------------------------ head */

/* Copies the fields, and the bytes that they point into when those will not stay. */
static bool http_answer_keep_head(struct http_answer *answer, struct str bytes,
				  const struct http_response_head *head)
{
	struct http_call_response *response = &answer->response;
	const char *kept = bytes.ptr;

	if (bytes.ptr != answer->pieces)
		kept = arena_str(answer->arena, bytes).ptr;
	response->fields = arena_alloc_array(answer->arena, MAX(head->n_fields, (size_t)1),
					     sizeof(struct http_field));
	if (!kept || !response->fields) {
		http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the head");
		return false;
	}
	for (size_t i = 0; i < head->n_fields; i++) {
		struct http_field field = head->fields[i];

		field.name.ptr = kept + (field.name.ptr - bytes.ptr);
		field.value.ptr = field.value.len ? kept + (field.value.ptr - bytes.ptr) : kept;
		response->fields[i] = field;
	}
	response->status = head->status;
	response->n_fields = head->n_fields;
	return true;
}

static void http_answer_begin_length(struct http_answer *answer, uint64_t length)
{
	if (length > answer->body_max) {
		http_answer_fail(answer, HTTP_CALL_TOO_LARGE, "Content-Length is too large");
		return;
	}
	answer->length = length;
	answer->state = ANSWER_LENGTH;
	if (answer->streams)
		return;
	answer->body = arena_alloc(answer->arena, (size_t)length);
	answer->body_cap = (size_t)length;
	if (!answer->body)
		http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the body");
}

static void http_answer_begin_chunked(struct http_answer *answer)
{
	const struct http_body_limits limits = { .body_max = answer->body_max,
						 .extensions_max = 4096,
						 .trailers_max = 8192,
						 .keep_trailers = answer->passes_trailer };

	answer->chunked = http_body_create(&limits, true);
	answer->state = ANSWER_CHUNKED;
	if (!answer->chunked)
		http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the body");
}

static void http_answer_begin_body(struct http_answer *answer,
				   const struct http_response_head *head)
{
	switch (head->framing) {
	case HTTP_FRAMING_NONE:
		http_answer_finish(answer);
		return;
	case HTTP_FRAMING_LENGTH:
		http_answer_begin_length(answer, head->length);
		return;
	case HTTP_FRAMING_CHUNKED:
		http_answer_begin_chunked(answer);
		return;
	case HTTP_FRAMING_CLOSE:
		answer->state = ANSWER_CLOSE;
		return;
	}
	unreachable();
}

static void http_answer_pass_interim(struct http_answer *answer,
				     const struct http_response_head *head)
{
	const struct http_call_response response = { .status = head->status,
						     .n_fields = head->n_fields,
						     .fields = head->fields };

	if (head->status == 101)
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE, "101 was not asked for");
	else if (++answer->n_interim > HTTP_ANSWER_INTERIM_MAX)
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE, "too many interim responses");
	else if (answer->on_interim)
		answer->on_interim(answer, &response);
	answer->scan = (struct http_scan){ 0 };
	answer->pieces_len = 0;
}

/* A whole head, in `pieces` or in what was just read. */
static void http_answer_read_whole_head(struct http_answer *answer, struct str bytes)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_response_head head = { .fields = fields };

	if (http_response_parse(bytes, answer->method, &head_limits, &head) < 0) {
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE, "the head is not valid");
		return;
	}
	answer->switched = head.status == 101 && answer->may_switch;
	if (head.status < 200 && !answer->switched) {
		http_answer_pass_interim(answer, &head);
		return;
	}
	answer->keep_alive = head.keep_alive && !answer->switched;
	if (!http_answer_keep_head(answer, bytes, &head))
		return;
	if (answer->switched)
		answer->state = ANSWER_CLOSE;
	else
		http_answer_begin_body(answer, &head);
}

/* Adds bytes to `pieces`, at most up to HTTP_ANSWER_HEAD_MAX of them; returns how many. */
static size_t http_answer_add_piece(struct http_answer *answer, struct str bytes)
{
	size_t n = MIN(bytes.len, HTTP_ANSWER_HEAD_MAX - answer->pieces_len);
	size_t need = answer->pieces_len + n;
	size_t cap = MIN((size_t)HTTP_ANSWER_HEAD_MAX, MAX(need * 2, (size_t)PIECES_MIN));

	if (need > answer->pieces_cap) {
		char *pieces = arena_alloc(answer->arena, cap);

		if (!pieces) {
			http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the head");
			return 0;
		}
		if (answer->pieces_len)
			memcpy(pieces, answer->pieces, answer->pieces_len);
		answer->pieces = pieces;
		answer->pieces_cap = cap;
	}
	memcpy(answer->pieces + answer->pieces_len, bytes.ptr, n);
	answer->pieces_len = need;
	return n;
}

/* Somebody else's greeting need not have the lines of a head, for whose end one could wait long. */
static bool http_answer_is_http(struct str head)
{
	const struct str start = STR("HTTP/1.");

	return str_starts_with(start, str_first(head, start.len));
}

/* A head mostly comes at once, and is then read where it is. */
static size_t http_answer_read_head(struct http_answer *answer, struct str bytes)
{
	size_t before = answer->pieces_len, used = bytes.len, size = 0;
	struct str head = bytes;

	if (before > 0) {
		used = http_answer_add_piece(answer, bytes);
		head = (struct str){ answer->pieces, answer->pieces_len };
	}
	if (answer->state == ANSWER_FAILED)
		return used;
	if (!http_answer_is_http(head)) {
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE, "not HTTP/1");
		return 0;
	}
	switch (http_response_scan(&answer->scan, head, &head_limits, &size)) {
	case HTTP_MORE:
		check_that(head.len < HTTP_ANSWER_HEAD_MAX, "len=%zu", head.len);
		return before > 0 ? used : http_answer_add_piece(answer, bytes);
	case HTTP_WHOLE:
		check_that(size > before && size <= head.len, "size=%zu before=%zu len=%zu", size,
			   before, head.len);
		http_answer_read_whole_head(answer, str_first(head, size));
		return size - before;
	case HTTP_BAD:
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE, "the head is not valid");
		return 0;
	}
	unreachable();
}

/* ------------------------------------------------------------ a body that is passed on */

static size_t http_answer_piece_length(struct http_answer *answer, size_t size)
{
	size_t n = (size_t)MIN((uint64_t)size, answer->length - answer->body_len);

	answer->body_len += n;
	if (answer->body_len == answer->length)
		http_answer_finish(answer);
	return n;
}

/* Until the peer closes: no end can be missed, and none can be told from a cut. */
static size_t http_answer_piece_close(struct http_answer *answer, size_t size)
{
	if (size > answer->body_max - answer->body_len) {
		http_answer_fail(answer, HTTP_CALL_TOO_LARGE, "the body is too large");
		return 0;
	}
	answer->body_len += size;
	return size;
}

static void http_answer_finish_chunks(struct http_answer *answer)
{
	struct http_field fields[HTTP_TRAILERS_MAX];
	size_t n = answer->passes_trailer ? http_body_trailers(answer->chunked, fields) : 0;
	struct buf out;

	buf_init_arena(&out, answer->arena);
	for (size_t i = 0; i < n; i++)
		if (answer->passes_trailer(&answer->response, fields[i].name))
			http_field_write(&out, &fields[i]);
	answer->trailers = buf_str(&out);
	if (out.error)
		http_answer_fail(answer, HTTP_CALL_MEMORY, "no memory for the trailers");
	else
		http_answer_finish(answer);
}

static size_t http_answer_piece_chunked(struct http_answer *answer, char *bytes, size_t size,
					size_t *ret_used)
{
	size_t used = 0, len = 0, n = 0;
	struct str data = STR_NONE;
	int status = 0;

	while (answer->state == ANSWER_CHUNKED && used < size) {
		switch (http_body_read(answer->chunked, (struct str){ bytes + used, size - used },
				       &n, &data, &status)) {
		case HTTP_BODY_MORE:
			used = size;
			break;
		case HTTP_BODY_DATA:
			used += n;
			memmove(bytes + len, data.ptr, data.len);
			len += data.len;
			break;
		case HTTP_BODY_END:
			used += n;
			http_answer_finish_chunks(answer);
			break;
		case HTTP_BODY_BAD:
			http_answer_fail_chunks(answer, status);
			break;
		}
	}
	answer->body_len += len;
	*ret_used = used;
	return len;
}

size_t http_answer_piece(struct http_answer *answer, char *bytes, size_t size,
			 struct str *ret_piece)
{
	size_t len = 0, used = 0;

	check(answer->streams);
	switch (answer->state) {
	case ANSWER_LENGTH:
		len = used = http_answer_piece_length(answer, size);
		break;
	case ANSWER_CHUNKED:
		len = http_answer_piece_chunked(answer, bytes, size, &used);
		break;
	case ANSWER_CLOSE:
		len = used = http_answer_piece_close(answer, size);
		break;
	case ANSWER_HEAD:
	case ANSWER_WHOLE:
	case ANSWER_FAILED:
		break;
	}
	*ret_piece = (struct str){ bytes, len };
	return used;
}

/* ------------------------------------------------------------ all of it */

static bool http_answer_wants_more(const struct http_answer *answer)
{
	if (answer->streams)
		return answer->state == ANSWER_HEAD;
	return answer->state != ANSWER_WHOLE && answer->state != ANSWER_FAILED;
}

static size_t http_answer_step(struct http_answer *answer, struct str bytes)
{
	switch (answer->state) {
	case ANSWER_HEAD:
		return http_answer_read_head(answer, bytes);
	case ANSWER_LENGTH:
		return http_answer_read_length(answer, bytes);
	case ANSWER_CHUNKED:
		return http_answer_read_chunked(answer, bytes);
	case ANSWER_CLOSE:
		http_answer_add(answer, bytes, 0);
		return bytes.len;
	case ANSWER_WHOLE:
	case ANSWER_FAILED:
		return 0;
	}
	unreachable();
}

size_t http_answer_read(struct http_answer *answer, struct str bytes)
{
	size_t used = 0;

	answer->began = answer->began || bytes.len > 0;
	while (used < bytes.len && http_answer_wants_more(answer))
		used += http_answer_step(answer, str_skip(bytes, used));
	return used;
}

void http_answer_end(struct http_answer *answer)
{
	if (answer->state == ANSWER_CLOSE)
		http_answer_finish(answer);
	else if (answer->state == ANSWER_HEAD)
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE,
				 answer->began ? "closed in the middle of the head"
					       : "closed before any response");
	else if (answer->state != ANSWER_WHOLE && answer->state != ANSWER_FAILED)
		http_answer_fail(answer, HTTP_CALL_BAD_RESPONSE,
				 "closed in the middle of the body");
}
