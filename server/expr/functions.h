/* server/expr/functions.h: the functions behind expr_functions[].
 *
 * Each is pure but for what its row calls changing, and takes as many arguments as its row says.
 * Messages begin behind the name: "takes a text, got a list". */
#pragma once
#include "server/expr/expr_node.h"

typedef int function_fn(struct expr_env *env, const struct value *args, size_t n_args,
			struct value *ret);

/* fn_text.c */
function_fn fn_len, fn_lower, fn_upper, fn_trim, fn_split, fn_join, fn_replace, fn_contains,
	fn_starts_with, fn_ends_with, fn_string, fn_raw;
/* fn_list.c */
function_fn fn_keys, fn_values, fn_first, fn_last, fn_default, fn_min, fn_max, fn_sum;
/* fn_number.c */
function_fn fn_number, fn_round, fn_floor, fn_ceil, fn_abs;
/* fn_code.c */
function_fn fn_parse_json, fn_to_json, fn_base64, fn_base64_decode, fn_hex, fn_sha256,
	fn_hmac_sha256, fn_url_encode;
/* fn_time.c */
function_fn fn_now, fn_format_time, fn_parse_time;
/* fn_id.c */
function_fn fn_uuid4, fn_uuid7;

/* ---- shared by them */

int fn_take_text(struct expr_env *env, struct value arg, struct str *ret);
int fn_take_list(struct expr_env *env, struct value *arg); /* opened */
int fn_take_object(struct expr_env *env, struct value *arg);

/* A text of the arena's, of which the caller fills the bytes. */
int fn_give_text(struct expr_env *env, size_t len, char **ret_text, struct value *ret);
int fn_give_buf(const struct buf *buf, struct value *ret); /* or the buf's error as -ENOMEM */
