/* server/verbs/redis.c: `redis: NAME`: commands to a Redis server. */
#include "server/verbs/redis.h"
#include "server/redis/redis_pool.h"
#include <errno.h>
#include <stdio.h>

struct redis_state {
	struct redis_call call;
	struct step_run *run;
	struct value result;
};

static enum error_code redis_error_code(enum redis_error error)
{
	switch (error) {
	case REDIS_OK:
		return ERROR_NONE;
	case REDIS_TIMEOUT:
		return ERROR_TIMEOUT;
	case REDIS_CONNECT_FAILED:
		return ERROR_CONNECT_FAILED;
	case REDIS_DNS_FAILED:
		return ERROR_DNS_FAILED;
	case REDIS_TLS_FAILED:
		return ERROR_TLS_FAILED;
	case REDIS_EXHAUSTED:
		return ERROR_POOL_EXHAUSTED;
	case REDIS_REPLIED:
	case REDIS_LOST:
	case REDIS_CROSS_SLOT:
		return ERROR_REDIS_ERROR;
	case REDIS_TOO_LARGE:
		return ERROR_TOO_LARGE;
	case REDIS_BINARY:
		return ERROR_BAD_RESPONSE;
	case REDIS_MEMORY:
		return ERROR_MEMORY_LIMIT;
	}
	unreachable();
}

static void redis_verb_on_end(struct redis_call *call)
{
	struct redis_state *state = call->owner;
	struct step_run *run = state->run;
	const struct redis_verb_config *config = run->config;
	struct str detail;

	run->sent = call->sent;
	if (call->results)
		state->result = config->many ? value_list(call->results, config->n_commands)
					     : call->results[0];
	if (call->error == REDIS_OK) {
		step_done(run, ERROR_NONE, STR_NONE);
		return;
	}
	detail = config->n_commands > 1 ? arena_printf(step_arena(run), "%.*s: command %zu: %s",
						       STR_ARG(config->redis->name),
						       call->failed + 1, call->detail)
					: arena_printf(step_arena(run), "%.*s: %s",
						       STR_ARG(config->redis->name), call->detail);
	step_done(run, redis_error_code(call->error), detail.ptr ? detail : STR(""));
}

/* ------------------------------------------------------------ the arguments */

/* A value that turns out to be an option which makes the server wait. */
static int redis_check_option(struct step_run *run, const struct redis_verb_command *command,
			      size_t arg, struct str text)
{
	struct str constant;

	if (!command->known || !(command->known->flags & COMMAND_OPTIONS) ||
	    !str_eq_nocase(text, STR("block")) ||
	    template_is_constant(command->args[arg], &constant))
		return 0;
	snprintf(step_env(run)->message, sizeof(step_env(run)->message),
		 "an argument of %s is BLOCK, which would make everybody wait",
		 command->known->name);
	return -EBADMSG;
}

static int redis_eval_command(struct step_run *run, const struct redis_verb_command *command,
			      struct redis_command *ret)
{
	struct str *args = arena_alloc_array(step_arena(run), command->n_args, sizeof(*args));
	int r = args ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < command->n_args; i++) {
		r = template_eval(command->args[i], step_env(run), &args[i]);
		if (r == 0)
			r = redis_check_option(run, command, i, args[i]);
	}
	*ret = (struct redis_command){ command->known, args, command->n_args };
	return r;
}

static int redis_make_commands(struct step_run *run, struct redis_command **ret_commands)
{
	const struct redis_verb_config *config = run->config;
	struct redis_command *commands =
		arena_alloc_array(step_arena(run), config->n_commands, sizeof(*commands));
	int r = commands ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < config->n_commands; i++)
		r = redis_eval_command(run, &config->commands[i], &commands[i]);
	*ret_commands = commands;
	return r;
}

/* ------------------------------------------------------------ the run */

static void redis_verb_start(struct step_run *run)
{
	const struct redis_verb_config *config = run->config;
	struct redis_state *state = run->state;
	struct redis_loop *rloop = run->run->context->redis;
	struct redis_command *commands;
	struct redis_request request;
	int r;

	state->run = run;
	state->result = value_null();
	if (!rloop) {
		step_done(run, ERROR_UNAVAILABLE, STR("no Redis server can be asked here"));
		return;
	}
	r = redis_make_commands(run, &commands);
	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	request = (struct redis_request){ .redis = config->redis,
					  .commands = commands,
					  .n_commands = config->n_commands,
					  .transaction = config->transaction,
					  .reads = config->reads,
					  .base64 = config->binary == REDIS_BINARY_BASE64,
					  .script = config->script,
					  .reply_max = config->max_reply };
	state->call.on_end = redis_verb_on_end;
	state->call.owner = state;
	redis_call_start(&state->call, rloop, step_arena(run), &request);
}

static void redis_verb_cancel(struct step_run *run)
{
	struct redis_state *state = run->state;

	redis_call_cancel(&state->call);
	run->sent = state->call.sent;
	step_done(run, ERROR_CANCELLED, STR("cancelled while it waited for the server"));
}

static int redis_verb_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct redis_state *state = run->state;

	(void)name;
	*ret = state->result;
	return 0;
}

static const char *const redis_fields[] = { "result", NULL };

const struct verb verb_redis = {
	.name = "redis",
	.help = "Commands to a Redis server of the section redis: .result is the reply, or the "
		"list of replies.",
	.keys = redis_verb_keys,
	.config_size = sizeof(struct redis_verb_config),
	.state_size = sizeof(struct redis_state),
	.fields = redis_fields,
	.main_field = "result",
	.compile = redis_verb_compile,
	.start = redis_verb_start,
	.cancel = redis_verb_cancel,
	.field = redis_verb_field,
};
