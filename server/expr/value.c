/* server/expr/value.c
 *
 * Values made by expressions can nest deeper than any JSON (a state that holds the state before
 * it), so nothing here recurses: each walk has a stack of VALUE_DEPTH_MAX frames, and refuses what
 * is deeper. Members are walked as two values each: a key and its value. */
#include "server/expr/value.h"
#include "server/expr/json.h"
#include "server/expr/value_walk.h"
#include <errno.h>
#include <math.h>

struct value value_real(double real)
{
	check(isfinite(real));
	return (struct value){ .kind = VALUE_REAL, .real = real };
}

struct value value_text(struct str text)
{
	check(text.len <= UINT32_MAX);
	return (struct value){ .kind = VALUE_TEXT, .len = (uint32_t)text.len, .ptr = text.ptr };
}

struct value value_list(const struct value *items, size_t n_items)
{
	check(n_items <= UINT32_MAX);
	return (struct value){ .kind = VALUE_LIST, .len = (uint32_t)n_items, .items = items };
}

struct value value_object(const struct member *members, size_t n_members)
{
	check(n_members <= UINT32_MAX);
	return (struct value){ .kind = VALUE_OBJECT,
			       .len = (uint32_t)n_members,
			       .members = members };
}

/* A scalar is read at once, so that a VALUE_JSON is always a list or an object. */
int value_json(struct value *ret, struct arena *arena, struct str text)
{
	struct json_text *json;

	*ret = value_null();
	text = str_trim_space(text);
	check(text.len > 0 && text.len <= UINT32_MAX);
	if (text.ptr[0] != '{' && text.ptr[0] != '[')
		return json_read(text, arena, ret, NULL);
	json = arena_alloc(arena, sizeof(*json));
	if (!json)
		return -ENOMEM;
	*json = (struct json_text){ .text = text };
	*ret = (struct value){ .kind = VALUE_JSON, .json = json };
	return 0;
}

int value_open(struct value *value, struct arena *arena)
{
	struct json_text *json = value->json;
	uint8_t secret = value->secret;
	int r;

	if (value->kind != VALUE_JSON)
		return 0;
	if (!json->read) {
		r = json_read(json->text, arena, &json->root, NULL);
		if (r < 0) {
			check(r == -ENOMEM);
			return r;
		}
		json->read = true;
	}
	*value = json->root;
	value->secret = secret;
	return 0;
}

const char *value_kind_name(struct value value)
{
	switch ((enum value_kind)value.kind) {
	case VALUE_NULL:
		return "null";
	case VALUE_BOOL:
		return "boolean";
	case VALUE_INT:
	case VALUE_REAL:
	case VALUE_NUMBER:
		return "number";
	case VALUE_TEXT:
		return "text";
	case VALUE_LIST:
		return "list";
	case VALUE_OBJECT:
		return "object";
	case VALUE_JSON:
		return value.json->text.ptr[0] == '[' ? "list" : "object";
	}
	unreachable();
}

bool value_member(struct value object, struct str key, struct value *ret)
{
	if (object.kind != VALUE_OBJECT)
		return false;
	for (size_t i = object.len; i-- > 0;) {
		if (!str_eq(value_str(object.members[i].key), key))
			continue;
		*ret = object.members[i].value;
		return true;
	}
	return false;
}

/* What a copy of a value and of all below it takes. */
struct measure {
	size_t n_values; /* without the root */
	size_t n_json;
	size_t n_bytes;
};

static bool measure_fits(const struct measure *measure, const struct arena *arena)
{
	return measure->n_values < arena->max / sizeof(struct value) &&
	       measure->n_json < arena->max / sizeof(struct json_text) &&
	       measure->n_bytes < arena->max;
}

static void measure_add(struct measure *measure, const struct value *value)
{
	if (value->kind == VALUE_TEXT || value->kind == VALUE_NUMBER)
		measure->n_bytes += value->len;
	if (value->kind == VALUE_JSON) {
		measure->n_json++;
		measure->n_bytes += value->json->text.len;
	}
	measure->n_values += value_n_children(value);
}

/* Stops as soon as the arena could never hold it: what is shared many times over may be endless. */
static int value_measure(const struct value *root, const struct arena *arena,
			 struct measure *measure)
{
	struct value_frame frames[VALUE_DEPTH_MAX];
	size_t depth = 0;
	const struct value *value = root;

	for (;;) {
		measure_add(measure, value);
		if (!measure_fits(measure, arena))
			return -ENOMEM;
		if (value_n_children(value) && depth == VALUE_DEPTH_MAX)
			return -EMSGSIZE;
		if (value_n_children(value))
			frames[depth++] = value_frame(value);
		while (depth && frames[depth - 1].at == frames[depth - 1].end)
			depth--;
		if (!depth)
			return 0;
		value = frames[depth - 1].at++;
	}
}

/* The three regions of the one block that a copy is. */
struct copy {
	struct value *values;
	struct json_text *json;
	char *bytes;
};

static struct str copy_bytes(struct copy *copy, struct str bytes)
{
	char *at = copy->bytes;

	if (bytes.len)
		memcpy(at, bytes.ptr, bytes.len);
	copy->bytes += bytes.len;
	return (struct str){ at, bytes.len };
}

/* Points `value` at copies of what it refers to; its children still refer to the originals. */
static void copy_move(struct copy *copy, struct value *value)
{
	const struct value *children = value_children(value);
	size_t n_children = value_n_children(value);
	struct value *items = copy->values;

	if (value->kind == VALUE_TEXT || value->kind == VALUE_NUMBER)
		value->ptr = copy_bytes(copy, value_str(*value)).ptr;
	if (value->kind == VALUE_JSON) {
		*copy->json = (struct json_text){ .text = copy_bytes(copy, value->json->text) };
		value->json = copy->json++;
	}
	if (!n_children)
		return;
	memcpy(items, children, n_children * sizeof(*items));
	copy->values += n_children;
	if (value->kind == VALUE_LIST)
		value->items = items;
	else
		value->members = (struct member *)items;
}

/* The region of values is its own work list: what was copied and not yet moved. */
int value_copy(struct value *ret, struct value value, struct arena *arena)
{
	struct measure measure = { 0 };
	struct value *next;
	struct copy copy;
	char *block;
	int r = value_measure(&value, arena, &measure);

	if (r < 0)
		return r;
	block = arena_alloc(arena, measure.n_values * sizeof(struct value) +
					   measure.n_json * sizeof(struct json_text) +
					   measure.n_bytes + 1);
	if (!block)
		return -ENOMEM;
	next = copy.values = (struct value *)block;
	copy.json = (struct json_text *)(copy.values + measure.n_values);
	copy.bytes = (char *)(copy.json + measure.n_json);
	copy_move(&copy, &value);
	for (; next < copy.values; next++)
		copy_move(&copy, next);
	*ret = value;
	return 0;
}
