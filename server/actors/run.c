/* server/actors/run.c: one message: its handler's flow, then `set:` and `reply:`.
 *
 * The state is replaced when all of that has succeeded, and only then: `set` and `reply` are made
 * first, as copies, and nothing after that can fail. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/actors/private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ roots */

static int run_read(struct actor_run *run, struct blob *blob, struct value *value, bool *read)
{
	struct str text = blob_str(blob);

	if (*read)
		return 0;
	*value = value_null();
	*read = true;
	return text.len ? value_json(value, &run->arena, text) : 0;
}

static int run_sender(struct actor_run *run, struct str key, struct value *ret)
{
	struct str actor = run->mail->sender, id = run->mail->sender_id;
	struct member *members;

	*ret = value_null();
	if (key.ptr) {
		if (str_eq(key, STR("actor")) && actor.len)
			*ret = value_text(actor);
		else if (str_eq(key, STR("id")))
			*ret = value_text(id);
		return 0;
	}
	members = arena_alloc_array(&run->arena, 2, sizeof(*members));
	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("actor")),
				      actor.len ? value_text(actor) : value_null() };
	members[1] = (struct member){ value_text(STR("id")), value_text(id) };
	*ret = value_object(members, 2);
	return 0;
}

static int run_path(struct actor_run *run, struct str key, struct value *ret)
{
	const struct actor_spec *spec = run->spec;
	struct member *members = arena_alloc_array(&run->arena, spec->n_keys + 1, sizeof(*members));

	*ret = value_null();
	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_keys; i++) {
		struct str text = actor_name_key(run->self->name, i, &run->arena);

		if (!text.ptr)
			return -ENOMEM;
		members[i] = (struct member){ value_text(str_of(spec->keys[i])), value_text(text) };
		if (key.ptr && str_eq(key, str_of(spec->keys[i])))
			*ret = members[i].value;
	}
	if (!key.ptr)
		*ret = value_object(members, spec->n_keys);
	return 0;
}

static int run_root(struct context *context, enum expr_root root, struct str key, struct value *ret)
{
	struct actor_run *run = container_of(context, struct actor_run, context);
	int r = 0;

	*ret = value_null();
	if (root == ROOT_MESSAGE) {
		r = run->is_init
			    ? 0
			    : run_read(run, run->mail->value, &run->message, &run->has_message);
		*ret = run->message;
	} else if (root == ROOT_STATE) {
		r = run_read(run, run->self->state, &run->state, &run->has_state);
		*ret = run->state;
	} else if (root == ROOT_SENDER) {
		r = run_sender(run, key, ret);
	} else if (root == ROOT_PATH) {
		r = run_path(run, key, ret);
	}
	return r;
}

static const struct context_ops run_ops = { .root = run_root };

/* ------------------------------------------------------------ answers */

void actor_answer_free(void *value)
{
	struct actor_answer *answer = value;

	blob_unref(answer->value);
	free(answer);
}

static struct str answer_copy(char **at, struct str text)
{
	struct str copy = { *at, text.len };

	if (text.len)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

struct actor_answer *actor_answer_create(const struct failure *failure, struct blob *value)
{
	size_t size = failure->custom_code.len + failure->task.len + failure->detail.len;
	struct actor_answer *answer = mem_zalloc(sizeof(*answer) + size + 1);
	char *at = (char *)(answer + 1);

