/* server/verbs/schedule.c: `schedule: FLOW`: a flow that runs later, once, and is not lost by a
 * crash; `cancel: NAME` takes it back.
 *
 * The task ends when the store has it on the disk (server/jobs/agenda.h). One that is cancelled
 * before that may have been kept all the same. */
#include "conf/units.h"
#include "core/base/clock.h"
#include "server/actors/actors.h"
#include "server/expr/functions.h"
#include "server/flow/step.h"
#include "server/jobs/agenda.h"
#include "server/verbs/all.h"
#include <errno.h>
#include <stdio.h>

enum { TRIES_MAX = 100, ARGS_MAX = 1 << 20, LATER_MAX_DAYS = 3660 };

struct schedule_config {
	struct flow *flow;
	const struct node *in_node, *at_node, *name_node, *key_node, *idem_node, *with_node;
	struct template *in, *at, *name, *key, *idem;
	struct template_tree *with;
	bool replaces;
	int64_t tries;
	uint64_t pause_ms;
};

struct schedule_state {
	struct step_run *step;
	struct todo_ask *ask; /* NULL: none is on its way */
	struct value result;
};

#define AT(field) offsetof(struct schedule_config, field)
static const struct setting schedule_keys[] = {
	{ "in", SETTING_TEMPLATE, AT(in_node),
	  .help = "After how long it runs: 24h, or ${…} that gives a duration or milliseconds." },
	{ "at", SETTING_TEMPLATE, AT(at_node),
	  .help = "When it runs: a time as RFC 3339 writes it, or milliseconds since 1970. Now, "
		  "without `in` and `at`." },
	{ "name", SETTING_TEMPLATE, AT(name_node),
	  .help = "The name by which it can be cancelled or replaced until it begins." },
	{ "replace", SETTING_BOOL, AT(replaces), "false",
	  "Whether it takes the place of what waits under the same name; else that is the failure "
	  "aborted." },
	{ "key", SETTING_TEMPLATE, AT(key_node),
	  .help = "Those with the same key run one after the other, in the order of their times." },
	{ "idempotency", SETTING_TEMPLATE, AT(idem_node),
	  .help = "A text that says what this is: the same within a day after its end schedules "
		  "nothing new." },
	{ "with", SETTING_MAP, AT(with_node), .help = "What the flow reads as ${with.…}." },
	{ "tries", SETTING_INT, AT(tries), "5", "How often it is started, when it fails.", 1,
	  TRIES_MAX },
	{ "pause", SETTING_DURATION, AT(pause_ms), "10s",
	  "How long before the second try; it doubles each time, up to an hour.", 1,
	  INT64_C(86400000) },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

static bool schedule_find_flow(struct flow_compiler *compiler, const struct node *value,
			       struct flow **ret_flow)
{
	const char *nearest;

	*ret_flow = node_is_scalar(value) && compiler->flow ? compiler->flow(compiler, value->text)
							    : NULL;
	if (*ret_flow)
		return true;
	nearest = compiler->flow_names && node_is_scalar(value)
			  ? diag_nearest(value->text, compiler->flow_names)
			  : NULL;
	diag_error(compiler->diag, value->place,
		   "`schedule` takes the name of a flow of `flows:`%s%s%s",
		   nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		   nearest ? "\"?" : "");
	return false;
}

static bool schedule_compile_time(struct verb_compiler *compiler, struct schedule_config *own)
{
	struct str constant;
	uint64_t ms;

	if (own->in_node && own->at_node) {
		diag_error(compiler->flow->diag, own->at_node->place,
			   "a run is scheduled `in` a time or `at` one; keep one of them");
		return false;
	}
	if (own->in_node)
		own->in = verb_public_text(compiler, own->in_node, "in");
	if (own->at_node)
		own->at = verb_public_text(compiler, own->at_node, "at");
	if (own->in_node && own->in && template_is_constant(own->in, &constant) &&
	    units_duration_ms(constant, &ms) < 0) {
		diag_error(compiler->flow->diag, own->in_node->place,
			   "not a duration; write 200ms, 5s, 10m, 3h or 2d");
		return false;
	}
	return (own->in || !own->in_node) && (own->at || !own->at_node);
}

static bool schedule_compile_name(struct verb_compiler *compiler, const struct node *node,
				  const char *what, struct template **ret_name)
{
	if (!node)
		return true;
	*ret_name = verb_public_name(compiler, node, what);
	return *ret_name != NULL;
}

static bool schedule_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct schedule_config *own = config;
	bool ok = schedule_find_flow(compiler->flow, value, &own->flow);

	ok &= schedule_compile_time(compiler, own);
	ok &= schedule_compile_name(compiler, own->name_node, "name", &own->name);
	ok &= schedule_compile_name(compiler, own->key_node, "key", &own->key);
	ok &= schedule_compile_name(compiler, own->idem_node, "idempotency", &own->idem);
	if (own->replaces && !own->name_node) {
		diag_error(compiler->flow->diag, compiler->step->place,
			   "replace needs the name of what is replaced; add name");
		ok = false;
	}
	if (own->with_node && own->with_node->kind != NODE_NULL) {
		own->with = verb_public_tree(compiler, own->with_node, "with");
		ok &= own->with != NULL;
	}
	return ok;
}

