/* server/verbs/verbs.c: the table of all verbs of leat's own. To add one: write server/verbs/NAME.c, declare
 * it in all.h, list it here. */
#include "server/verbs/all.h"

/* in short lines, so that those who add some do not meet */
/* clang-format off */
const struct verb *const verbs[] = {
	&verb_get,    &verb_post, &verb_put,    &verb_patch, &verb_delete,  &verb_head,
	&verb_http,   &verb_wait, &verb_value,  &verb_log,   &verb_fail,    &verb_call,
	&verb_tasks,  &verb_race, &verb_signal, &verb_await, &verb_enqueue, &verb_dequeue,
	&verb_exec,   &verb_jq,   &verb_sort,   &verb_merge, &verb_reduce,  &verb_sql,
	&verb_native, &verb_gpu,  &verb_redis,  &verb_dns,
	&verb_kafka,  &verb_publish,
	&verb_read,   &verb_write,  &verb_append, &verb_stat, &verb_list,
	&verb_remove, &verb_rename, &verb_sync,
	&verb_send,   &verb_ask,    &verb_schedule, &verb_cancel,
	&verb_link,   &verb_unlink,
	NULL,
};
/* clang-format on */

const struct verb *verb_find_in(const struct verb *const table[], struct str name)
{
	for (size_t i = 0; table[i]; i++)
		if (str_eq(name, str_of(table[i]->name)))
			return table[i];
	return NULL;
}

const struct verb *verb_find(struct str name)
{
	return verb_find_in(verbs, name);
}
