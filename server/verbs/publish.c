/* server/verbs/publish.c: `publish: TOPIC`: a message to all who subscribe to it (server/live/topics.h). */
#include "server/live/topics.h"
#include "server/verbs/message.h"
#include <errno.h>
#include <stdio.h>

struct publish_config {
	struct template *topic;
	const struct node *message_node, *event_node;
	struct template_tree *message;
	struct template *event; /* or NULL */
};

struct publish_state {
	struct publish publish;
	struct step_run *step;
	struct value n_subscribers;
};

#define AT(field) offsetof(struct publish_config, field)
static const struct setting publish_keys[] = {
	{ "message", SETTING_VALUE, AT(message_node),
	  .help = "What is sent: a text as it is, anything else as JSON.", .required = true },
	{ "event", SETTING_TEMPLATE, AT(event_node),
	  .help = "The name of the event, for event streams; without it, `message`." },
	SETTINGS_END
};
#undef AT

static const char *const publish_fields[] = { "result", NULL };

static bool publish_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct publish_config *own = config;
	bool ok = true;

	own->topic = verb_public_name(compiler, value, "publish");
	if (own->message_node)
		own->message = verb_public_tree(compiler, own->message_node, "message");
	if (own->event_node) {
		own->event = verb_public_text(compiler, own->event_node, "event");
		ok = own->event != NULL;
	}
	return ok && own->topic && own->message;
}

/* ------------------------------------------------------------ what is sent */

static int publish_refuse(struct step_run *step, const char *message)
{
	struct expr_env *env = step_env(step);

	snprintf(env->message, sizeof(env->message), "%s", message);
	return -EBADMSG;
}

static int publish_payload(struct step_run *step, struct str *ret)
{
	const struct publish_config *config = step->config;
	struct value value;
	struct buf json;
	int r = template_tree_eval(config->message, step_env(step), &value);

	if (r < 0)
		return r;
	if (value.kind == VALUE_TEXT) {
		*ret = value_str(value);
		return str_is_utf8(*ret) ? 0 : publish_refuse(step, "a message has to be UTF-8");
	}
	buf_init_arena(&json, step_arena(step));
	value_write_json(value, &json);
	*ret = buf_str(&json);
	return json.error ? -ENOMEM : 0;
}

static int publish_event(struct step_run *step, struct str *ret)
{
	const struct publish_config *config = step->config;
	int r;

	*ret = STR_NONE;
	if (!config->event)
		return 0;
	r = template_eval(config->event, step_env(step), ret);
	if (r < 0)
		return r;
	if (str_has(*ret, '\n') || str_has(*ret, '\r') || !str_is_utf8(*ret))
		return publish_refuse(step, "the name of an event is one line of UTF-8");
	return 0;
}

static int publish_make(struct step_run *step, struct publication_text *ret_text)
{
	const struct publish_config *config = step->config;
	int r = step_eval_name(step, config->topic, &ret_text->topic);

	if (r == 0 && ret_text->topic.len > TOPIC_NAME_MAX)
		r = publish_refuse(step, "a topic's name has at most 1024 bytes");
	if (r == 0)
		r = publish_payload(step, &ret_text->payload);
	return r == 0 ? publish_event(step, &ret_text->event) : r;
}

/* ------------------------------------------------------------ */

static void publish_on_end(struct publish *publish, uint64_t n_subscribers)
{
	struct publish_state *state = container_of(publish, struct publish_state, publish);

	state->n_subscribers = value_int((int64_t)n_subscribers);
	step_done(state->step, ERROR_NONE, STR_NONE);
}

static void publish_begin(struct step_run *run)
{
	struct publish_state *state = run->state;
	struct topics *topics = run->run->context->topics;
	struct publication_text text;
	int r;

	state->n_subscribers = value_null();
	if (!topics) {
		step_done(run, ERROR_UNAVAILABLE, STR("nothing is published here"));
		return;
	}
	r = publish_make(run, &text);
	state->step = run;
	state->publish.on_end = publish_on_end;
	if (r == 0)
		r = publish_start(&state->publish, topics, &text);
	run->sent = r == 0;
	if (r < 0)
		step_done_errno(run, r);
}

static void publish_cancel(struct step_run *run)
{
	struct publish_state *state = run->state;

	publish_leave(&state->publish);
	step_done(run, ERROR_CANCELLED, STR("cancelled while it was published"));
}

static int publish_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct publish_state *state = run->state;

	(void)name;
	*ret = state->n_subscribers;
	return 0;
}

const struct verb verb_publish = {
	.name = "publish",
	.help = "Sends a message to all clients that subscribe to the topic, by WebSocket or event "
		"stream; the result is how many.",
	.keys = publish_keys,
	.config_size = sizeof(struct publish_config),
	.state_size = sizeof(struct publish_state),
	.fields = publish_fields,
	.main_field = "result",
	.compile = publish_compile,
	.start = publish_begin,
	.cancel = publish_cancel,
	.field = publish_field,
};