	answer->code = failure->code;
	answer->status = failure->status;
	answer->custom_code = answer_copy(&at, failure->custom_code);
	answer->task = answer_copy(&at, failure->task);
	answer->detail = answer_copy(&at, failure->detail);
	answer->value = value;
	return answer;
}

void actor_mail_fail(struct actor_mail *mail, struct str actor, const struct failure *failure)
{
	if (mail->message.reply.future)
		promise_set(&mail->message.reply, actor_answer_create(failure, NULL),
			    actor_answer_free);
	else
		log_warning("actor message failed name=%s handler=%s task=%s code=%.*s detail=%s; "
			    "nobody waits for it, ignoring",
			    LOG_QUOTE(actor.len ? actor : mail->group->name),
			    LOG_QUOTE(mail->handler), LOG_QUOTE(failure->task),
			    STR_ARG(failure_code(failure)), LOG_QUOTE(failure->detail));
}

void actor_mail_answer(struct actor_mail *mail, struct blob *value)
{
	static const struct failure none;

	if (mail->message.reply.future)
		promise_set(&mail->message.reply, actor_answer_create(&none, value),
			    actor_answer_free);
	else
		blob_unref(value);
}

/* ------------------------------------------------------------ the end of a run */

static int run_write(struct actor_run *run, struct value value, struct blob **ret_blob)
{
	struct buf json;

	if (value_is_null(value))
		return 0;
	buf_init_arena(&json, &run->arena);
	value_write_json(value, &json);
	if (json.error)
		return -ENOMEM;
	if (json.len > ACTOR_STATE_MAX)
		return -EFBIG;
	*ret_blob = blob_create(buf_str(&json));
	return 0;
}

/* What `set:` gives; ${state} is that from then on. */
static int run_set(struct actor_run *run, struct blob **ret_state)
{
	struct value value;
	int r = template_tree_eval(run->handler->set, flow_run_env(&run->flow), &value);

	if (r == 0)
		r = run_write(run, value, ret_state);
	run->state = value;
	run->has_state = true;
	return r;
}

static int run_reply(struct actor_run *run, struct blob **ret_reply)
{
	struct expr_env *env = flow_run_env(&run->flow);
	struct value value = value_null();
	int r = 0;

	if (run->handler->reply)
		r = template_tree_eval(run->handler->reply, env, &value);
	else if (run->handler->text)
		r = template_eval_value(run->handler->text, env, &value);
	return r < 0 ? r : run_write(run, value, ret_reply);
}

static int run_conclude(struct actor_run *run)
{
	int r = run->handler->set ? run_set(run, &run->new_state) : 0;

	return r < 0 ? r : run_reply(run, &run->reply);
}

static struct failure run_evaluation_failure(struct actor_run *run, int error)
{
	if (error == -EFBIG)
		return (struct failure){ .code = ERROR_TOO_LARGE,
					 .status = 500,
					 .detail = STR("the state or the reply is too large") };
	return (struct failure){ .code = error_of_evaluation(error),
				 .detail = str_of(flow_run_env(&run->flow)->message) };
}

static void run_succeed(struct actor_run *run)
{
	if (run->handler->set) {
		actor_self_set_state(run->self, take(&run->new_state));
		run->self->unsaved = !run->spec->persists;
	}
	if (!run->is_init)
		actor_mail_answer(run->mail, take(&run->reply));
}

static void run_log_init(const struct actor_run *run, const struct failure *failure)
{
	log_warning("actor init failed name=%s task=%s code=%.*s detail=%s",
		    LOG_QUOTE(run->self->name), LOG_QUOTE(failure->task),
		    STR_ARG(failure_code(failure)), LOG_QUOTE(failure->detail));
}

static enum run_end run_how_it_ended(const struct actor_run *run, const struct failure *failure)
{
	return failure->code == ERROR_NONE ? RUN_OK : run->not_kept ? RUN_NOT_KEPT : RUN_FAILED;
}

static void run_finish(struct actor_run *run, struct failure failure)
{
	enum run_end end = run_how_it_ended(run, &failure);
	struct actor_self *self = run->self;
	struct actor_mail *mail = run->mail;
	struct detacher *detacher = run->context.detacher;
	void *generation = run->context.generation;
	bool is_init = run->is_init;

	if (failure.code == ERROR_NONE)
		run_succeed(run);
	else if (!mail->first)
		actor_mail_fail(mail, self->name, &failure);
	if (failure.code != ERROR_NONE && is_init)
		run_log_init(run, &failure);
	self->run = NULL;
	actors_uncount(self->loop->actors, self->group, run->counted);
	context_close(&run->context);
	blob_unref(run->new_state);
	blob_unref(run->reply);
	arena_fini(&run->arena);
	free(run);
	actor_self_on_run(self, mail, is_init, end);
	detacher->end(detacher, generation); /* last: the handler may go with it */
}

/* A state that does not fit is none: the old one stays. */
static bool run_count_state(struct actor_run *run)
{
	size_t size = blob_memory(run->new_state);

	if (!actors_count(run->self->loop->actors, run->self->group, size))
		return false;
	run->counted = size;
	return true;
}

/* The state is on the disk, or it is not the state. */
static void run_on_saved(struct actor_self *self, int error, bool found, struct blob *state)
{
	struct failure failure = { .code = ERROR_NONE };

	(void)found;
	(void)state;
	if (error < 0) {
		failure.code = ERROR_IO_ERROR;
		failure.errno_name = strerrorname_np(-error);
		failure.detail = STR("the state could not be written");
		self->run->not_kept = true;
	}
	run_finish(self->run, failure);
}

static void run_on_end(struct flow_run *flow)
{
	struct actor_run *run = container_of(flow, struct actor_run, flow);
	struct failure failure = flow->failure;
	int r = failure.code == ERROR_NONE ? run_conclude(run) : 0;

	list_remove(&run->link);
	if (r < 0)
		failure = run_evaluation_failure(run, r);
	if (failure.code == ERROR_NONE && !run_count_state(run)) {
		failure.code = ERROR_MEMORY_LIMIT;
		failure.detail = STR("limits.total_memory is reached");
		run->not_kept = true;
	}
	if (failure.code == ERROR_NONE && run->spec->persists && run->handler->set) {
		r = actor_keep_save(run->self, run->new_state, run_on_saved);
		if (r == 0)
			return;
		failure.code = ERROR_UNAVAILABLE;
		failure.detail = STR("too much waits for the store");
		run->not_kept = true;
	}
	run_finish(run, failure);
}

/* ------------------------------------------------------------ the beginning */

void actor_run_start(struct actor_self *self, struct actor_mail *mail,
		     const struct actor_spec *spec, const struct actor_handler *handler,
		     bool is_init)
{
	struct actor_loop *loop = self->loop;
	struct actor_run *run = mem_zalloc(sizeof(*run));

	run->self = self;
	run->mail = mail;
	run->spec = spec;
	run->handler = handler;
	run->is_init = is_init;
	arena_init(&run->arena, loop->memory_max);
	run->arena.budget = loop->budget;
	run->context = loop->host.context;
	run->context.ops = &run_ops;
	run->context.arena = &run->arena;
	run->context.id = mail->sender_id;
	run->context.generation = loop->generation;
	run->context.actors = loop;
	run->context.actor = self->name;
	run->context.detacher->begin(run->context.detacher, loop->generation);
	self->run = run;
	list_init(&run->link);
	list_add(&loop->runs, &run->link);
	flow_run_init(&run->flow, handler->flow, &run->context, run_on_end);
	flow_run_set_deadline(&run->flow, clock_monotonic_ns() + handler->timeout_ms * NS_PER_MS);
	flow_run_start(&run->flow);
}
