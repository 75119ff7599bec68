/* server/kafka/kafka_options.c: properties of librdkafka that `options` may not set. */
#include "server/kafka/kafka_conf.h"

/* By the first row whose name it is, or begins with. */
static const struct {
	const char *name;
	bool is_prefix;
	const char *why;
} refusals[] = {
	{ "bootstrap.servers", false, "write `brokers`" },
	{ "metadata.broker.list", false, "write `brokers`" },
	{ "client.id", false, "write `client_id`" },
	{ "security.protocol", false, "write `tls` and `sasl`" },
	{ "ssl.", true, "write `tls`" },
	{ "ssl_", true, "write `tls`" },
	{ "enable.ssl.", true, "write `tls`" },
	{ "sasl.", true, "write `sasl`" },
	{ "enable.sasl.", true, "write `sasl`" },
	{ "acks", false, "write `acks`" },
	{ "request.required.acks", false, "write `acks`" },
	{ "enable.idempotence", false, "acks: all means it" },
	{ "enable.gapless.guarantee", false, "a message that is lost is told to its task" },
	{ "compression.codec", false, "write `compression`" },
	{ "compression.type", false, "write `compression`" },
	{ "message.timeout.ms", false, "write `timeout`" },
	{ "delivery.timeout.ms", false, "write `timeout`" },
	{ "request.timeout.ms", false, "write `request_timeout`" },
	{ "socket.timeout.ms", false, "write `request_timeout`" },
	{ "socket.connection.setup.timeout.ms", false, "write `connect_timeout`" },
	{ "queue.buffering.max.messages", false, "write `queue`" },
	{ "queue.buffering.max.kbytes", false, "write `queue_bytes`" },
	{ "queue.buffering.max.ms", false, "write `linger`" },
	{ "linger.ms", false, "write `linger`" },
	{ "message.max.bytes", false, "write `max_message`" },
	{ "transactional.id", false, "leat makes no transactions" },
	{ "transaction.timeout.ms", false, "leat makes no transactions" },
	{ "plugin.library.paths", false, "no code is loaded" },
	{ "builtin.features", false, "it is no setting" },
	{ "delivery.report.only.error", false, "every task wants to know" },
	{ "dr_cb", false, "it is no setting" },
	{ "dr_msg_cb", false, "it is no setting" },
	{ "enabled_events", false, "it is no setting" },
	{ "opaque", false, "it is no setting" },
	{ "interceptors", false, "it is no setting" },
	{ "default_topic_conf", false, "it is no setting" },
	{ "test.mock.num.brokers", false, "it is for tests of librdkafka" },
	{ "internal.termination.signal", false, "signals are leat's" },
	{ "log.queue", false, "the log is leat's" },
	{ "log_level", false, "write `level` in the section log" },
	{ "statistics.interval.ms", false, "nobody would read them" },
	{ "oauthbearer_", true, "it is no setting" },
	{ "enable.auto.", true, "offsets are stored when the tasks have succeeded" },
	{ "auto.commit.", true, "offsets are stored when the tasks have succeeded" },
	{ "offset.store.", true, "offsets are stored when the tasks have succeeded" },
	{ "group.id", false, "write `group` where messages are read" },
	{ "enable.partition.eof", false, "an end is no message" },
};

const char *kafka_option_refusal(struct str name)
{
	if (str_ends_with(name, STR("_cb")))
		return "it is no setting";
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct str refused = str_of(refusals[i].name);

		if (refusals[i].is_prefix ? str_starts_with(name, refused) : str_eq(name, refused))
			return refusals[i].why;
	}
	return NULL;
}
