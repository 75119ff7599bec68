/* server/expr/value.h: the values that expressions, replies and tasks pass around.
 *
 * A value is 16 bytes and owns nothing: texts and children live in an arena (a request's or a
 * generation's), or in a body that outlives it. Values are immutable once made, so they are
 * copied by assignment and shared freely on their loop. A value that leaves its loop is copied as
 * one block by value_copy().
 *
 * JSON that is only passed on is never built into values: a VALUE_JSON holds the text, proved to
 * be JSON, and is read when an expression looks inside (value_open()). Numbers read from JSON stay
 * text (VALUE_NUMBER) until somebody computes with them, so that 19.99 and 18446744073709551615
 * come out as they came in. */
#pragma once
#include "core/base/arena.h"
#include "core/base/buf.h"

/* Walks refuse what nests deeper (-EMSGSIZE): twice what JSON may, as expressions build on it. */
enum { VALUE_DEPTH_MAX = 512 };

enum value_kind {
	VALUE_NULL,
	VALUE_BOOL,   /* .boolean */
	VALUE_INT,    /* .integer */
	VALUE_REAL,   /* .real, always finite */
	VALUE_NUMBER, /* .ptr, .len: a JSON number as it was written */
	VALUE_TEXT,   /* .ptr, .len: UTF-8, unless it came from a body or file of another kind */
	VALUE_LIST,   /* .items, .len */
	VALUE_OBJECT, /* .members, .len, in the order of the text */
	VALUE_JSON,   /* .json: proved to be a list or an object in JSON, not read yet */
};

struct value {
	uint8_t kind;   /* enum value_kind */
	uint8_t secret; /* comes from ${secret.…}: must not reach a reply, a log or a key */
	uint32_t len;
	union {
		bool boolean;
		int64_t integer;
		double real;
		const char *ptr;
		const struct value *items;
		const struct member *members;
		struct json_text *json;
	};
};

struct member {
	struct value key; /* VALUE_TEXT */
	struct value value;
};

/* JSON text that was proved to be valid, and what it reads as, once somebody has asked. */
struct json_text {
	struct str text;
	struct value root; /* when read */
	bool read;
};

#define VALUE_NULL_INIT ((struct value){ .kind = VALUE_NULL })

static inline struct value value_null(void)
{
	return VALUE_NULL_INIT;
}

static inline struct value value_bool(bool boolean)
{
	return (struct value){ .kind = VALUE_BOOL, .boolean = boolean };
}

static inline struct value value_int(int64_t integer)
{
	return (struct value){ .kind = VALUE_INT, .integer = integer };
}

struct value value_real(double real);     /* must be finite */
struct value value_text(struct str text); /* does not copy; text.len < 4 GiB */
struct value value_list(const struct value *items, size_t n_items);
struct value value_object(const struct member *members, size_t n_members);

/* A value whose JSON text is `text`, which must have passed json_check(). NULL-kind and -ENOMEM
 * when the arena is full. A scalar is read at once. */
int value_json(struct value *ret, struct arena *arena, struct str text);

static inline bool value_is_null(struct value value)
{
	return value.kind == VALUE_NULL;
}

static inline struct str value_str(struct value value) /* of VALUE_TEXT and VALUE_NUMBER */
{
	return (struct str){ value.ptr, value.len };
}

/* What a VALUE_JSON reads as (read now, into `arena`, when nobody has yet); any other value
 * itself. -ENOMEM when the arena is full. What was read is kept in the value's struct json_text, so
 * that one must not outlive `arena` and is not for two loops: what is constant holds no VALUE_JSON. */
int value_open(struct value *value, struct arena *arena);

/* "null", "boolean", "number", "text", "list", "object": for messages. Opens nothing: a VALUE_JSON
 * is named by its first byte. */
const char *value_kind_name(struct value value);

/* The member of an (opened) object, or of the last of several of that name; false when there is
 * none or `object` is not an object. */
bool value_member(struct value object, struct str key, struct value *ret);

/* Deep equality; values of different types are not equal, numbers are compared as numbers whatever
 * their form. May have to read JSON: -ENOMEM; -EMSGSIZE past VALUE_DEPTH_MAX. */
int value_equal(struct value a, struct value b, struct arena *arena, bool *ret);

/* Copies the value and all that it refers to into `arena`, as one block. -ENOMEM when it is full,
 * -EMSGSIZE past VALUE_DEPTH_MAX. */
int value_copy(struct value *ret, struct value value, struct arena *arena);

/* Appends the value as JSON (RFC 8259; errors stick to `out`). Text that is not UTF-8 is written
 * with U+FFFD for what is not. Nothing is added for looks; a VALUE_JSON is its own bytes. */
void value_write_json(struct value value, struct buf *out);

/* Appends what the value is inside a text: nothing for null, a text as it is, the rest as JSON. */
void value_write_text(struct value value, struct buf *out);
