/* server/kafka/kafka_letter.c: a message as ${message}. */
#include "server/expr/value.h"
#include "server/kafka/kafka_source_private.h"
#include <errno.h>
#include <openssl/evp.h>

static int value_base64(struct arena *arena, struct str bytes, struct value *ret)
{
	int digits = (int)((bytes.len + 2) / 3 * 4);
	char *out = arena_alloc(arena, (size_t)digits + 1);

	if (!out)
		return -ENOMEM;
	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes.ptr, (int)bytes.len);
	*ret = value_text((struct str){ out, (size_t)digits });
	return 0;
}

static int value_of_bytes(struct arena *arena, const void *bytes, size_t size, bool is_base64,
			  struct value *ret)
{
	struct str text = { bytes, size };

	*ret = value_null();
	if (!bytes)
		return 0;
	if (is_base64)
		return value_base64(arena, text, ret);
	if (!str_is_utf8(text))
		return -EBADMSG;
	*ret = value_text(text);
	return 0;
}

static int value_of_headers(const rd_kafka_message_t *raw, struct arena *arena, struct value *ret)
{
	rd_kafka_headers_t *headers = NULL;
	size_t n = rd_kafka_message_headers(raw, &headers) ? 0 : rd_kafka_header_cnt(headers);
	struct member *members = arena_alloc_array(arena, n + 1, sizeof(*members));

	for (size_t i = 0; members && i < n; i++) {
		const char *name = NULL;
		const void *bytes = NULL;
		size_t size = 0;

		rd_kafka_header_get_all(headers, i, &name, &bytes, &size);
		members[i].key = value_text(str_of(name));
		if (value_of_bytes(arena, bytes, size, false, &members[i].value) < 0)
			members[i].value = value_null();
	}
	*ret = value_object(members, n);
	return members ? 0 : -ENOMEM;
}

int kafka_letter_value(const struct source_message *message, struct arena *arena, struct value *ret)
{
	const struct kafka_letter *letter = container_of(message, struct kafka_letter, message);
	const rd_kafka_message_t *raw = letter->raw;
	struct member *members = arena_alloc_array(arena, 7, sizeof(*members));
	int r = members ? 0 : -ENOMEM;

	if (r == 0)
		r = value_of_bytes(arena, raw->payload, raw->len, letter->is_base64,
				   &members[0].value);
	if (r == 0 && value_of_bytes(arena, raw->key, raw->key_len, false, &members[1].value) < 0)
		r = value_of_bytes(arena, raw->key, raw->key_len, true, &members[1].value);
	if (r == 0)
		r = value_of_headers(raw, arena, &members[2].value);
	if (r < 0)
		return r;
	members[0].key = value_text(STR("value"));
	members[1].key = value_text(STR("key"));
	members[2].key = value_text(STR("headers"));
	members[3] = (struct member){ value_text(STR("topic")),
				      value_text(str_of(letter->part->topic)) };
	members[4] = (struct member){ value_text(STR("partition")), value_int(raw->partition) };
	members[5] = (struct member){ value_text(STR("offset")), value_int(raw->offset) };
	members[6] = (struct member){ value_text(STR("timestamp")),
				      value_int(rd_kafka_message_timestamp(raw, NULL)) };
	*ret = value_object(members, 7);
	return 0;
}
