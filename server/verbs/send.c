/* server/verbs/send.c: `send:` and `ask:`: messages to actors; `cancel:`: those that are still to be
 * sent. */
#include "server/verbs/send.h"
#include "core/base/blob.h"
#include "core/base/clock.h"
#include "server/actors/actors.h"
#include "server/jobs/todo_send.h"
#include "server/peers/peers.h"
#include "server/verbs/message.h"
#include <errno.h>

enum { DELAY_MAX_DAYS = 365 };

#define DELAY_MAX_MS (DELAY_MAX_DAYS * INT64_C(86400000))

struct send_config {
	struct template *name, *key;
	const struct node *handler_node, *message_node, *key_node;
	struct template *handler;
	struct template_tree *message;
	uint64_t delay_ms;
};

struct send_state {
	struct step_run *step;
	struct future *future;
	struct future_watch watch;
	struct timer delay;    /* of an ask */
	struct todo_ask *keep; /* of a message that the store is asked to keep; or NULL */
	struct actor_send send;
	struct value result;
};

#define AT(field) offsetof(struct send_config, field)
static const struct setting send_keys[] = {
	{ "handler", SETTING_TEMPLATE, AT(handler_node), .help = "What is to handle the message.",
	  .required = true },
	{ "message", SETTING_VALUE, AT(message_node), .help = "What ${message} is there." },
	{ "delay", SETTING_DURATION, AT(delay_ms), "0s",
	  "How long before it is sent, whatever becomes of this flow. One to an actor with "
	  "persist: true is kept by the store.",
	  .min = 0, .max = DELAY_MAX_MS },
	{ "key", SETTING_TEMPLATE, AT(key_node),
	  .help = "With delay: the name that `cancel:` knows it by." },
	SETTINGS_END
};

static const struct setting ask_keys[] = {
	{ "handler", SETTING_TEMPLATE, AT(handler_node), .help = "What is to handle the message.",
	  .required = true },
	{ "message", SETTING_VALUE, AT(message_node), .help = "What ${message} is there." },
	{ "delay", SETTING_DURATION, AT(delay_ms), "0s", "How long before it is sent.", .min = 0,
	  .max = DELAY_MAX_MS },
	SETTINGS_END
};
#undef AT

static const char *const ask_fields[] = { "result", NULL };

/* ------------------------------------------------------------ compiling */

static bool send_check_peer(struct verb_compiler *compiler, const struct node *value,
			    struct str name)
{
	const struct peer_section *peers = compiler->flow->peers;
	struct str actor, host;

	if (compiler->step->verb != &verb_ask || !peer_address_split(name, &actor, &host) ||
	    !peer_section_find(peers, host)->form->one_way)
		return true;
	diag_error(compiler->flow->diag, value->place,
		   "%.*s speaks libprocess, which answers by messages of its own; use send:, and a "
		   "handler for what it sends back",
		   STR_ARG(host));
	return false;
}

bool verb_check_actor(struct verb_compiler *compiler, const struct node *value,
		      const struct template *name, const struct actor_spec **ret_spec)
{
	const struct actor_section *section = compiler->flow->actors;
	const struct actor_spec *spec = NULL;
	struct str sample = template_sample(name, compiler->flow->arena), first, constant;
	ptrdiff_t slash = str_find_char(sample, '/');
	const char *nearest;

	*ret_spec = NULL;
	first = slash < 0 ? sample : str_first(sample, (size_t)slash);
	if (template_is_constant(name, &constant) && str_has(constant, '@'))
		return peer_section_check(compiler->flow->peers, constant, value->place,
					  compiler->flow->diag);
	if (str_starts_with(str_trim(value->text), STR("${")) || str_has(sample, '@'))
		return true; /* which one is known only then */
	spec = section ? actor_spec_find(section, first) : NULL;
	if (!spec) {
		nearest = section ? diag_nearest(first, section->names) : NULL;
		diag_error(compiler->flow->diag, value->place,
			   "there is no actor \"%.*s\" in `actors:`%s%s%s",
			   STR_ARG(str_first(first, 80)), nearest ? "; did you mean \"" : "",
			   nearest ? nearest : "", nearest ? "\"?" : "");
		return false;
	}
	*ret_spec = spec;
	if (actor_spec_takes(spec, sample))
		return true;
	diag_error(compiler->flow->diag, value->place,
		   "the actor is called %.*s; write it with as many keys", STR_ARG(spec->pattern));
	return false;
}

/* A constant name is looked at now. */
static bool send_check_name(struct verb_compiler *compiler, const struct node *value,
			    const struct send_config *config)
{
	const struct actor_spec *spec;
	struct str constant, handler;
	const char *nearest;

	if (!verb_check_actor(compiler, value, config->name, &spec))
		return false;
	if (template_is_constant(config->name, &constant) && str_has(constant, '@'))
		return send_check_peer(compiler, value, constant);
	if (!spec || !template_is_constant(config->handler, &handler) ||
	    actor_spec_declares(spec, handler))
		return true;
	nearest = actor_spec_nearest(spec, handler, compiler->flow->arena);
	diag_error(compiler->flow->diag, config->handler_node->place,
		   "the actor \"%.*s\" has no handler \"%.*s\"%s%s%s", STR_ARG(spec->name),
		   STR_ARG(str_first(handler, 80)), nearest ? "; did you mean \"" : "",
		   nearest ? nearest : "", nearest ? "\"?" : "");
	return false;
}