/* ------------------------------------------------------------ when */

static int schedule_refuse(struct expr_env *env, const char *what)
{
	snprintf(env->message, sizeof(env->message), "%s", what);
	return -EBADMSG;
}

static int schedule_number(struct value value, uint64_t *ret_ms)
{
	if (value.kind == VALUE_INT && value.integer >= 0)
		*ret_ms = (uint64_t)value.integer;
	else if (value.kind != VALUE_NUMBER || str_to_u64(value_str(value), ret_ms) < 0)
		return -EINVAL;
	return 0;
}

static int schedule_in(const struct template *in, struct expr_env *env, int64_t *ret_due_wall_ns)
{
	struct value value;
	uint64_t ms;
	int r = template_eval_value(in, env, &value);

	if (r < 0)
		return r;
	r = value.kind == VALUE_TEXT ? units_duration_ms(value_str(value), &ms)
				     : schedule_number(value, &ms);
	if (r < 0 || ms > LATER_MAX_DAYS * UINT64_C(86400000))
		return schedule_refuse(env,
				       "`in` takes a duration or milliseconds, up to ten years");
	*ret_due_wall_ns += (int64_t)(ms * NS_PER_MS);
	return 0;
}

static int schedule_at(const struct template *at, struct expr_env *env, int64_t *ret_due_wall_ns)
{
	struct value value, time;
	uint64_t ms;
	int r = template_eval_value(at, env, &value);

	if (r == 0 && value.kind == VALUE_TEXT) {
		r = fn_parse_time(env, &value, 1, &time);
		value = time;
	}
	if (r < 0)
		return r == -ENOMEM
			       ? r
			       : schedule_refuse(env, "`at` takes a time as RFC 3339 writes it: "
						      "2026-01-31T23:59:59Z");
	if (schedule_number(value, &ms) < 0 || ms > INT64_MAX / NS_PER_MS)
		return schedule_refuse(env, "`at` takes a time of RFC 3339, or milliseconds");
	*ret_due_wall_ns = (int64_t)(ms * NS_PER_MS);
	return 0;
}

/* ------------------------------------------------------------ running */

static int schedule_name(struct step_run *run, const struct template *name, struct str *ret)
{
	*ret = STR("");
	return name ? step_eval_name(run, name, ret) : 0;
}

static int schedule_args(struct step_run *run, struct template_tree *with, struct str *ret)
{
	struct value value;
	struct buf json;
	int r;

	*ret = STR("{}");
	if (!with)
		return 0;
	r = template_tree_eval(with, step_env(run), &value);
	if (r < 0)
		return r;
	buf_init_arena(&json, step_arena(run));
	value_write_json(value, &json);
	*ret = buf_str(&json);
	if (json.len > ARGS_MAX)
		return schedule_refuse(step_env(run), "`with` is larger than 1 MiB");
	return json.error ? -ENOMEM : 0;
}

