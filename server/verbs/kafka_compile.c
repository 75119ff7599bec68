/* server/verbs/kafka_compile.c: the keys of `kafka:`. */
#include "server/kafka/kafka_section.h"
#include "server/verbs/kafka.h"

static const char *const encodings[] = { "text", "base64", NULL };

#define AT(field) offsetof(struct kafka_verb_config, field)
static const struct setting kafka_verb_keys[] = {
	{ "topic", SETTING_TEMPLATE, AT(topic_node), .help = "Where the message goes.",
	  .required = true },
	{ "key", SETTING_TEMPLATE, AT(key_node),
	  .help = "Messages of one key are in one partition, in order; null: there is none." },
	{ "message", SETTING_VALUE, AT(value_node),
	  .help = "Its value: a text as it is, null as none, anything else as JSON." },
	{ "encoding", SETTING_CHOICE, AT(encoding), "text",
	  "With base64 `message` is a text of it, and the value its bytes.", .choices = encodings },
	{ "headers", SETTING_MAP, AT(headers_node), .help = "Headers by name; texts, or null." },
	{ "partition", SETTING_TEMPLATE, AT(partition_node),
	  .help = "The number of the partition; by the key when not said." },
	{ "acks", SETTING_CHOICE, AT(acks),
	  .help = "Who has the message when the task succeeds; as the entry says when not said.",
	  .choices = kafka_acks_choices },
	{ "spool", SETTING_BOOL, AT(spool), "false",
	  "Whether the message is kept in the store first, which is when the task succeeds, and "
	  "sent "
	  "from there: at least once, messages of one key in order." },
	SETTINGS_END
};
#undef AT

#if WITH_KAFKA

static struct kafka *kafka_find(struct verb_compiler *compiler, const struct node *value)
{
	struct flow_compiler *flow = compiler->flow;
	struct kafka *kafka;
	const char *nearest;

	if (!node_is_scalar(value) || value->kind == NODE_NULL) {
		diag_error(flow->diag, value->place,
			   "`kafka` takes the name of an entry of the section `kafka:`, not %s",
			   node_kind_name(value));
		return NULL;
	}
	kafka = kafka_section_find(flow->kafka, value->text);
	if (kafka) /* what is wrong with one that is not valid was told */
		return kafka->is_valid ? kafka : NULL;
	nearest = flow->kafka ? diag_nearest(value->text, flow->kafka->names) : NULL;
	diag_error(flow->diag, value->place, "there is no kafka \"%.*s\"; %s%s%s",
		   STR_ARG(str_first(value->text, 80)),
		   nearest ? "did you mean \"" : "declare it under `kafka:`",
		   nearest ? nearest : "", nearest ? "\"?" : "");
	return NULL;
}

static bool compile_headers(struct verb_compiler *compiler, struct kafka_verb_config *config)
{
	const struct node *node = config->headers_node;
	size_t n_headers = node ? node->n_entries : 0;
	bool ok = true;

	if (n_headers > KAFKA_HEADERS_MAX) {
		diag_error(compiler->flow->diag, node->place, "%d headers are the most",
			   KAFKA_HEADERS_MAX);
		return false;
	}
	config->headers =
		arena_alloc_array(compiler->flow->arena, n_headers + 1, sizeof(*config->headers));
	for (size_t i = 0; i < n_headers; i++) {
		struct kafka_verb_header *header = &config->headers[config->n_headers++];

		header->name = node->entries[i].key;
		header->value = verb_public_text(compiler, node->entries[i].value, "headers");
		ok &= header->value != NULL;
	}
	return ok;
}

static bool check_topic(struct verb_compiler *compiler, const struct kafka_verb_config *config)
{
	struct str topic;

	if (!template_is_constant(config->topic, &topic) || kafka_topic_is_valid(topic))
		return true;
	diag_error(compiler->flow->diag, config->topic_node->place,
		   "\"%.*s\" cannot be a topic; write at most %d letters, digits, '.', '_' and '-'",
		   STR_ARG(str_first(topic, 80)), KAFKA_TOPIC_MAX);
	return false;
}

static bool kafka_verb_compile(struct verb_compiler *compiler, const struct node *value,
			       void *config_ptr)
{
	struct kafka_verb_config *config = config_ptr;
	const struct node *task = compiler->step->node;
	bool ok;

	config->kafka = kafka_find(compiler, value);
	if (!config->kafka)
		return false;
	if (config->spool && node_find(task, "acks")) {
		diag_error(compiler->flow->diag, node_find(task, "acks")->place,
			   "what is spooled is sent to all replicas; remove acks, or spool");
		return false;
	}
	if (config->spool)
		config->acks = KAFKA_ACKS_ALL;
	else if (!node_find(task, "acks"))
		config->acks = (int)config->kafka->acks;
	atomic_store(&config->kafka->wanted[config->acks], true);
	config->topic = config->topic_node ? verb_public_text(compiler, config->topic_node, "topic")
					   : NULL;
	ok = config->topic && check_topic(compiler, config);
	if (config->key_node) {
		config->key = verb_public_text(compiler, config->key_node, "key");
		ok &= config->key != NULL;
	}
	if (config->partition_node) {
		config->partition = verb_public_text(compiler, config->partition_node, "partition");
		ok &= config->partition != NULL;
	}
	if (config->value_node) {
		config->value = verb_public_tree(compiler, config->value_node, "message");
		ok &= config->value != NULL;
	}
	return compile_headers(compiler, config) && ok;
}

static const char *const kafka_fields[] = { "result", "topic", "partition", "offset", NULL };

const struct verb verb_kafka = {
	.name = "kafka",
	.help = "Sends a message to brokers of the section kafka, and waits until they have it: "
		".topic, .partition, .offset; .result has all three.",
	.keys = kafka_verb_keys,
	.config_size = sizeof(struct kafka_verb_config),
	.state_size = sizeof(struct kafka_verb_state),
	.fields = kafka_fields,
	.main_field = "result",
	.compile = kafka_verb_compile,
	.start = kafka_verb_start,
	.cancel = kafka_verb_cancel,
	.field = kafka_verb_field,
};

#else

static bool kafka_verb_refuse(struct verb_compiler *compiler, const struct node *value,
			      void *config)
{
	(void)config;
	diag_error(compiler->flow->diag, value->place,
		   "this leat was built without kafka (WITH_KAFKA=no); install one that has it");
	return false;
}

/* It is known all the same, so that `leat schema` and the errors are those of its keys. */
const struct verb verb_kafka = {
	.name = "kafka",
	.help = "Sends a message to brokers of the section kafka. Not in this build.",
	.keys = kafka_verb_keys,
	.config_size = sizeof(struct kafka_verb_config),
	.compile = kafka_verb_refuse,
};

#endif
