/* server/kafka/kafka_conf.c
 *
 * Certificates are read here and given to librdkafka as texts: so an entry is another one when a
 * file has changed, and none is read when the daemon may no longer. */
#include "server/kafka/kafka_conf.h"
#include "conf/file.h"
#include "server/client/upstream.h"
#include "server/flow/step.h"
#include "server/kafka/kafka_producer.h"
#include "server/kafka/kafka_section.h"
#include <inttypes.h>

enum { PROPERTIES_MAX = 100, PEM_MAX = 1 << 20, BROKERS_MAX = 100 };

struct kafka_config {
	struct setting_texts brokers;
	struct str client_id;
	const struct node *tls, *sasl, *options;
	int acks, compression;
	uint64_t timeout_ms, connect_ms, request_ms, linger_ms, queue_bytes, max_message;
	int64_t queue, spool;
};

struct kafka_tls_config {
	bool verify;
	struct str ca, cert, key;
};

struct kafka_sasl_config {
	int mechanism;
	struct str user, password;
};

#define AT(field) offsetof(struct kafka_tls_config, field)
static const struct setting kafka_tls_keys[] = {
	{ "verify", SETTING_BOOL, AT(verify), "true",
	  "A broker's certificate must be of a known authority, and say its name." },
	{ "ca", SETTING_TEXT, AT(ca),
	  .help = "PEM file: the authorities, instead of the system's." },
	{ "cert", SETTING_TEXT, AT(cert), .help = "PEM file: what is shown to brokers." },
	{ "key", SETTING_TEXT, AT(key), .help = "PEM file: its private key, without a password." },
	SETTINGS_END
};
#undef AT

static const char *const mechanisms[] = { "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL };

#define AT(field) offsetof(struct kafka_sasl_config, field)
static const struct setting kafka_sasl_keys[] = {
	{ "mechanism", SETTING_CHOICE, AT(mechanism), "SCRAM-SHA-512",
	  "How a client proves itself.", .choices = mechanisms },
	{ "user", SETTING_TEXT, AT(user), .help = "Its name.", .required = true },
	{ "password", SETTING_TEXT, AT(password), .help = "Its password: ${secret.NAME}.",
	  .required = true },
	SETTINGS_END
};
#undef AT

const char *const kafka_acks_choices[] = { "all", "leader", "none", NULL };
static const char *const compressions[] = { "none", "gzip", "snappy", "lz4", "zstd", NULL };

#define AT(field) offsetof(struct kafka_config, field)
const struct setting kafka_keys[] = {
	{ "brokers", SETTING_TEXTS, AT(brokers),
	  .help = "host:port of some brokers of the cluster; the others are learned from them.",
	  .required = true },
	{ "client_id", SETTING_TEXT, AT(client_id), "leat", "The name that brokers log." },
	{ "tls", SETTING_MAP, AT(tls), .help = "How brokers are believed; it means TLS.",
	  .keys = kafka_tls_keys },
	{ "sasl", SETTING_MAP, AT(sasl), .help = "How leat proves itself to brokers.",
	  .keys = kafka_sasl_keys },
	{ "acks", SETTING_CHOICE, AT(acks), "all",
	  "Who has a message when its task succeeds: all in-sync replicas (then a message is "
	  "stored once and in order, also when it must be sent again), the leader, or perhaps "
	  "none.",
	  .choices = kafka_acks_choices },
	{ "compression", SETTING_CHOICE, AT(compression), "none", "How batches are compressed.",
	  .choices = compressions },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "30s",
	  "How long a message is tried; then its task fails with timeout.", 100, 86400000 },
	{ "connect_timeout", SETTING_DURATION, AT(connect_ms), "5s",
	  "Connecting to a broker, with TLS and the login.", 1000, 3600000 },
	{ "request_timeout", SETTING_DURATION, AT(request_ms), "10s",
	  "How long a broker may take to answer; then it is asked again.", 100, 300000 },
	{ "linger", SETTING_DURATION, AT(linger_ms), "1ms",
	  "How long messages are gathered to be sent together.", 0, 90 },
	{ "queue", SETTING_INT, AT(queue), "100000",
	  "Messages that wait or are on their way; one more fails with queue_full.", 1, 10000000 },
	{ "queue_bytes", SETTING_SIZE, AT(queue_bytes), "64m", "Their bytes, as well.", 1024,
	  INT64_C(1) << 40 },
	{ "spool", SETTING_INT, AT(spool), "100000",
	  "Messages of tasks with `spool` that may be kept; one more fails with queue_full.", 1,
	  100000000 },
	{ "max_message", SETTING_SIZE, AT(max_message), "1m",
	  "The largest message; brokers have a bound of their own.", 1000, 1000000000 },
	{ "options", SETTING_MAP, AT(options),
	  .help = "More properties of librdkafka, as it calls them, for what has no key here." },
	SETTINGS_END
};
#undef AT

