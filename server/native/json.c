/* server/native/json.c
 *
 * The writer knows what may come next, so that text which is no JSON cannot be written. */
#include "server/expr/number.h"
#include "server/native/api_parts.h"
#include "server/native/call.h"
#include <math.h>

void native_json_init(struct leat_json *json, struct leat_call *call)
{
	*json = (struct leat_json){ .call = call };
	buf_init_arena(&json->out, &call->arena);
}

bool native_json_is_whole(const struct leat_json *json)
{
	return json->begun && json->depth == 0;
}

static void json_enter(struct leat_json *json, const char *function)
{
	call_check(NULL, json, function, "the writer is there");
	call_enter(json->call, function);
	call_check(json->call, !json->done, function, "the writer has not been used up");
}

/* Of what is too deep, nothing is known and all is allowed. */
static bool json_may_be(const struct leat_json *json, bool is_object)
{
	if (json->depth > JSON_DEPTH_MAX)
		return true;
	return json->depth > 0 && json->is_object[json->depth - 1] == is_object;
}

/* A value is about to be written. */
static void json_before_value(struct leat_json *json, const char *function)
{
	json_enter(json, function);
	call_check(json->call, !native_json_is_whole(json), function,
		   "a result is set once: this would be a second value behind the first");
	call_check(json->call, json->depth == 0 || json->has_key || json_may_be(json, false),
		   function, "a value in an object has a key before it");
	call_check(json->call, !json->call->bytes.ptr || json != &json->call->result, function,
		   "a result is set once: result_bytes() has set it");
	if (json->depth > 0 && !json->has_key && !json->is_first)
		buf_add_char(&json->out, ',');
	json->begun = true;
	json->has_key = false;
	json->is_first = false;
}

void native_json_null(struct leat_json *json)
{
	json_before_value(json, "json_null");
	buf_add(&json->out, STR("null"));
}

void native_json_bool(struct leat_json *json, bool boolean)
{
	json_before_value(json, "json_bool");
	buf_add(&json->out, boolean ? STR("true") : STR("false"));
}

void native_json_int(struct leat_json *json, int64_t integer)
{
	char text[NUMBER_TEXT_MAX];

	json_before_value(json, "json_int");
	buf_add(&json->out, number_write(value_int(integer), text));
}

static void json_add_number(struct leat_json *json, double number)
{
	char text[NUMBER_TEXT_MAX];

	if (isfinite(number))
		buf_add(&json->out, number_write(value_real(number), text));
	else
		buf_add(&json->out, STR("null"));
}

void native_json_number(struct leat_json *json, double number)
{
	json_before_value(json, "json_number");
	json_add_number(json, number);
}

void native_json_numbers(struct leat_json *json, const double *numbers, size_t n)
{
	json_before_value(json, "json_numbers");
	buf_add_char(&json->out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(&json->out, ',');
		json_add_number(json, numbers[i]);
	}
	buf_add_char(&json->out, ']');
}

void native_json_text(struct leat_json *json, const char *ptr, size_t len)
{
	json_before_value(json, "json_text");
	json_write_text((struct str){ ptr, len }, &json->out);
}

void native_json_value(struct leat_json *json, const struct leat_value *value)
{
	json_before_value(json, "json_value");
	value_write_json(native_value(value), &json->out);
}

/* ------------------------------------------------------------ lists and objects */

static void json_open(struct leat_json *json, const char *function, bool is_object)
{
	json_before_value(json, function);
	buf_add_char(&json->out, is_object ? '{' : '[');
	if (json->depth < JSON_DEPTH_MAX)
		json->is_object[json->depth] = is_object;
	else /* the fault of the data; the call ends with too_large */
		json->too_deep = true;
	json->depth++;
	json->is_first = true;
}

void native_json_list(struct leat_json *json)
{
	json_open(json, "json_list", false);
}

void native_json_object(struct leat_json *json)
{
	json_open(json, "json_object", true);
}

void native_json_key(struct leat_json *json, const char *name)
{
	json_enter(json, "json_key");
	call_check(json->call, json_may_be(json, true) && !json->has_key, "json_key",
		   "a key stands in an object, and has a value behind it");
	if (!json->is_first)
		buf_add_char(&json->out, ',');
	json_write_text(str_of(name), &json->out);
	buf_add_char(&json->out, ':');
	json->has_key = true;
	json->is_first = false;
}

void native_json_end(struct leat_json *json)
{
	json_enter(json, "json_end");
	call_check(json->call, json->depth > 0, "json_end", "a list or an object is open");
	call_check(json->call, !json->has_key, "json_end", "a key has a value behind it");
	json->depth--;
	buf_add_char(&json->out,
		     json->depth < JSON_DEPTH_MAX && json->is_object[json->depth] ? '}' : ']');
	json->is_first = false;
}

/* ------------------------------------------------------------ for other things than the result */

struct leat_json *native_json(struct leat_call *call)
{
	struct leat_json *json;

	call_enter(call, "json");
	json = arena_alloc(&call->arena, sizeof(*json));
	if (!json) { /* what is written goes nowhere, and the call has failed */
		call->out_of_memory = true;
		json = &call->spare;
	}
	native_json_init(json, call);
	return json;
}

struct leat_text native_json_done(struct leat_json *json)
{
	json_enter(json, "json_done");
	call_check(json->call, json != &json->call->result, "json_done",
		   "the result is done when the call ends");
	call_check(json->call, native_json_is_whole(json), "json_done", "the value is whole");
	json->done = json != &json->call->spare;
	if (!json->out.error)
		return (struct leat_text){ json->out.data, json->out.len };
	json->call->out_of_memory = true;
	return (struct leat_text){ NULL, 0 };
}
