/* server/redis/redis_stream.c: a stream's messages, as a consumer of a group.
 *
 *   CREATE --> OWN --> NEW --> (again and again, with CLAIM now and then)
 *     the group  |  \ what this consumer had before and did not acknowledge
 *                +--- also after every failure: a reply may have been lost
 *
 * Messages that are too large together are asked for in smaller numbers; they are this consumer's by
 * then, so that OWN has them. One that is too large alone is left where it is, pending: SKIP asks for
 * its id, and OWN goes on behind it.
 *
 * One call asks for messages, over connections of the source's own, and may wait at the server.
 * Acknowledgements and dead letters go over the loop's connections. A message is acknowledged after
 * its run; one that is not, for whatever reason, is pending at the server, and comes again: to this
 * consumer when it begins again, or to another by XAUTOCLAIM. So each is handled at least once. */
#include "server/redis/redis_stream.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	COUNT_MAX = 100, /* messages of one reply */
	BLOCK_MAX_MS = 5000,
};

static void stream_ask(struct redis_stream *stream);
/* ------------------------------------------------------------ values */

static int stream_fields(const struct stream_message *message, struct arena *arena,
			 struct value *ret)
{
	size_t n = message->fields.len / 2;
	struct member *members = arena_alloc_array(arena, n + 1, sizeof(*members));
	int r = members ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = redis_decode(message->fields.items[2 * i], arena, &members[i].key);
		if (r == 0)
			r = redis_decode(message->fields.items[2 * i + 1], arena,
					 &members[i].value);
	}
	if (r == 0)
		*ret = value_object(members, n);
	return r;
}

static int stream_value(const struct source_message *message, struct arena *arena,
			struct value *ret)
{
	const struct stream_message *mine = container_of(message, struct stream_message, message);
	struct member *members = arena_alloc_array(arena, 2, sizeof(*members));
	int r;

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("id")), value_text(str_of(mine->id)) };
	members[1].key = value_text(STR("fields"));
	r = stream_fields(mine, arena, &members[1].value);
	if (r == 0)
		*ret = value_object(members, 2);
	return r;
}

/* ------------------------------------------------------------ replies */

static bool stream_take_id(struct value coded, struct arena *arena, char ret_id[STREAM_ID_MAX])
{
	struct value id;

	if (redis_decode(coded, arena, &id) < 0 || id.kind != VALUE_TEXT || id.len >= STREAM_ID_MAX)
		return false;
	snprintf(ret_id, STREAM_ID_MAX, "%.*s", STR_ARG(value_str(id)));
	return true;
}

static bool stream_is_list(struct value value, size_t least)
{
	return value.kind == VALUE_LIST && value.len >= least;
}

/* One of [id, fields]; of one that was deleted there is nothing. False without memory. */
static bool stream_take_entry(struct redis_stream *stream, struct value entry,
			      char ret_id[STREAM_ID_MAX])
{
	struct redis_load *load = stream->load;
	struct stream_message *message;

	if (!stream_is_list(entry, 2) || !stream_take_id(entry.items[0], &load->arena, ret_id))
		return true;
	if (map_find(&stream->by_id, str_of(ret_id)))
		return true; /* it is in work */
	message = arena_zalloc(&load->arena, sizeof(*message));
	if (!message)
		return false;
	list_init(&message->link);
	list_init(&message->message.link);
	message->load = load;
	load->n_refs++;
	snprintf(message->id, STREAM_ID_MAX, "%s", ret_id);
	map_set(&stream->by_id, str_of(message->id), message);
	if (entry.items[1].kind != VALUE_LIST) { /* deleted, and yet pending */
		list_add(&stream->acks, &message->link);
		redis_stream_acknowledge(stream);
		return true;
	}
	message->fields = entry.items[1];
	consumer_take(stream->intake.source.consumer, &message->message);
	return true;
}

/* Returns how many there were, or -1 without memory. */
static ssize_t stream_take_entries(struct redis_stream *stream, struct value entries,
				   char ret_last[STREAM_ID_MAX])
{
	if (entries.kind != VALUE_LIST)
		return 0;
	for (size_t i = 0; i < entries.len; i++)
		if (!stream_take_entry(stream, entries.items[i], ret_last))
			return -1;
	return (ssize_t)entries.len;
}

/* XREADGROUP: [[stream, entries]], or null. */
static ssize_t stream_on_read(struct redis_stream *stream, struct value reply)
{
	char last[STREAM_ID_MAX] = "";
	ssize_t n = 0;

	if (stream_is_list(reply, 1) && stream_is_list(reply.items[0], 2))
		n = stream_take_entries(stream, reply.items[0].items[1], last);
	if (n > 0 && stream->step == STREAM_OWN)
		snprintf(stream->after, STREAM_ID_MAX, "%s", last);
	else if (n == 0 && stream->step == STREAM_OWN)
		stream->step = STREAM_NEW;
	return n;
}