#if WITH_KAFKA

/* ------------------------------------------------------------ properties */

static void add_property(struct kafka *kafka, const char *name, struct str value)
{
	check(kafka->n_properties < PROPERTIES_MAX);
	kafka->properties[kafka->n_properties++] =
		(struct kafka_property){ arena_str(&kafka->arena, str_of(name)),
					 arena_str(&kafka->arena, value) };
}

static void add_text(struct kafka *kafka, const char *name, const char *value)
{
	add_property(kafka, name, str_of(value));
}

static void add_number(struct kafka *kafka, const char *name, uint64_t number)
{
	add_property(kafka, name, arena_printf(&kafka->arena, "%" PRIu64, number));
}

static void add_produce(struct kafka *kafka, const char *name, struct str value)
{
	check(kafka->n_produce_properties < PROPERTIES_MAX);
	kafka->produce_properties[kafka->n_produce_properties++] =
		(struct kafka_property){ arena_str(&kafka->arena, str_of(name)),
					 arena_str(&kafka->arena, value) };
}

static void add_produce_number(struct kafka *kafka, const char *name, uint64_t number)
{
	add_produce(kafka, name, arena_printf(&kafka->arena, "%" PRIu64, number));
}

/* ------------------------------------------------------------ the keys */

static bool read_brokers(struct kafka *kafka, const struct node_entry *entry,
			 const struct setting_texts *brokers, struct diag *diag)
{
	struct buf list;
	bool ok = brokers->n_texts > 0;

	if (!ok)
		diag_error(diag, node_find(entry->value, "brokers")->place,
			   "brokers names no broker; write [host:port]");
	buf_init_arena(&list, &kafka->arena);
	for (size_t i = 0; i < brokers->n_texts; i++) {
		struct upstream_server server;
		bool is_ip6;

		if (i >= BROKERS_MAX ||
		    upstream_read_address(brokers->texts[i], KAFKA_PORT, &server) < 0) {
			diag_error(diag, brokers->nodes[i]->place,
				   i >= BROKERS_MAX
					   ? "\"%.*s\" is one broker too many; 100 is the most"
					   : "\"%.*s\" is not a broker; write host:port",
				   STR_ARG(str_first(brokers->texts[i], 80)));
			ok = false;
			continue;
		}
		is_ip6 = str_has(server.host, ':');
		buf_printf(&list, "%s%s%.*s%s:%u", list.len ? "," : "", is_ip6 ? "[" : "",
			   STR_ARG(server.host), is_ip6 ? "]" : "", (unsigned)server.port);
	}
	if (ok)
		add_property(kafka, "bootstrap.servers", buf_str(&list));
	return ok;
}

static bool read_pem(struct kafka *kafka, const char *property, const struct node *node,
		     struct conf *conf, struct diag *diag)
{
	struct file file;
	int r;

	if (!node)
		return true;
	r = file_read(conf_path(conf, node->place, node->text).ptr, PEM_MAX, &conf->arena, &file);
	if (r == 0) {
		add_property(kafka, property, file.text);
		return true;
	}
	diag_error(diag, node->place, "\"%.*s\" %.*s", STR_ARG(str_first(node->text, 200)),
		   STR_ARG(file_problem(r, PEM_MAX, &conf->arena)));
	return false;
}

static bool read_tls(struct kafka *kafka, const struct node *node, struct conf *conf,
		     struct diag *diag)
{
	struct kafka_tls_config config = { .verify = true };
	const struct settings_part part = { kafka_tls_keys, &config };

	if (!node)
		return true;
	if (settings_read(&part, 1, node, "tls", &conf->arena, diag) > 0)
		return false;
	if ((config.cert.len > 0) != (config.key.len > 0)) {
		diag_error(diag, node->place, "cert and key belong together; write both");
		return false;
	}
	add_text(kafka, "enable.ssl.certificate.verification", config.verify ? "true" : "false");
	add_text(kafka, "ssl.endpoint.identification.algorithm", config.verify ? "https" : "none");
	return read_pem(kafka, "ssl.ca.pem", node_find(node, "ca"), conf, diag) &
	       read_pem(kafka, "ssl.certificate.pem", node_find(node, "cert"), conf, diag) &
	       read_pem(kafka, "ssl.key.pem", node_find(node, "key"), conf, diag);
}

static bool read_sasl(struct kafka *kafka, const struct node *node, struct conf *conf,
		      struct diag *diag)
{
	struct kafka_sasl_config config = { 0 };
	const struct settings_part part = { kafka_sasl_keys, &config };

