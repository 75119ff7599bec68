/* server/kafka/kafka_source_conf.c: `source: { kafka: NAME, … }`. */
#include "server/kafka/kafka_section.h"
#include "server/kafka/kafka_source.h"

struct source_config {
	struct str name, topic, group, dead_letter;
	struct setting_texts topics;
	int from, order, encoding;
	uint64_t session_ms;
};

static const char *const froms[] = { "beginning", "end", NULL };
static const char *const orders[] = { "partition", "key", NULL };
static const char *const encodings[] = { "text", "base64", NULL };

#define AT(field) offsetof(struct source_config, field)
const struct setting kafka_source_keys[] = {
	{ "kafka", SETTING_TEXT, AT(name), .help = "An entry of the section kafka.",
	  .required = true },
	{ "topic", SETTING_TEXT, AT(topic), .help = "What is read." },
	{ "topics", SETTING_TEXTS, AT(topics), .help = "The same, of several." },
	{ "group", SETTING_TEXT, AT(group),
	  .help = "The consumer group, whose members share the partitions.", .required = true },
	{ "from", SETTING_CHOICE, AT(from), "beginning",
	  "Where a group begins that has read nothing yet.", .choices = froms },
	{ "order", SETTING_CHOICE, AT(order), "partition",
	  "What is handled one after the other: the messages of a partition, or of a key in it.",
	  .choices = orders },
	{ "encoding", SETTING_CHOICE, AT(encoding), "text",
	  "What values are: texts in UTF-8, of which another is a failure, or bytes, told as "
	  "base64.",
	  .choices = encodings },
	{ "dead_letter", SETTING_TEXT, AT(dead_letter),
	  .help = "The topic that has the messages of which all attempts have failed; without it "
		  "they "
		  "are logged and left behind." },
	{ "session_timeout", SETTING_DURATION, AT(session_ms), "10s",
	  "How long a member may be silent before others get its partitions.", 1000, 3600000 },
	SETTINGS_END
};
#undef AT

static bool refuse_topic(struct flow_compiler *compiler, const struct node *node, struct str topic)
{
	if (kafka_topic_is_valid(topic))
		return true;
	diag_error(compiler->diag, node->place,
		   "\"%.*s\" cannot be a topic; write at most %d letters, digits, '.', '_' and '-'",
		   STR_ARG(str_first(topic, 80)), KAFKA_TOPIC_MAX);
	return false;
}

static bool take_topics(struct flow_compiler *compiler, const struct node *node,
			const struct source_config *config, struct kafka_source_spec *spec)
{
	size_t n_topics = config->topics.n_texts + (config->topic.len > 0);
	struct str *topics = arena_alloc_array(compiler->arena, n_topics + 1, sizeof(*topics));
	bool ok = true;

	if (!config->topic.len == !config->topics.n_texts || n_topics > KAFKA_SOURCE_TOPICS_MAX) {
		diag_error(compiler->diag, node->place,
			   "a source of kafka needs one of topic and topics, at most %d of them",
			   KAFKA_SOURCE_TOPICS_MAX);
		return false;
	}
	if (config->topic.len) {
		ok = refuse_topic(compiler, node_find(node, "topic"), config->topic);
		topics[0] = arena_str(compiler->arena, config->topic);
	}
	for (size_t i = 0; i < config->topics.n_texts; i++) {
		ok &= refuse_topic(compiler, config->topics.nodes[i], config->topics.texts[i]);
		topics[i] = arena_str(compiler->arena, config->topics.texts[i]);
	}
	spec->topics = topics;
	spec->n_topics = n_topics;
	return ok;
}

static struct kafka *find_kafka(struct flow_compiler *compiler, const struct node *node,
				struct str name)
{
	struct kafka *kafka = kafka_section_find(compiler->kafka, name);
	const char *nearest;

	if (kafka) /* what is wrong with one that is not valid was told */
		return kafka->is_valid ? kafka : NULL;
	nearest = compiler->kafka ? diag_nearest(name, compiler->kafka->names) : NULL;
	diag_error(compiler->diag, node_find(node, "kafka")->place,
		   "there is no kafka \"%.*s\"; %s%s%s", STR_ARG(str_first(name, 80)),
		   nearest ? "did you mean \"" : "declare it under `kafka:`",
		   nearest ? nearest : "", nearest ? "\"?" : "");
	return NULL;
}

static bool take_config(struct flow_compiler *compiler, const struct node *node,
			const struct source_config *config, struct kafka_source_spec *spec)
{
	bool ok = take_topics(compiler, node, config, spec);

	spec->kafka = find_kafka(compiler, node, config->name);
	spec->group = arena_str(compiler->arena, config->group);
	spec->dead_letter = arena_str(compiler->arena, config->dead_letter);
	spec->from_end = config->from == 1;
	spec->by_key = config->order == 1;
	spec->is_base64 = config->encoding == 1;
	spec->session_ms = config->session_ms;
	if (config->dead_letter.len)
		ok &= refuse_topic(compiler, node_find(node, "dead_letter"), config->dead_letter);
	if (!config->group.len) {
		diag_error(compiler->diag, node_find(node, "group")->place,
			   "group is the name of a consumer group; write group: NAME");
		ok = false;
	}
	if (spec->kafka && config->dead_letter.len)
		atomic_store(&spec->kafka->wanted[KAFKA_ACKS_ALL], true);
	return ok && spec->kafka;
}

static const void *source_compile_kafka(struct flow_compiler *compiler, const struct node *node,
					struct str *ret_text)
{
	struct kafka_source_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct source_config config = { 0 };
	const struct settings_part part = { kafka_source_keys, &config };

	if (settings_read(&part, 1, node, "a source of kafka", compiler->arena, compiler->diag) >
		    0 ||
	    !take_config(compiler, node, &config, spec))
		return NULL;
	*ret_text = arena_printf(compiler->arena, "kafka %.*s %.*s%s", STR_ARG(config.name),
				 STR_ARG(spec->topics[0]), spec->n_topics > 1 ? " …" : "");
	return spec;
}

const struct source_kind kafka_source = {
	.name = "kafka",
	.keys = kafka_source_keys,
	.compile = source_compile_kafka,
#if WITH_KAFKA
	.is_same = kafka_source_is_same,
	.open = kafka_source_open,
#endif
};
