/* server/native/api.c: the table itself, in the order of core/leat.h. A new function goes to the
 * end of both, and LEAT_ABI_MINOR grows. */
#include "server/native/api.h"
#include "server/native/api_parts.h"

const struct leat_api native_api = {
	.size = sizeof(struct leat_api),

	.input = native_input,
	.key = native_key,
	.result = native_result,
	.result_bytes = native_result_bytes,
	.fail = native_fail,
	.alloc = native_alloc,
	.state = native_state,
	.is_cancelled = native_is_cancelled,
	.log = native_log,

	.type = native_type,
	.boolean = native_boolean,
	.integer = native_integer,
	.number = native_number,
	.text = native_text,
	.len = native_len,
	.at = native_at,
	.member = native_member,
	.member_at = native_member_at,
	.numbers = native_numbers,

	.json_null = native_json_null,
	.json_bool = native_json_bool,
	.json_int = native_json_int,
	.json_number = native_json_number,
	.json_text = native_json_text,
	.json_value = native_json_value,
	.json_list = native_json_list,
	.json_object = native_json_object,
	.json_key = native_json_key,
	.json_end = native_json_end,
	.json_numbers = native_json_numbers,
	.json = native_json,
	.json_done = native_json_done,
};