static bool send_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct send_config *own = config;
	bool ok = message_compile(compiler, own->message_node, &own->message);

	own->name = verb_public_actor(compiler, value, compiler->step->verb->name);
	own->handler = own->handler_node ? verb_public_text(compiler, own->handler_node, "handler")
					 : NULL;
	if (own->key_node) {
		own->key = verb_public_name(compiler, own->key_node, "key");
		ok &= own->key != NULL;
	}
	if (own->key_node && own->delay_ms == 0) {
		diag_error(
			compiler->flow->diag, own->key_node->place,
			"a message that is sent at once cannot be cancelled; add delay, or remove "
			"key");
		ok = false;
	}
	if (!own->name || !own->handler)
		return false;
	return send_check_name(compiler, value, own) && ok;
}

/* ------------------------------------------------------------ running */

static bool send_has_actors(struct step_run *run)
{
	if (run->run->context->actors)
		return true;
	step_done(run, ERROR_UNAVAILABLE, STR("there are no actors here"));
	return false;
}

/* Who waits for itself waits for ever: an actor handles one message at a time. */
static bool send_is_to_itself(const struct step_run *run, const struct send_state *state)
{
	return run->run->context->actor.len && str_eq(run->run->context->actor, state->send.name);
}

static int send_make(struct step_run *run)
{
	const struct send_config *config = run->config;
	struct context *context = run->run->context;
	struct send_state *state = run->state;
	int r = step_eval_name(run, config->name, &state->send.name);

	state->step = run;
	if (r == 0)
		r = template_eval(config->handler, step_env(run), &state->send.handler);
	if (r == 0)
		r = message_make(run, config->message, &state->send.value);
	state->send.sender = context->actor;
	state->send.sender_id = context->id;
	state->send.deadline_ns = MIN(run->timeout_ns, run->run->scope.deadline_ns);
	if (state->send.deadline_ns == UINT64_MAX)
		state->send.deadline_ns = 0;
	return r;
}

/* A message that is too large came from here: it is no answer of a server that is (502). */
static void send_end(struct send_state *state, enum error_code code, const char *detail)
{
	const struct failure failure = { .code = code, .status = 413, .detail = str_of(detail) };

	blob_unref(take(&state->send.value));
	if (code == ERROR_TOO_LARGE)
		step_fail(state->step, &failure);
	else
		step_done(state->step, code, failure.detail);
}

static void ask_end(struct send_state *state, const struct actor_answer *answer)
{
	struct step_run *run = state->step;
	struct arena *arena = step_arena(run);
	struct failure failure = { .code = answer->code, .status = answer->status };
	int r = 0;

	if (answer->code == ERROR_NONE) {
		r = message_read(run, answer->value, &state->result);
	} else {
		failure.custom_code = arena_str(arena, answer->custom_code);
		failure.task = arena_str(arena, answer->task);
		failure.detail = arena_str(arena, answer->detail);
	}
	future_unref(take(&state->future));
	blob_unref(take(&state->send.value));
	if (r < 0)
		step_done_errno(run, r);
	else if (failure.code == ERROR_NONE)
		step_done(run, ERROR_NONE, STR_NONE);
	else
		step_fail(run, &failure);
}

static void send_on_future(struct future_watch *watch, struct future *future)
{
	struct send_state *state = container_of(watch, struct send_state, watch);
	enum error_code code = ERROR_NONE;
	const char *detail = "";

	if (future_state(future) == FUTURE_READY && future_value(future)) {
		ask_end(state, future_value(future));
		return;
	}
	if (future_state(future) != FUTURE_READY)
		code = actor_error(future_error(future), &detail);
	future_unref(take(&state->future));
	send_end(state, code, detail);
}

/* Its own mailbox is full, with `full: wait`: there is no room before this message's end, which would wait for it. */
static bool send_waits_for_itself(const struct send_state *state, bool asks)
{
	return !asks && send_is_to_itself(state->step, state) &&
	       future_state(state->future) == FUTURE_PENDING;
}

static void send_withdraw(struct send_state *state)
{
	future_discard(state->future);
	future_unref(take(&state->future));
	send_end(state, ERROR_QUEUE_FULL, "the actor's own mailbox is full");
}

static void send_go(struct send_state *state, bool asks)
{
	struct step_run *run = state->step;
	enum error_code code = ERROR_NONE;
	const char *detail = "";

	state->future = actors_send(run->run->context->actors, &state->send, asks, &code, &detail);
	run->sent |= state->future != NULL;
	if (!state->future)
		send_end(state, code, detail);
	else if (send_waits_for_itself(state, asks))
		send_withdraw(state);
	else
		future_on_any(state->future, &state->watch, send_on_future);
}

