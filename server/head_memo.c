/* server/head_memo.c
 *
 * Direct-mapped: a slot is chosen by the length and some bytes of both ends, where heads of
 * different clients and paths differ; a collision costs a reading, nothing else. The comparison
 * is of all bytes. */
#include "server/head_memo.h"

enum { HEAD_MEMO_MIN = 32 };

static size_t head_memo_slot(struct str bytes)
{
	uint64_t first, second, last;

	memcpy(&first, bytes.ptr + 4, 8);
	memcpy(&second, bytes.ptr + 12, 8);
	memcpy(&last, bytes.ptr + bytes.len - 12, 8);
	first = (first ^ (second * 31) ^ (last << 1) ^ bytes.len) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(first >> 58) & (HEAD_MEMO_ENTRIES - 1);
}

const struct head_memo_entry *head_memo_find(const struct head_memo *memo, struct str window)
{
	const struct head_memo_entry *entry;

	if (window.len < HEAD_MEMO_MIN || window.len > HEAD_MEMO_MAX)
		return NULL;
	entry = &memo->entries[head_memo_slot(window)];
	return entry->len == window.len && memcmp(entry->bytes, window.ptr, window.len) == 0 ? entry
											     : NULL;
}

static struct str head_memo_move(struct str slice, struct str from, const char *to)
{
	return (struct str){ to + (slice.ptr - from.ptr), slice.len };
}

struct head_memo_entry *head_memo_add(struct head_memo *memo, struct str bytes,
				      const struct http_head *head, const struct route *route,
				      const struct reply *reply)
{
	struct head_memo_entry *entry;

	if (bytes.len < HEAD_MEMO_MIN || bytes.len > HEAD_MEMO_MAX)
		return NULL;
	entry = &memo->entries[head_memo_slot(bytes)];
	entry->len = bytes.len;
	entry->route = route;
	entry->reply = reply;
	entry->until_ns = UINT64_MAX;
	memcpy(entry->bytes, bytes.ptr, bytes.len);
	entry->head = (struct http_head){
		.method_id = head->method_id,
		.method = head_memo_move(head->method, bytes, entry->bytes),
		.target = head_memo_move(head->target, bytes, entry->bytes),
		.minor = head->minor,
		.keep_alive = head->keep_alive,
	};
	return entry;
}

void head_memo_clear(struct head_memo *memo)
{
	for (size_t i = 0; i < HEAD_MEMO_ENTRIES; i++)
		memo->entries[i].len = 0;
}
