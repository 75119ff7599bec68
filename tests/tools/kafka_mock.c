/* tests/tools/kafka_mock.c: librdkafka's mock cluster as a process of its own, for end-to-end tests.
 *
 * usage: kafka_mock BROKERS [HURRY]. Prints "bootstrap HOST:PORT,…", then takes commands, one a line, and
 * answers each with one line that begins with "ok" or "error":
 *
 *   topic NAME PARTITIONS        makes it
 *   topic_error NAME ERROR       what producers and consumers of it are told (0: nothing)
 *   errors API ERROR...          the next requests of that kind fail so, one each
 *   down BROKER, up BROKER       its listener is closed, and open again
 *   rtt BROKER MS                how long each of its answers takes, by other clocks
 *   send TOPIC PARTITION KEY VALUE   a message (-1: by the key); hexadecimal, "-" for null
 *   read TOPIC PARTITIONS N MS   up to N messages from the beginning, as long as they come within MS of each other;
 *                                a line "message PARTITION OFFSET KEY VALUE NAME=VALUE…" each
 *   committed GROUP TOPIC PARTITION  the line "offset N"
 *   stop                         ends (so does the end of stdin)
 *
 * The cluster's clock runs HURRY times as fast as others: it lets the first member of a group wait
 * three seconds for further ones, and says no other way to have that sooner. So what a client
 * calls a session of a minute is one of six seconds at ten times the speed.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 64 };

static void be_quiet(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
	(void)client;
	(void)level;
	(void)facility;
	(void)text;
}

static int number(const char *word)
{
	return word ? atoi(word) : 0;
}

/* ------------------------------------------------------------ the cluster's clock */

static int hurry = 1;

/* The cluster has one thread, which calls itself "rdk:mock". */
static int is_cluster(void)
{
	static _Thread_local int is;
	char name[16] = "";

	if (!is && prctl(PR_GET_NAME, name) == 0)
		is = strcmp(name, "rdk:mock") == 0;
	return is;
}

/* librdkafka finds these two instead of libc's. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && clock == CLOCK_MONOTONIC && hurry > 1 && is_cluster()) {
		int64_t ns = (ret->tv_sec * INT64_C(1000000000) + ret->tv_nsec) * hurry;

		ret->tv_sec = ns / 1000000000;
		ret->tv_nsec = ns % 1000000000;
	}
	return r;
}

int poll(struct pollfd *fds, nfds_t n_fds, int timeout_ms)
{
	int64_t ns = timeout_ms * INT64_C(1000000);
	struct timespec wait;

	if (hurry > 1 && is_cluster())
		ns /= hurry;
	wait = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	return (int)syscall(SYS_ppoll, fds, n_fds, timeout_ms < 0 ? NULL : &wait, NULL, 0);
}

/* ------------------------------------------------------------ clients */

static rd_kafka_t *client_open(rd_kafka_mock_cluster_t *cluster, rd_kafka_type_t type,
			       const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	rd_kafka_conf_set_log_cb(conf, be_quiet);
	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), why,
			  sizeof(why));
	if (type == RD_KAFKA_CONSUMER) {
		rd_kafka_conf_set(conf, "group.id", group, why, sizeof(why));
		rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why));
		rd_kafka_conf_set(conf, "check.crcs", "true", why, sizeof(why));
	}
	return rd_kafka_new(type, conf, why, sizeof(why));
}

static void write_hex(const void *bytes, size_t size)
{
	if (!bytes)
		printf("-");
	for (size_t i = 0; bytes && i < size; i++)
		printf("%02x", ((const unsigned char *)bytes)[i]);
}

/* In place; NULL for "-". */
static void *read_hex(char *word, size_t *ret_size)
{
	size_t size = strlen(word) / 2;

	*ret_size = 0;
	if (strcmp(word, "-") == 0)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		unsigned byte = 0;

		sscanf(word + 2 * i, "%2x", &byte);
		word[i] = (char)byte;
	}
	*ret_size = size;
	return word;
}

static void write_message(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t size;

	printf("message %d %lld ", (int)message->partition, (long long)message->offset);
	write_hex(message->key, message->key_len);
	printf(" ");
	write_hex(message->payload, message->len);
	if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
		for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
				   RD_KAFKA_RESP_ERR_NO_ERROR;
		     i++) {
			printf(" %s=", name);
			write_hex(value, size);
		}
	printf("\n");
}