static void send_on_kept(struct todo_ask *ask)
{
	struct send_state *state = ask->user;

	if (!state)
		return;
	state->keep = NULL;
	if (ask->result == 0)
		send_end(state, ERROR_NONE, "");
	else
		send_end(state, ERROR_UNAVAILABLE, "the store does not work");
}

/* As long as the actor's state is kept, so is what it is to be told. The task ends when the store has it. */
static void send_keep(struct step_run *run, struct str key)
{
	const struct send_config *config = run->config;
	struct context *context = run->run->context;
	struct send_state *state = run->state;
	struct todo todo;
	struct buf args;
	int r;

	buf_init_arena(&args, step_arena(run));
	r = todo_of_send(&todo, &state->send, &args);
	todo.name = key.len ? key : STR("");
	todo.due_wall_ns = clock_wall_ns() + (int64_t)(config->delay_ms * NS_PER_MS);
	if (r == -EMSGSIZE) {
		send_end(state, ERROR_TOO_LARGE, "what is kept for later is larger than 1 MiB");
	} else if (r < 0) {
		send_end(state, ERROR_MEMORY_LIMIT, "");
	} else if (!context->agendas) {
		send_end(state, ERROR_UNAVAILABLE, "nothing can be kept here");
	} else {
		state->keep =
			agendas_add(context->agendas, &todo, context->loop, send_on_kept, state);
		run->sent = state->keep != NULL;
		if (!state->keep)
			send_end(state, ERROR_UNAVAILABLE, "too much waits for the store");
	}
}

static void send_later(struct step_run *run)
{
	const struct send_config *config = run->config;
	struct actor_loop *actors = run->run->context->actors;
	struct send_state *state = run->state;
	struct str key = STR_NONE;
	const char *detail = "";
	bool persists = false;
	enum error_code code;
	int r = config->key ? step_eval_name(run, config->key, &key) : 0;

	if (r < 0) {
		blob_unref(take(&state->send.value));
		step_done_errno(run, r);
		return;
	}
	code = actors_look(actors, &state->send, &persists, &detail);
	if (code == ERROR_NONE && persists) {
		send_keep(run, key);
		return;
	}
	if (code == ERROR_NONE)
		code = actors_send_later(actors, &state->send, config->delay_ms, key, &detail);
	send_end(state, code, detail);
}

static void send_start(struct step_run *run)
{
	const struct send_config *config = run->config;
	struct send_state *state = run->state;
	int r;

	if (!send_has_actors(run))
		return;
	r = send_make(run);
	if (r < 0) {
		blob_unref(take(&state->send.value));
		step_done_errno(run, r);
	} else if (config->delay_ms) {
		send_later(run);
	} else {
		send_go(state, false);
	}
}

static void ask_on_delay(struct timer *timer)
{
	send_go(container_of(timer, struct send_state, delay), true);
}

static void ask_start(struct step_run *run)
{
	const struct send_config *config = run->config;
	struct send_state *state = run->state;
	int r;

	if (!send_has_actors(run))
		return;
	r = send_make(run);
	timer_init(&state->delay, run->run->context->loop, ask_on_delay);
	if (r < 0) {
		blob_unref(take(&state->send.value));
		step_done_errno(run, r);
	} else if (send_is_to_itself(run, state)) {
		send_end(state, ERROR_UNAVAILABLE, "an actor cannot wait for its own answer");
	} else if (config->delay_ms) {
		timer_start(&state->delay, config->delay_ms);
	} else {
		send_go(state, true);
	}
}

/* What is in the mailbox already, and has not begun, is withdrawn. */
static void send_cancel(struct step_run *run)
{
	struct send_state *state = run->state;

	if (state->delay.loop)
		timer_stop(&state->delay);
	if (state->keep)
		state->keep->user = NULL; /* it may be kept all the same */
	state->keep = NULL;
	if (state->future) {
		future_unwatch(&state->watch);
		future_discard(state->future);
		future_unref(take(&state->future));
	}
	send_end(state, ERROR_CANCELLED, "");
}

static int ask_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct send_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}

const struct verb verb_send = {
	.name = "send",
	.help = "Sends a message to an actor of `actors:`, and waits until its mailbox has it.",
	.keys = send_keys,
	.config_size = sizeof(struct send_config),
	.state_size = sizeof(struct send_state),
	.compile = send_compile,
	.start = send_start,
	.cancel = send_cancel,
	.field = step_field_none,
};

const struct verb verb_ask = {
	.name = "ask",
	.help = "Sends a message to an actor of `actors:`, and waits for what its handler replies.",
	.keys = ask_keys,
	.config_size = sizeof(struct send_config),
	.state_size = sizeof(struct send_state),
	.fields = ask_fields,
	.main_field = "result",
	.compile = send_compile,
	.start = ask_start,
	.cancel = send_cancel,
	.field = ask_field,
};
