/* core/io/records.c
 *
 * An entry is a question with its answer, or with the query that will bring one, as in names.c. An
 * answer is a block of its own, counted: by its entry, and by those who are about to be told. */
#include "core/io/records.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/io/resolver.h"
#include <errno.h>
#include <stdlib.h>

enum {
	NAME_MAX_LEN = 253,
	LABEL_MAX = 63,
	TTL_MIN_S = 1,
	TTL_MAX_S = 300,
	TTL_FAILURE_S = 1,
	ANSWER_MEMORY = 1 << 20,
};

struct records {
	struct loop *loop;
	const char *servers;
	struct resolver resolver; /* when `open` */
	bool open, closing;
	struct map entries; /* by entry.key */
	struct list asking, known;
};

struct record_block {
	unsigned n_refs;
	struct arena arena;
	struct dns_answer answer;
};

struct record_entry {
	struct list link;
	struct records *records;
	struct list waiting; /* of record_lookup.link */
	bool is_known;
	uint64_t expires_ns;
	int error;
	struct record_block *block;
	enum dns_type type;
	struct str key; /* a byte of the type, then the name in lower case */
	char text[];
};

/* ------------------------------------------------------------ entries */

static void block_unref(struct record_block *block)
{
	if (!block || --block->n_refs > 0)
		return;
	arena_fini(&block->arena);
	free(block);
}

static void record_entry_drop(struct record_entry *entry)
{
	list_remove(&entry->link);
	map_remove(&entry->records->entries, entry->key);
	block_unref(entry->block);
	free(entry);
}

static struct record_entry *record_entry_create(struct records *records, struct str key,
						enum dns_type type)
{
	struct record_entry *entry = mem_zalloc(sizeof(*entry) + key.len + 1);

	entry->records = records;
	entry->type = type;
	list_init(&entry->link);
	list_init(&entry->waiting);
	memcpy(entry->text, key.ptr, key.len);
	entry->key = (struct str){ entry->text, key.len };
	map_set(&records->entries, entry->key, entry);
	return entry;
}

static void record_entry_tell(struct record_entry *entry, struct record_lookup *lookup)
{
	lookup->error = entry->error;
	lookup->block = entry->block;
	if (lookup->block) {
		lookup->block->n_refs++;
		lookup->answer = &lookup->block->answer;
	}
	loop_ready(entry->records->loop, &lookup->ready);
}

static int record_error(int status)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
		return 0;
	case ARES_ENOTFOUND:
		return -ENOENT;
	case ARES_EBADNAME:
	case ARES_EBADQUERY:
		return -EINVAL;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

/* 0, or as record_lookup.error. */
static int record_entry_read(struct record_entry *entry, struct str message)
{
	struct record_block *block = mem_zalloc(sizeof(*block));
	int r = 0;

	block->n_refs = 1;
	arena_init(&block->arena, ANSWER_MEMORY);
	block->answer.ttl_s = TTL_FAILURE_S;
	if (message.len > 0)
		r = dns_message_read(message, entry->type, &block->arena, &block->answer);
	if (r < 0) {
		block_unref(block);
		return -EIO;
	}
	entry->block = block;
	return 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): c-ares says what it is */
static void record_on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct record_entry *entry = arg;
	struct str message = { (const char *)bytes, len > 0 ? (size_t)len : 0 };
	uint32_t ttl_s = TTL_FAILURE_S;
	struct list *link;

	(void)timeouts;
	if (entry->records->closing)
		return;
	entry->error = record_error(status);
	if (entry->error == 0)
		entry->error =
			record_entry_read(entry, status == ARES_SUCCESS ? message : STR_NONE);
	if (entry->error == 0 && entry->block->answer.n_records > 0)
		ttl_s = entry->block->answer.ttl_s;
	ttl_s = MAX(MIN(ttl_s, (uint32_t)TTL_MAX_S), (uint32_t)TTL_MIN_S);
	entry->is_known = true;
	entry->expires_ns = clock_monotonic_ns() + ttl_s * NS_PER_S;
	list_remove(&entry->link);
	list_add(&entry->records->known, &entry->link);
	while ((link = list_pop(&entry->waiting)))
		record_entry_tell(entry, container_of(link, struct record_lookup, link));
}

static int records_open(struct records *records)
{
	int r;

	if (records->open)
		return list_is_empty(&records->asking) ? resolver_refresh(&records->resolver) : 0;
	r = resolver_open(&records->resolver, records->loop);
	if (r == 0 && records->servers) {
		r = resolver_set_servers(&records->resolver, records->servers);
		if (r < 0)
			resolver_close(&records->resolver);
	}
	records->open = r == 0;
	return r;
}