/* XPENDING: [[id, consumer, …]], or nothing: somebody has deleted it meanwhile. */
static ssize_t stream_on_skip(struct redis_stream *stream, struct value reply)
{
	if (stream_is_list(reply, 1) && stream_is_list(reply.items[0], 1) &&
	    stream_take_id(reply.items[0].items[0], &stream->load->arena, stream->after))
		log_error("job source leaves a message that is larger than max_reply name=%.*s "
			  "redis=%.*s id=%s, it stays pending",
			  STR_ARG(stream->intake.env.job), STR_ARG(stream->intake.spec.redis->name),
			  stream->after);
	stream->step = STREAM_OWN;
	return 0;
}

/* XAUTOCLAIM: [cursor, entries, …]. A cursor of 0-0: it was through all. */
static ssize_t stream_on_claim(struct redis_stream *stream, struct value reply)
{
	char last[STREAM_ID_MAX] = "";
	ssize_t n = 0;

	if (!stream_is_list(reply, 2) ||
	    !stream_take_id(reply.items[0], &stream->load->arena, stream->cursor))
		snprintf(stream->cursor, STREAM_ID_MAX, "0-0");
	else
		n = stream_take_entries(stream, reply.items[1], last);
	if (strcmp(stream->cursor, "0-0") != 0)
		return n;
	stream->claim_at_ns = clock_monotonic_ns() + stream->intake.spec.claim_ms * NS_PER_MS / 2;
	stream->step = STREAM_NEW;
	return n;
}

static void stream_failed(struct redis_stream *stream, const char *problem)
{
	/* the group may be gone, with its stream; and what was in the reply is pending */
	stream->step = STREAM_CREATE;
	redis_intake_failed(&stream->intake, problem);
}

/* Fewer messages are asked for, or the one is passed over. */
static void stream_on_too_large(struct redis_stream *stream)
{
	stream->n_max = MAX(stream->n_asked / 2, (size_t)1);
	if (stream->step == STREAM_OWN) {
		stream->step = stream->n_asked > 1 ? STREAM_OWN : STREAM_SKIP;
		return;
	}
	stream->step = STREAM_OWN;
	snprintf(stream->after, STREAM_ID_MAX, "0");
}

static bool stream_call_failed(struct redis_stream *stream)
{
	const struct redis_call *call = &stream->call;

	if (call->error == REDIS_OK) {
		stream->n_max = MIN(stream->n_max + 1, (size_t)COUNT_MAX);
		return false;
	}
	if (call->error == REDIS_TOO_LARGE && stream->step != STREAM_CREATE &&
	    stream->step != STREAM_SKIP) {
		stream_on_too_large(stream);
		return true;
	}
	if (stream->step != STREAM_CREATE || strcmp(call->detail, "BUSYGROUP") != 0) {
		stream_failed(stream, call->detail);
		return true;
	}
	return false;
}

static void stream_on_reply(struct redis_call *call)
{
	struct redis_stream *stream = container_of(call, struct redis_stream, call);
	ssize_t n = 0;

	stream->asking = false;
	if (!stream_call_failed(stream)) {
		redis_intake_works(&stream->intake);
		if (stream->step == STREAM_CREATE)
			stream->step = STREAM_OWN, snprintf(stream->after, STREAM_ID_MAX, "0");
		else if (stream->step == STREAM_CLAIM)
			n = stream_on_claim(stream, call->results[0]);
		else if (stream->step == STREAM_SKIP)
			n = stream_on_skip(stream, call->results[0]);
		else
			n = stream_on_read(stream, call->results[0]);
		if (n < 0)
			stream_failed(stream, "no memory for the messages");
	}
	redis_load_put(take(&stream->load));
	stream_ask(stream);
}

/* ------------------------------------------------------------ asking */

static void stream_send(struct redis_stream *stream, const struct str *args, size_t n_args)
{
	struct arena *arena = &stream->load->arena;
	struct str *copy = arena_alloc_array(arena, n_args, sizeof(*copy));
	struct redis_command *command = arena_zalloc(arena, sizeof(*command));

	check(copy && command); /* the first block of an arena */
	memcpy(copy, args, n_args * sizeof(*copy));
	command->args = copy;
	command->n_args = n_args;
	command->known = command_find(args[0]);
	stream->asking = true;
	stream->call = (struct redis_call){ .on_end = stream_on_reply };
	redis_call_start(&stream->call, stream->intake.rloop, arena,
			 &(struct redis_request){ .redis = stream->intake.spec.redis,
						  .commands = command,
						  .n_commands = 1,
						  .base64 = true });
}

static void stream_create_group(struct redis_stream *stream)
{
	const struct redis_source_spec *spec = &stream->intake.spec;
	const struct str args[] = { STR("XGROUP"), STR("CREATE"), spec->stream,
				    spec->group,   spec->start,   STR("MKSTREAM") };

	stream_send(stream, args, ARRAY_LEN(args));
}

