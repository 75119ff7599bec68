/* server/verbs/kafka_message.c: the message that a task of `kafka:` sends. */
#include "core/base/base64.h"
#include "server/verbs/kafka.h"
#include <errno.h>
#include <stdio.h>

static int message_refuse(struct step_run *run, const char *text)
{
	struct expr_env *env = step_env(run);

	snprintf(env->message, sizeof(env->message), "%s", text);
	return -EBADMSG;
}

static int message_base64(struct step_run *run, struct value value, struct str *ret)
{
	struct str digits = value_str(value);
	char *bytes;

	if (value.kind != VALUE_TEXT || !base64_strip_padding(&digits))
		return message_refuse(run, "the message is no base64");
	bytes = arena_alloc(step_arena(run), base64_size(digits.len) + 1);
	if (!bytes)
		return -ENOMEM;
	if (!base64_decode(digits, BASE64_STANDARD, bytes))
		return message_refuse(run, "the message is no base64");
	*ret = (struct str){ bytes, base64_size(digits.len) };
	return 0;
}

static int message_text(struct step_run *run, struct value value, struct str *ret)
{
	struct buf text;

	if (value_is_null(value)) {
		*ret = STR_NONE;
		return 0;
	}
	if (value.kind == VALUE_TEXT) {
		*ret = value.len ? value_str(value) : STR("");
		return 0;
	}
	buf_init_arena(&text, step_arena(run));
	value_write_json(value, &text);
	*ret = buf_str(&text);
	return text.error ? -ENOMEM : 0;
}

static int message_value(struct step_run *run, struct str *ret)
{
	const struct kafka_verb_config *config = run->config;
	struct value value = value_null();
	int r = config->value ? template_tree_eval(config->value, step_env(run), &value) : 0;

	if (r < 0)
		return r;
	if (config->encoding == KAFKA_ENCODING_BASE64 && !value_is_null(value))
		return message_base64(run, value, ret);
	return message_text(run, value, ret);
}

static int message_part(struct step_run *run, const struct template *template, struct str *ret)
{
	struct value value;
	int r;

	*ret = STR_NONE;
	if (!template)
		return 0;
	r = template_eval_value(template, step_env(run), &value);
	return r < 0 ? r : message_text(run, value, ret);
}

static int message_partition(struct step_run *run, int32_t *ret_partition)
{
	const struct kafka_verb_config *config = run->config;
	struct str text;
	uint64_t number;
	int r = message_part(run, config->partition, &text);

	*ret_partition = -1;
	if (r < 0 || !text.ptr)
		return r;
	if (str_to_u64(text, &number) < 0 || number > INT32_MAX)
		return message_refuse(run, "the partition is no number of one");
	*ret_partition = (int32_t)number;
	return 0;
}

static int message_topic(struct step_run *run, struct str *ret)
{
	const struct kafka_verb_config *config = run->config;
	int r = template_eval(config->topic, step_env(run), ret);

	if (r < 0)
		return r;
	if (!kafka_topic_is_valid(*ret))
		return message_refuse(run, "the topic is not the name of one");
	*ret = arena_str(step_arena(run), *ret);
	return ret->ptr ? 0 : -ENOMEM;
}

static int message_headers(struct step_run *run, struct kafka_message *message)
{
	const struct kafka_verb_config *config = run->config;
	struct kafka_header *headers =
		arena_alloc_array(step_arena(run), config->n_headers + 1, sizeof(*headers));
	int r = headers ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < config->n_headers; i++) {
		headers[i].name = config->headers[i].name;
		r = message_part(run, config->headers[i].value, &headers[i].value);
	}
	message->headers = headers;
	message->n_headers = config->n_headers;
	return r;
}

int kafka_verb_message(struct step_run *run, struct kafka_message *ret_message)
{
	const struct kafka_verb_config *config = run->config;
	int r = message_topic(run, &ret_message->topic);

	if (r == 0)
		r = message_part(run, config->key, &ret_message->key);
	if (r == 0)
		r = message_value(run, &ret_message->value);
	if (r == 0)
		r = message_partition(run, &ret_message->partition);
	return r < 0 ? r : message_headers(run, ret_message);
}
