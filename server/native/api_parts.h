/* server/native/api_parts.h: the functions of the table that modules get, by file; what each
 * promises is said in core/leat.h. */
#pragma once
#include "core/leat.h"
#include "server/expr/value.h"

/* A handle is a pointer to a value of the call's memory; NULL is null. */
static inline struct value native_value(const struct leat_value *handle)
{
	return handle ? *(const struct value *)(const void *)handle : value_null();
}

static inline const struct leat_value *native_handle(const struct value *value)
{
	return (const struct leat_value *)(const void *)value;
}

/* api_call.c */
const struct leat_value *native_input(struct leat_call *call);
const struct leat_value *native_key(struct leat_call *call, const char *name);
struct leat_json *native_result(struct leat_call *call);
void native_result_bytes(struct leat_call *call, const void *ptr, size_t size);
void native_fail(struct leat_call *call, const char *code, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void *native_alloc(struct leat_call *call, size_t size);
void *native_state(struct leat_call *call);
bool native_is_cancelled(const struct leat_call *call);
void native_log(const struct leat_module *module, enum leat_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* api_value.c */
enum leat_type native_type(const struct leat_value *value);
bool native_boolean(const struct leat_value *value);
bool native_integer(const struct leat_value *value, int64_t *ret);
bool native_number(const struct leat_value *value, double *ret);
struct leat_text native_text(const struct leat_value *value);
size_t native_len(const struct leat_value *value);
const struct leat_value *native_at(const struct leat_value *list, size_t index);
const struct leat_value *native_member(const struct leat_value *object, const char *name);
const struct leat_value *native_member_at(const struct leat_value *object, size_t index,
					  struct leat_text *ret_name);
bool native_numbers(const struct leat_value *list, double *ret, size_t n);

/* json.c */
void native_json_null(struct leat_json *json);
void native_json_bool(struct leat_json *json, bool boolean);
void native_json_int(struct leat_json *json, int64_t integer);
void native_json_number(struct leat_json *json, double number);
void native_json_text(struct leat_json *json, const char *ptr, size_t len);
void native_json_value(struct leat_json *json, const struct leat_value *value);
void native_json_list(struct leat_json *json);
void native_json_object(struct leat_json *json);
void native_json_key(struct leat_json *json, const char *name);
void native_json_end(struct leat_json *json);
void native_json_numbers(struct leat_json *json, const double *numbers, size_t n);
struct leat_json *native_json(struct leat_call *call);
struct leat_text native_json_done(struct leat_json *json);