/* As in names_entry(). */
static struct record_entry *records_entry(struct records *records, struct str key,
					  enum dns_type type)
{
	struct record_entry *entry = map_find(&records->entries, key);

	if (entry && !entry->is_known)
		return entry;
	if (entry && clock_monotonic_ns() < entry->expires_ns) {
		list_remove(&entry->link);
		list_add(&records->known, &entry->link);
		return entry;
	}
	if (!entry && records->entries.n_items >= RECORDS_KEPT_MAX) {
		entry = list_first(&records->known, struct record_entry, link);
		if (!entry)
			return NULL;
	}
	if (entry)
		record_entry_drop(entry);
	return record_entry_create(records, key, type);
}

/* ------------------------------------------------------------ lookups */

static void record_lookup_complete(struct ready *ready)
{
	struct record_lookup *lookup = container_of(ready, struct record_lookup, ready);
	struct record_block *block = take(&lookup->block);

	lookup->on_done(lookup);
	block_unref(block);
}

static void record_lookup_fail(struct record_lookup *lookup, struct records *records, int error)
{
	lookup->error = error;
	loop_ready(records->loop, &lookup->ready);
}

/* Into out[1] and on, in lower case. What no query can hold is refused; servers may know any other
 * name. */
static bool record_name_normalize(struct str name, char out[NAME_MAX_LEN + 3], size_t *ret_len)
{
	size_t label = 0;

	if (name.len > 0 && name.ptr[name.len - 1] == '.' ? name.len > NAME_MAX_LEN + 1
							  : name.len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool dot = c == '.';

		if (dot ? label == 0
			: !char_is_alpha(c) && !char_is_digit(c) && c != '-' && c != '_')
			return false;
		label = dot ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
		out[1 + i] = char_lower(c);
	}
	*ret_len = name.len;
	return name.len > 0;
}

static void record_lookup_ask(struct record_lookup *lookup, struct records *records, struct str key,
			      enum dns_type type)
{
	struct record_entry *entry = records_entry(records, key, type);

	if (!entry) {
		record_lookup_fail(lookup, records, -EIO);
		return;
	}
	if (entry->is_known) {
		record_entry_tell(entry, lookup);
		return;
	}
	list_add(&entry->waiting, &lookup->link);
	if (list_is_linked(&entry->link))
		return; /* the query is under way */
	list_add(&records->asking, &entry->link);
	resolver_search(&records->resolver, entry->text + 1, (int)type, record_on_answer, entry);
}

void record_lookup_start(struct record_lookup *lookup, struct records *records, struct str name,
			 enum dns_type type, record_lookup_fn *on_done)
{
	char key[NAME_MAX_LEN + 3];
	size_t len;
	int r;

	*lookup = (struct record_lookup){ .on_done = on_done };
	list_init(&lookup->link);
	ready_init(&lookup->ready, record_lookup_complete);
	if (!record_name_normalize(name, key, &len)) {
		record_lookup_fail(lookup, records, -EINVAL);
		return;
	}
	key[0] = (char)type;
	r = records_open(records);
	if (r < 0 && !records->open)
		record_lookup_fail(lookup, records, -EIO);
	else
		record_lookup_ask(lookup, records, (struct str){ key, len + 1 }, type);
}

void record_lookup_cancel(struct record_lookup *lookup)
{
	list_remove(&lookup->link);
	loop_ready_cancel(&lookup->ready);
	block_unref(take(&lookup->block));
}

/* ------------------------------------------------------------ records */

struct records *records_create(struct loop *loop, const char *servers)
{
	struct records *records = mem_zalloc(sizeof(*records));

	records->loop = loop;
	records->servers = servers;
	map_init(&records->entries);
	list_init(&records->asking);
	list_init(&records->known);
	return records;
}

static void records_drop(struct list *entries)
{
	struct record_entry *entry;

	while ((entry = list_first(entries, struct record_entry, link))) {
		while (list_pop(&entry->waiting))
			;
		record_entry_drop(entry);
	}
}

void records_destroy(struct records *records)
{
	if (!records)
		return;
	records->closing = true;
	if (records->open)
		resolver_close(&records->resolver);
	records_drop(&records->asking);
	records_drop(&records->known);
	map_fini(&records->entries);
	free(records);
}