	if (!node)
		return true;
	if (settings_read(&part, 1, node, "sasl", &conf->arena, diag) > 0)
		return false;
	add_text(kafka, "sasl.mechanism", mechanisms[config.mechanism]);
	add_property(kafka, "sasl.username", config.user);
	add_property(kafka, "sasl.password", config.password);
	return true;
}

static void refuse_option(const struct node_entry *entry, const char *why, struct diag *diag)
{
	diag_error(diag, entry->key_place, "the option \"%.*s\" cannot be set here: %s",
		   STR_ARG(str_first(entry->key, 80)), why);
}

static bool read_options(struct kafka *kafka, const struct node *node, struct diag *diag)
{
	bool ok = true;
	char why[256];

	for (size_t i = 0; node && i < node->n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		const char *refusal = kafka_option_refusal(entry->key);

		if (!refusal && i >= PROPERTIES_MAX / 2)
			refusal = "50 options are the most";
		if (!refusal && (!node_is_scalar(entry->value) || entry->value->kind == NODE_NULL))
			refusal = "an option has one value";
		if (!refusal && !kafka_property_is_valid(entry->key.ptr, entry->value->text.ptr,
							 why, sizeof(why)))
			refusal = why;
		if (refusal)
			refuse_option(entry, refusal, diag);
		else
			add_produce(kafka, entry->key.ptr, entry->value->text);
		ok &= !refusal;
	}
	return ok;
}

static void take_config(struct kafka *kafka, const struct kafka_config *config)
{
	static const char *const protocols[2][2] = { { "plaintext", "sasl_plaintext" },
						     { "ssl", "sasl_ssl" } };

	kafka->acks = (enum kafka_acks)config->acks;
	kafka->spool_max = (size_t)config->spool;
	add_property(kafka, "client.id", config->client_id);
	add_text(kafka, "security.protocol", protocols[config->tls != NULL][config->sasl != NULL]);
	add_number(kafka, "socket.connection.setup.timeout.ms", config->connect_ms);
	add_number(kafka, "socket.timeout.ms", config->request_ms);
	add_number(kafka, "reconnect.backoff.max.ms", 2000);
	add_number(kafka, "message.max.bytes", config->max_message);
	add_produce(kafka, "compression.type", str_of(compressions[config->compression]));
	add_produce_number(kafka, "message.timeout.ms", config->timeout_ms);
	add_produce_number(kafka, "request.timeout.ms",
			   MIN(config->request_ms, config->timeout_ms));
	add_produce_number(kafka, "linger.ms", config->linger_ms);
	add_produce_number(kafka, "queue.buffering.max.messages", (uint64_t)config->queue);
	add_produce_number(kafka, "queue.buffering.max.kbytes",
			   (config->queue_bytes + 1023) / 1024);
	/* as clients in Java have it, so that a key is in the same partition for all */
	add_produce(kafka, "partitioner", STR("murmur2_random"));
}

static bool kafka_read(struct kafka *kafka, const struct node_entry *entry, struct conf *conf,
		       struct diag *diag)
{
	struct kafka_config config = { 0 };
	const struct settings_part part = { kafka_keys, &config };
	bool ok;

	if (!name_is_valid(entry->key)) {
		diag_error(diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a cluster; write lower-case letters, "
			   "digits and _",
			   STR_ARG(str_first(entry->key, 80)));
		return false;
	}
	if (settings_read(&part, 1, entry->value, "an entry of kafka", &conf->arena, diag) > 0)
		return false;
	take_config(kafka, &config);
	ok = read_brokers(kafka, entry, &config.brokers, diag);
	ok &= read_tls(kafka, config.tls, conf, diag);
	ok &= read_sasl(kafka, config.sasl, conf, diag);
	return read_options(kafka, config.options, diag) && ok;
}

#else

static bool kafka_read(struct kafka *kafka, const struct node_entry *entry, struct conf *conf,
		       struct diag *diag)
{
	(void)kafka;
	(void)conf;
	diag_error(diag, entry->key_place,
		   "this leat was built without kafka (WITH_KAFKA=no); install one that has it");
	return false;
}

#endif

struct kafka *kafka_compile(const struct node_entry *entry, struct kafka *before, struct conf *conf,
			    struct diag *diag)
{
	struct kafka *kafka = kafka_create(entry->key);

	kafka->properties =
		arena_alloc_array(&kafka->arena, PROPERTIES_MAX, sizeof(*kafka->properties));
	kafka->produce_properties = arena_alloc_array(&kafka->arena, PROPERTIES_MAX,
						      sizeof(*kafka->produce_properties));
	kafka->is_valid = kafka_read(kafka, entry, conf, diag);
	if (!before || !kafka_is_same(kafka, before))
		return kafka;
	kafka_unref(kafka);
	return kafka_ref(before);
}