static void stream_claim(struct redis_stream *stream, struct str count)
{
	const struct redis_source_spec *spec = &stream->intake.spec;
	char idle[24];
	struct str args[] = { STR("XAUTOCLAIM"), spec->stream, spec->group,
			      spec->consumer,    STR_NONE,     str_of(stream->cursor),
			      STR("COUNT"),      count };

	snprintf(idle, sizeof(idle), "%llu", (unsigned long long)spec->claim_ms);
	args[4] = arena_str(&stream->load->arena, str_of(idle));
	stream_send(stream, args, ARRAY_LEN(args));
}

static void stream_read(struct redis_stream *stream, struct str count)
{
	const struct redis_source_spec *spec = &stream->intake.spec;
	uint64_t block_ms = MIN(spec->redis->response_ms / 2 + 1, (uint64_t)BLOCK_MAX_MS);
	char block[24];
	struct str args[] = { STR("XREADGROUP"), STR("GROUP"), spec->group,  spec->consumer,
			      STR("COUNT"),      count,        STR("BLOCK"), STR_NONE,
			      STR("STREAMS"),    spec->stream, STR(">") };

	if (stream->step == STREAM_OWN)
		args[10] = arena_str(&stream->load->arena, str_of(stream->after));
	if (spec->claim_ms)
		block_ms = MIN(block_ms, spec->claim_ms / 2 + 1);
	snprintf(block, sizeof(block), "%llu", (unsigned long long)block_ms);
	args[7] = arena_str(&stream->load->arena, str_of(block));
	stream_send(stream, args, ARRAY_LEN(args));
}

static void stream_skip(struct redis_stream *stream)
{
	const struct redis_source_spec *spec = &stream->intake.spec;
	char behind[STREAM_ID_MAX + 1];
	struct str args[] = { STR("XPENDING"), spec->stream, spec->group,   STR_NONE,
			      STR("+"),        STR("1"),     spec->consumer };

	snprintf(behind, sizeof(behind), "(%s", stream->after);
	args[3] = arena_str(&stream->load->arena, str_of(behind));
	stream_send(stream, args, ARRAY_LEN(args));
}

static void stream_ask(struct redis_stream *stream)
{
	size_t room = consumer_room(stream->intake.source.consumer);
	char count[24];
	struct str text;

	if (stream->asking || stream->stopped || timer_is_running(&stream->intake.timer) ||
	    room == 0)
		return;
	stream->load = redis_load_create(&stream->intake);
	if (!stream->load) {
		redis_intake_failed(&stream->intake, "no memory to ask");
		return;
	}
	stream->n_asked = MIN(room, stream->n_max);
	snprintf(count, sizeof(count), "%zu", stream->n_asked);
	text = arena_str(&stream->load->arena, str_of(count));
	if (!text.ptr) {
		redis_load_put(take(&stream->load));
		redis_intake_failed(&stream->intake, "no memory to ask");
		return;
	}
	if (stream->step == STREAM_NEW && stream->intake.spec.claim_ms &&
	    clock_monotonic_ns() >= stream->claim_at_ns) {
		stream->step = STREAM_CLAIM;
		snprintf(stream->cursor, STREAM_ID_MAX, "0-0");
	}
	if (stream->step == STREAM_CREATE)
		stream_create_group(stream);
	else if (stream->step == STREAM_CLAIM)
		stream_claim(stream, text);
	else if (stream->step == STREAM_SKIP)
		stream_skip(stream);
	else
		stream_read(stream, text);
}

static void stream_on_retry(struct timer *timer)
{
	stream_ask(container_of(timer, struct redis_stream, intake.timer));
}

static void stream_resume(struct job_source *source)
{
	stream_ask(stream_of(source));
}

/* ------------------------------------------------------------ life */

static void stream_stop(struct job_source *source)
{
	struct redis_stream *stream = stream_of(source);

	stream->stopped = true;
	timer_stop(&stream->intake.timer);
	if (!stream->asking)
		return;
	redis_call_cancel(&stream->call);
	stream->asking = false;
	redis_load_put(take(&stream->load));
}

static const struct source_ops stream_ops = { .value = stream_value,
					      .settle = redis_stream_settle,
					      .resume = stream_resume,
					      .stop = stream_stop,
					      .close = redis_stream_close,
					      .write = redis_intake_write };

struct job_source *redis_stream_open(const struct redis_source_spec *spec,
				     struct consumer *consumer, const struct source_env *env)
{
	struct redis_stream *stream = calloc(1, sizeof(*stream));

	if (!stream || !redis_intake_init(&stream->intake, spec, consumer, env, stream_on_retry)) {
		free(stream);
		return NULL;
	}
	stream->intake.source.ops = &stream_ops;
	stream->n_max = COUNT_MAX;
	map_init(&stream->by_id);
	redis_stream_init_settling(stream);
	/* the consumer does not know the source yet */
	timer_start(&stream->intake.timer, 0);
	return &stream->intake.source;
}
