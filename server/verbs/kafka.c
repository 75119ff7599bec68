/* server/verbs/kafka.c: `kafka: NAME`: a message, which brokers acknowledge.
 *
 * A task that is cancelled, or whose time is over, ends at once: its message may go out all the
 * same. */
#include "server/verbs/kafka.h"
#include <errno.h>

static void kafka_verb_fail(struct step_run *run, const struct kafka_send *send)
{
	const struct kafka_verb_config *config = run->config;
	struct failure failure = { .code = send->code, .kafka = str_of(send->kafka) };
	struct str detail =
		arena_printf(step_arena(run), "%.*s: %s", STR_ARG(config->kafka->name), send->text);

	failure.detail = detail.ptr ? detail : STR("");
	step_fail(run, &failure);
}

static void kafka_on_done(struct kafka_send *send)
{
	struct step_run *run = send->owner;
	struct kafka_verb_state *state = run->state;

	state->send = NULL;
	state->partition = send->partition;
	state->offset = send->offset;
	run->sent = send->sent;
	if (send->code == ERROR_NONE)
		step_done(run, ERROR_NONE, STR_NONE);
	else
		kafka_verb_fail(run, send);
}

/* ------------------------------------------------------------ by the store */

static void kafka_on_put(struct kafka_put *put)
{
	struct step_run *run = put->owner;
	struct kafka_verb_state *state = run->state;

	state->put = NULL;
	if (put->result == 0)
		step_done(run, ERROR_NONE, STR_NONE);
	else
		step_done(run, ERROR_UNAVAILABLE, STR("the store does not work"));
}

static void kafka_refuse_put(struct step_run *run, int error)
{
	const struct kafka_verb_config *config = run->config;

	atomic_fetch_add(&config->kafka->stats.refused, 1);
	step_done(run, ERROR_QUEUE_FULL,
		  error == -ENOBUFS ? STR("too many messages are kept already")
				    : STR("the store has too much to do"));
}

static void kafka_put_message(struct step_run *run, const struct kafka_message *message)
{
	const struct kafka_verb_config *config = run->config;
	struct kafka_verb_state *state = run->state;
	struct context *context = run->run->context;
	struct kafka_outbox *outbox = atomic_load(&config->kafka->outbox);
	struct kafka_put *put;
	int r;

	if (!outbox) {
		step_done(run, ERROR_UNAVAILABLE, STR("nothing can be kept here"));
		return;
	}
	put = kafka_put_create(outbox, context->loop, context->arena->budget, message);
	if (!put) {
		step_done_errno(run, -ENOMEM);
		return;
	}
	put->owner = run;
	put->on_done = kafka_on_put;
	r = kafka_put_submit(put, config->kafka->spool_max);
	if (r == 0) {
		state->put = put;
		return;
	}
	kafka_put_free(put);
	kafka_refuse_put(run, r);
}

/* ------------------------------------------------------------ at once */

void kafka_verb_start(struct step_run *run)
{
	const struct kafka_verb_config *config = run->config;
	struct kafka_verb_state *state = run->state;
	struct context *context = run->run->context;
	struct kafka_message message = { 0 };
	struct kafka_send *send;
	int r = kafka_verb_message(run, &message);

	state->partition = -1;
	state->offset = -1;
	state->topic = message.topic;
	if (r == 0 && config->spool) {
		kafka_put_message(run, &message);
		return;
	}
	send = r < 0 ? NULL : kafka_send_create(context->loop, context->arena->budget);
	if (!send) {
		step_done_errno(run, r < 0 ? r : -ENOMEM);
		return;
	}
	send->owner = run;
	send->on_done = kafka_on_done;
	if (kafka_send_submit(send, config->kafka, (enum kafka_acks)config->acks, &message)) {
		state->send = send;
		return;
	}
	kafka_verb_fail(run, send);
	kafka_send_free(send);
}

void kafka_verb_cancel(struct step_run *run)
{
	struct kafka_verb_state *state = run->state;

	if (state->put)
		kafka_put_leave(take(&state->put));
	else
		kafka_send_leave(take(&state->send));
	run->sent = true;
	step_done(run, ERROR_CANCELLED, STR("cancelled while it waited for the brokers"));
}

static int kafka_object(struct step_run *run, struct value *ret)
{
	const struct kafka_verb_state *state = run->state;
	struct member *members = arena_alloc_array(step_arena(run), 3, sizeof(*members));

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("topic")), value_text(state->topic) };
	members[1] = (struct member){ value_text(STR("partition")),
				      state->partition < 0 ? value_null()
							   : value_int(state->partition) };
	members[2] = (struct member){ value_text(STR("offset")),
				      state->offset < 0 ? value_null() : value_int(state->offset) };
	*ret = value_object(members, 3);
	return 0;
}

int kafka_verb_field(struct step_run *run, struct str name, struct value *ret)
{
	struct value object;
	int r;

	*ret = value_null();
	if (run->failure.code != ERROR_NONE)
		return 0;
	r = kafka_object(run, &object);
	if (r < 0)
		return r;
	if (str_eq(name, STR("result")))
		*ret = object;
	else
		value_member(object, name, ret);
	return 0;
}
