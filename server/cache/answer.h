/* server/cache/answer.h: an HTTP answer as an entry: its status, its fields, its body.
 *
 * Where an answer was chosen by fields of its request (Vary), the entry of the key says by which,
 * and the answers stand behind it: the key, a NUL, and the values. */
#pragma once
#include "core/base/buf.h"
#include "server/cache/entry.h"
#include "server/http/head.h"

enum cache_kind {
	CACHE_RESULT, /* of a task; `head` is empty */
	CACHE_ANSWER,
	CACHE_STRICT_ANSWER, /* that must not be used once it is stale, whatever a client says */
	CACHE_VARIES,        /* `head` is what http_vary_read() gave */
	CACHE_PASS, /* the last answer was not to be kept: until it is stale, nobody waits for another's */
};

static inline bool cache_entry_is_answer(const struct cache_entry *entry)
{
	return entry->kind == CACHE_ANSWER || entry->kind == CACHE_STRICT_ANSWER;
}

void cache_answer_write(const struct http_field *fields, size_t n_fields, struct buf *out);

/* The fields, which are slices of the entry's, in the arena with room for `room` more. NULL without
 * memory. */
struct http_field *cache_answer_fields(const struct cache_entry *entry, struct arena *arena,
				       size_t room, size_t *ret_n_fields);

/* Of one that comes from elsewhere: that its head is a head. */
bool cache_answer_is_valid(int status, struct str head);

/* The key of the answer to a request with these fields. .ptr NULL: no memory, or they are too
 * long. */
struct str cache_variant_key(struct str key, struct str vary, const struct http_field *fields,
			     size_t n_fields, struct arena *arena);

/* The fields of a stored answer, as a 304 makes them new (RFC 9111 §3.2): those of `news` in the
 * place of its own. What frames a message, or is of the connection, is not among them. */
void cache_answer_freshen(const struct cache_entry *entry, const struct http_field *news,
			  size_t n_news, struct arena *arena, struct buf *out);
