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

/* task.c */
void native_start_task(struct leat_task *task);
void native_cancel_task(struct leat_task *task);
void native_timeout(struct leat_task *task, uint64_t timeout_ms);
enum leat_outcome native_outcome(const struct leat_task *task);
const char *native_error(const struct leat_task *task);
const char *native_detail(const struct leat_task *task);
const struct leat_value *native_value_of(struct leat_task *task);
void *native_data(const struct leat_task *task);
struct leat_call *native_call_of(const struct leat_task *task);
void native_set_context(struct leat_task *task, void *context);
void *native_context(const struct leat_task *task);

/* task_group.c */
struct leat_task *native_series(struct leat_call *call, bool go_on, leat_task_fn *on_end);
void native_push_back(struct leat_task *series, struct leat_task *task);
void native_push_front(struct leat_task *series, struct leat_task *task);
struct leat_task *native_series_of(const struct leat_task *task);
struct leat_task *native_parallel(struct leat_call *call, enum leat_policy policy, unsigned max,
				  leat_task_fn *on_end);
void native_add(struct leat_task *parallel, struct leat_task *task);
struct leat_task *native_graph(struct leat_call *call, leat_task_fn *on_end);
void native_node(struct leat_task *graph, struct leat_task *task);
void native_edge(struct leat_task *graph, struct leat_task *before, struct leat_task *after);

/* task_time.c */
struct leat_task *native_timer(struct leat_call *call, uint64_t delay_ms, leat_task_fn *on_end);
struct leat_task *native_counter(struct leat_call *call, uint64_t target, leat_task_fn *on_end);
void native_count(struct leat_task *counter, uint64_t n);

/* task_http.c */
struct leat_task *native_http(struct leat_call *call, const struct leat_request *request,
			      leat_task_fn *on_end);
int native_http_status(const struct leat_task *http);
struct leat_text native_http_header(const struct leat_task *http, const char *name);
struct leat_text native_http_body(const struct leat_task *http);

/* task_compute.c */
struct leat_task *native_compute(struct leat_call *call, const struct leat_work *work,
				 leat_task_fn *on_end);

/* task_future.c */
struct leat_task *native_future(struct leat_call *call, struct leat_promise **ret_promise,
				leat_task_fn *on_end);
void native_promise_set(struct leat_promise *promise, const char *json, size_t len);
void native_promise_set_data(struct leat_promise *promise, void *data, leat_free_fn *free_data);
void native_promise_fail(struct leat_promise *promise, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void native_promise_drop(struct leat_promise *promise);
bool native_promise_is_cancelled(struct leat_promise *promise);

/* task_named.c */
struct leat_task *native_await(struct leat_call *call, const char *name, unsigned count,
			       uint64_t wait_ms, leat_task_fn *on_end);
struct leat_task *native_signal(struct leat_call *call, const struct leat_signal *signal,
				leat_task_fn *on_end);

/* actor.c */
struct leat_actor *native_spawn(const struct leat_module *module, const struct leat_kind *kind,
				const char *name, void *state);
struct leat_actor *native_find(const struct leat_module *module, const char *name);
struct leat_actor *native_actor_ref(struct leat_actor *actor);
void native_actor_unref(struct leat_actor *actor);
struct leat_actor *native_self(struct leat_call *call);
struct leat_actor *native_subject(struct leat_call *call);
void native_terminate(struct leat_actor *actor, bool at_once);
void native_exit(struct leat_call *call, bool broken);
enum leat_exit native_ended(struct leat_actor *actor);

/* actor_link.c */
void native_link(struct leat_call *call, struct leat_actor *other);
void native_unlink(struct leat_call *call, struct leat_actor *other);
const char *native_link_name(struct leat_call *call, const char *name);
void native_unlink_name(struct leat_call *call, const char *name);

/* actor_mail.c */
const char *native_dispatch(const struct leat_mail *mail);
struct leat_delayed *native_delay(const struct leat_mail *mail, uint64_t delay_ms);
bool native_delayed_cancel(struct leat_delayed *delayed);
void native_delayed_drop(struct leat_delayed *delayed);

/* defer.c */
struct leat_promise *native_defer(const struct leat_mail *mail);
void native_associate(struct leat_promise *promise, const struct leat_mail *mail);

/* task_post.c */
struct leat_task *native_send(struct leat_call *call, const struct leat_mail *mail,
			      leat_task_fn *on_end);
struct leat_task *native_ask(struct leat_call *call, const struct leat_mail *mail,
			     leat_task_fn *on_end);
struct leat_task *native_join(struct leat_call *call, struct leat_actor *actor,
			      leat_task_fn *on_end);
