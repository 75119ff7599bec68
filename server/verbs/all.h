/* server/verbs/all.h: each verb's own declaration, for the table. */
#pragma once
#include "server/verbs/verb.h"

extern const struct verb verb_get, verb_post, verb_put, verb_patch, verb_delete, verb_head,
	verb_http;
extern const struct verb verb_wait, verb_value, verb_log, verb_fail;
extern const struct verb verb_call, verb_tasks, verb_race;
extern const struct verb verb_schedule, verb_cancel;
extern const struct verb verb_signal, verb_await, verb_enqueue, verb_dequeue;
extern const struct verb verb_exec, verb_jq, verb_gpu, verb_dns, verb_native, verb_redis, verb_sql;
extern const struct verb verb_kafka, verb_publish;
extern const struct verb verb_sort, verb_merge, verb_reduce;
extern const struct verb verb_read, verb_write, verb_append, verb_stat, verb_list;
extern const struct verb verb_remove, verb_rename, verb_sync;
extern const struct verb verb_send, verb_ask;
extern const struct verb verb_link, verb_unlink;
