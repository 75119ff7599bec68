/* server/verbs/queue.c: `enqueue: QUEUE` and `dequeue: QUEUE`, on the queues of `shared:`. */
#include "core/base/blob.h"
#include "core/task/message_queue.h"
#include "server/verbs/message.h"

struct queue_config {
	const struct shared_thing *queue;
	const struct node *message_node;
	struct template_tree *message;
	uint64_t wait_ms;
};

struct queue_state {
	struct wait_task wait;
	struct step_run *step;
	struct value value;
};

#define AT(field) offsetof(struct queue_config, field)
static const struct setting enqueue_keys[] = {
	{ "message", SETTING_VALUE, AT(message_node), .help = "What is put in." },
	{ "wait", SETTING_DURATION, AT(wait_ms), "20s",
	  "How long it waits for room, where the queue says `full: wait`; then timeout.", .min = 0,
	  .max = MESSAGE_WAIT_MAX_MS },
	SETTINGS_END
};

static const struct setting dequeue_keys[] = { { "wait", SETTING_DURATION, AT(wait_ms), "20s",
						 "How long it waits for a message; then timeout.",
						 .min = 0, .max = MESSAGE_WAIT_MAX_MS },
					       SETTINGS_END };
#undef AT

static const char *const dequeue_fields[] = { "value", NULL };

static bool enqueue_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct queue_config *own = config;

	own->queue = shared_find(compiler->flow, value, SHARED_QUEUE, "enqueue");
	return message_compile(compiler, own->message_node, &own->message) && own->queue;
}

static bool dequeue_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct queue_config *own = config;

	own->queue = shared_find(compiler->flow, value, SHARED_QUEUE, "dequeue");
	return own->queue != NULL;
}

static void enqueue_on_end(struct task *task)
{
	struct queue_state *state = container_of(task, struct queue_state, wait.task);
	enum reason reason = wait_reason(&state->wait);

	enqueue_fini(&state->wait);
	step_fail_reason(state->step, reason, ERROR_QUEUE_FULL);
}

static void enqueue_start(struct step_run *run)
{
	const struct queue_config *config = run->config;
	struct queue_state *state = run->state;
	struct enqueue enqueue = { .n_max = config->queue->n_max,
				   .max_bytes = config->queue->max_bytes,
				   .full = config->queue->full,
				   .n_wait_max = config->queue->n_wait_max,
				   .wait_ms = config->wait_ms };
	int r;

	if (!message_has_homes(run))
		return;
	r = message_make(run, config->message, &enqueue.message);
	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	state->step = run;
	enqueue_init(&state->wait, run->run->context->homes, config->queue->name, &enqueue,
		     enqueue_on_end);
	blob_unref(enqueue.message);
	task_start(&state->wait.task, &run->run->scope);
}

static void dequeue_on_end(struct task *task)
{
	struct queue_state *state = container_of(task, struct queue_state, wait.task);
	enum reason reason = wait_reason(&state->wait);
	int r = 0;

	if (reason == REASON_NONE)
		r = message_read(state->step, dequeue_message(&state->wait), &state->value);
	dequeue_fini(&state->wait);
	if (r < 0)
		step_done_errno(state->step, r);
	else
		step_fail_reason(state->step, reason, ERROR_QUEUE_FULL);
}

static void dequeue_start(struct step_run *run)
{
	const struct queue_config *config = run->config;
	const struct dequeue dequeue = { .n_wait_max = config->queue->n_wait_max,
					 .wait_ms = config->wait_ms };
	struct queue_state *state = run->state;

	if (!message_has_homes(run))
		return;
	state->step = run;
	dequeue_init(&state->wait, run->run->context->homes, config->queue->name, &dequeue,
		     dequeue_on_end);
	task_start(&state->wait.task, &run->run->scope);
}

static void queue_cancel(struct step_run *run)
{
	struct queue_state *state = run->state;

	task_cancel(&state->wait.task);
}

static int queue_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct queue_state *state = run->state;

	(void)name;
	*ret = state->value;
	return 0;
}

const struct verb verb_enqueue = {
	.name = "enqueue",
	.help = "Puts a message into a queue of `shared:`.",
	.keys = enqueue_keys,
	.config_size = sizeof(struct queue_config),
	.state_size = sizeof(struct queue_state),
	.compile = enqueue_compile,
	.start = enqueue_start,
	.cancel = queue_cancel,
	.field = queue_field,
};

const struct verb verb_dequeue = {
	.name = "dequeue",
	.help = "Takes the oldest message out of a queue of `shared:`, and waits for one.",
	.keys = dequeue_keys,
	.config_size = sizeof(struct queue_config),
	.state_size = sizeof(struct queue_state),
	.fields = dequeue_fields,
	.main_field = "value",
	.compile = dequeue_compile,
	.start = dequeue_start,
	.cancel = queue_cancel,
	.field = queue_field,
};