static rd_kafka_resp_err_t read_topic(rd_kafka_mock_cluster_t *cluster, char *words[])
{
	rd_kafka_t *client = client_open(cluster, RD_KAFKA_CONSUMER, "kafka_mock");
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

	for (int i = 0; i < number(words[2]); i++)
		rd_kafka_topic_partition_list_add(list, words[1], i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(client, list);
	for (int left = number(words[3]); left > 0;) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(client, number(words[4]));

		if (!message)
			break;
		if (!message->err) {
			write_message(message);
			left--;
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(client);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_t *producer;

static rd_kafka_resp_err_t send_message(rd_kafka_mock_cluster_t *cluster, char *words[])
{
	size_t key_size, value_size;
	void *key = read_hex(words[3], &key_size), *value = read_hex(words[4], &value_size);
	rd_kafka_resp_err_t error;

	if (!producer) /* a client for each would connect for each */
		producer = client_open(cluster, RD_KAFKA_PRODUCER, NULL);
	error = rd_kafka_producev(
		producer, RD_KAFKA_V_TOPIC(words[1]), RD_KAFKA_V_PARTITION(number(words[2])),
		RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_VALUE(value, value_size),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	return error ? error : rd_kafka_flush(producer, 10000);
}

static rd_kafka_resp_err_t read_committed(rd_kafka_mock_cluster_t *cluster, char *words[])
{
	rd_kafka_t *client = client_open(cluster, RD_KAFKA_CONSUMER, words[1]);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *place =
		rd_kafka_topic_partition_list_add(list, words[2], number(words[3]));
	rd_kafka_resp_err_t error = rd_kafka_committed(client, list, 10000);

	printf("offset %lld\n", (long long)place->offset);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(client);
	return error;
}

/* ------------------------------------------------------------ commands */

static rd_kafka_resp_err_t push_errors(rd_kafka_mock_cluster_t *cluster, char *words[], int n_words)
{
	rd_kafka_resp_err_t errors[WORDS_MAX];
	size_t n_errors = 0;

	for (int i = 2; i < n_words; i++)
		errors[n_errors++] = (rd_kafka_resp_err_t)number(words[i]);
	rd_kafka_mock_push_request_errors_array(cluster, (int16_t)number(words[1]), n_errors,
						errors);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t carry_out(rd_kafka_mock_cluster_t *cluster, char *words[], int n_words)
{
	const char *command = words[0];

	if (strcmp(command, "topic") == 0)
		return rd_kafka_mock_topic_create(cluster, words[1], number(words[2]), 1);
	if (strcmp(command, "topic_error") == 0) {
		rd_kafka_mock_topic_set_error(cluster, words[1],
					      (rd_kafka_resp_err_t)number(words[2]));
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	if (strcmp(command, "errors") == 0)
		return push_errors(cluster, words, n_words);
	if (strcmp(command, "down") == 0)
		return rd_kafka_mock_broker_set_down(cluster, number(words[1]));
	if (strcmp(command, "up") == 0)
		return rd_kafka_mock_broker_set_up(cluster, number(words[1]));
	if (strcmp(command, "rtt") == 0)
		return rd_kafka_mock_broker_set_rtt(cluster, number(words[1]),
						    number(words[2]) * hurry);
	if (strcmp(command, "read") == 0 && n_words == 5)
		return read_topic(cluster, words);
	if (strcmp(command, "send") == 0 && n_words == 5)
		return send_message(cluster, words);
	if (strcmp(command, "committed") == 0 && n_words == 4)
		return read_committed(cluster, words);
	return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

static int split(char *line, char *words[])
{
	int n_words = 0;

	for (char *word = strtok(line, " \n"); word && n_words < WORDS_MAX;
	     word = strtok(NULL, " \n"))
		words[n_words++] = word;
	for (int i = n_words; i < 3; i++)
		words[i] = NULL;
	return n_words;
}

static void serve(rd_kafka_mock_cluster_t *cluster)
{
	static char line[65536];
	char *words[WORDS_MAX];

	while (fgets(line, sizeof(line), stdin)) {
		int n_words = split(line, words);
		rd_kafka_resp_err_t error;

		if (n_words == 0 || strcmp(words[0], "stop") == 0)
			return;
		error = n_words < 2 ? RD_KAFKA_RESP_ERR__INVALID_ARG
				    : carry_out(cluster, words, n_words);
		printf("%s %s\n", error ? "error" : "ok", rd_kafka_err2name(error));
	}
}

int main(int argc, char *argv[])
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_mock_cluster_t *cluster;
	char why[256];
	rd_kafka_t *client;

	setvbuf(stdout, NULL, _IOLBF, 0);
	hurry = argc > 2 ? number(argv[2]) : 1;
	rd_kafka_conf_set_log_cb(conf, be_quiet);
	client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	cluster = client ? rd_kafka_mock_cluster_new(client, argc > 1 ? number(argv[1]) : 1) : NULL;
	if (!cluster) {
		fprintf(stderr, "kafka_mock: there is no cluster\n");
		return 1;
	}
	printf("bootstrap %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	serve(cluster);
	if (producer)
		rd_kafka_destroy(producer);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(client);
	return 0;
}