static void schedule_done(struct todo_ask *ask)
{
	struct schedule_state *state = ask->user;

	if (!state)
		return;
	state->ask = NULL;
	if (ask->result == 0) {
		state->result = value_int(ask->cancels ? ask->n : ask->id);
		step_done(state->step, ERROR_NONE, STR_NONE);
	} else if (ask->result == -EEXIST) {
		step_done(state->step, ERROR_ABORTED,
			  STR("something waits under this name; say replace: true"));
	} else {
		step_done(state->step, ERROR_UNAVAILABLE, STR("the store does not work"));
	}
}

static void schedule_wait(struct step_run *run, struct todo_ask *ask)
{
	struct schedule_state *state = run->state;

	if (!ask) {
		step_done(run, ERROR_UNAVAILABLE, STR("too much waits for the store"));
		return;
	}
	state->step = run;
	state->ask = ask;
	run->sent = true;
}

static void schedule_start(struct step_run *run)
{
	const struct schedule_config *config = run->config;
	struct context *context = run->run->context;
	struct todo todo = { .kind = TODO_FLOW,
			     .target = flow_name(config->flow),
			     .replaces = config->replaces,
			     .due_wall_ns = clock_wall_ns(),
			     .tries = config->tries,
			     .pause_ms = config->pause_ms };
	int r = 0;

	if (!context->agendas) {
		step_done(run, ERROR_UNAVAILABLE, STR("nothing can be scheduled here"));
		return;
	}
	if (config->in)
		r = schedule_in(config->in, step_env(run), &todo.due_wall_ns);
	else if (config->at)
		r = schedule_at(config->at, step_env(run), &todo.due_wall_ns);
	if (r == 0)
		r = schedule_name(run, config->name, &todo.name);
	if (r == 0)
		r = schedule_name(run, config->key, &todo.key);
	if (r == 0)
		r = schedule_name(run, config->idem, &todo.idem);
	if (r == 0)
		r = schedule_args(run, config->with, &todo.args);
	if (r < 0)
		step_done_errno(run, r);
	else
		schedule_wait(run, agendas_add(context->agendas, &todo, context->loop,
					       schedule_done, run->state));
}

static void schedule_cancel(struct step_run *run)
{
	struct schedule_state *state = run->state;

	if (state->ask)
		state->ask->user = NULL;
	state->ask = NULL;
	step_done(run, ERROR_CANCELLED, STR("cancelled while the store was writing"));
}

static int schedule_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct schedule_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}

static const char *const schedule_fields[] = { "result", NULL };

const struct verb verb_schedule = {
	.name = "schedule",
	.help = "Runs a flow once, later, also when leat has been restarted by then; the result is "
		"its number.",
	.keys = schedule_keys,
	.config_size = sizeof(struct schedule_config),
	.state_size = sizeof(struct schedule_state),
	.fields = schedule_fields,
	.main_field = "result",
	.compile = schedule_compile,
	.start = schedule_start,
	.cancel = schedule_cancel,
	.field = schedule_field,
};

/* ------------------------------------------------------------ cancel: */

struct cancel_config {
	struct template *name;
};

static bool cancel_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct cancel_config *own = config;

	own->name = verb_public_name(compiler, value, "cancel");
	return own->name != NULL;
}

static void cancel_start(struct step_run *run)
{
	const struct cancel_config *config = run->config;
	struct context *context = run->run->context;
	struct str name;
	int r;

	r = step_eval_name(run, config->name, &name);
	if (r == 0 && context->actors)
		actors_cancel(context->actors, name);
	if (r < 0 || !context->agendas)
		step_done_errno(run, r);
	else
		schedule_wait(run, agendas_cancel(context->agendas, name, context->loop,
						  schedule_done, run->state));
}

const struct verb verb_cancel = {
	.name = "cancel",
	.help = "Takes back what `schedule:` keeps under that name and has not begun, and what "
		"`send:` with `delay:` and that key still has to send; the result is how many "
		"of these the store had.",
	.config_size = sizeof(struct cancel_config),
	.state_size = sizeof(struct schedule_state),
	.is_idempotent = true,
	.fields = schedule_fields,
	.main_field = "result",
	.compile = cancel_compile,
	.start = cancel_start,
	.cancel = schedule_cancel,
	.field = schedule_field,
};
