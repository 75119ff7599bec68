/* server/redis/redis_stream_settle.c: acknowledgements and dead letters of a stream, and its end.
 *
 * What is to be acknowledged gathers while an acknowledgement is on its way, and goes with the
 * next. A dead letter is written before its message is acknowledged. */
#include "core/base/base64.h"
#include "core/base/log.h"
#include "server/redis/redis_stream.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	ACKS_MAX = 500, /* of one XACK */
	RETRY_ACK_MS = 500,
	DEAD_EXTRA = 9,             /* arguments of a dead letter that are not its fields */
	CALL_MEMORY_MAX = 64 << 20, /* of an acknowledgement, or a dead letter */
};

static void stream_bury(struct redis_stream *stream);

void redis_stream_forget(struct redis_stream *stream, struct stream_message *message)
{
	map_remove(&stream->by_id, str_of(message->id));
	redis_load_put(message->load);
}

/* ------------------------------------------------------------ acknowledging */

static void stream_check_closed(struct redis_stream *stream)
{
	if (stream->closing && !stream->acking && !stream->burying)
		loop_ready(stream->intake.env.loop, &stream->gone);
}

static void stream_on_acked(struct redis_call *call)
{
	struct redis_stream *stream = container_of(call, struct redis_stream, ack_call);
	bool ok = call->error == REDIS_OK;
	struct stream_message *message;

	stream->acking = false;
	list_each(message, &stream->acked, struct stream_message, link) {
		list_remove(&message->link);
		if (ok || stream->closing) /* not acknowledged: it comes again */
			redis_stream_forget(stream, message);
		else
			list_add(&stream->acks, &message->link);
	}
	if (!ok && !stream->closing) {
		log_warning("job source cannot acknowledge name=%.*s error=%s, trying again",
			    STR_ARG(stream->intake.env.job), LOG_QUOTE(str_of(call->detail)));
		timer_start(&stream->ack_timer, RETRY_ACK_MS);
	}
	arena_fini(&stream->ack_arena);
	redis_stream_acknowledge(stream);
	stream_check_closed(stream);
}

/* What has gathered since the last one, together. */
void redis_stream_acknowledge(struct redis_stream *stream)
{
	const struct redis_source_spec *spec = &stream->intake.spec;
	struct stream_message *message;
	struct redis_command *command;
	struct str *args;
	size_t n = 3;

	if (stream->acking || list_is_empty(&stream->acks) || timer_is_running(&stream->ack_timer))
		return;
	arena_init(&stream->ack_arena, CALL_MEMORY_MAX);
	args = arena_alloc_array(&stream->ack_arena, ACKS_MAX + n, sizeof(*args));
	command = arena_zalloc(&stream->ack_arena, sizeof(*command));
	if (!args || !command) {
		arena_fini(&stream->ack_arena);
		timer_start(&stream->ack_timer, RETRY_ACK_MS);
		return;
	}
	stream->acking = true;
	args[0] = STR("XACK");
	args[1] = spec->stream;
	args[2] = spec->group;
	while (n < ACKS_MAX + 3 &&
	       (message = list_first(&stream->acks, struct stream_message, link))) {
		list_remove(&message->link);
		list_add(&stream->acked, &message->link);
		args[n++] = str_of(message->id);
	}
	*command = (struct redis_command){ command_find(args[0]), args, n };
	stream->ack_call = (struct redis_call){ .on_end = stream_on_acked };
	redis_call_start(&stream->ack_call, stream->intake.env.redis, &stream->ack_arena,
			 &(struct redis_request){ .redis = spec->redis,
						  .commands = command,
						  .n_commands = 1,
						  .reads = true /* once more does no harm */ });
}

/* ------------------------------------------------------------ dead letters */

static void stream_on_buried(struct redis_call *call)
{
	struct redis_stream *stream = container_of(call, struct redis_stream, dead_call);
	struct stream_message *message = list_first(&stream->dead, struct stream_message, link);
	bool ok = call->error == REDIS_OK;

	stream->burying = false;
	arena_fini(&stream->dead_arena);
	if (ok || stream->closing) {
		list_remove(&message->link);
		if (ok)
			list_add(&stream->acks, &message->link);
		else
			redis_stream_forget(stream, message);
	} else {
		log_warning(
			"job source cannot write a dead letter name=%.*s error=%s, trying again",
			STR_ARG(stream->intake.env.job), LOG_QUOTE(str_of(call->detail)));
		timer_start(&stream->ack_timer, RETRY_ACK_MS);
	}
	redis_stream_acknowledge(stream);
	stream_bury(stream);
	stream_check_closed(stream);
}

/* Its fields as they were, and why it is there. 0 without memory. */
static size_t stream_dead_args(struct redis_stream *stream, const struct stream_message *message,
			       struct str **ret_args)
{
	struct arena *arena = &stream->dead_arena;
	struct str *args =
		arena_alloc_array(arena, message->fields.len + DEAD_EXTRA, sizeof(*args));
	size_t n = 0;

	if (!args)
		return 0;
	*ret_args = args;

	args[n++] = STR("XADD");
	args[n++] = stream->intake.spec.dead_letter;
	args[n++] = STR("*");
	for (size_t i = 0; i < message->fields.len; i++) {
		struct value field = message->fields.items[i];
		struct str digits = field.kind == VALUE_TEXT ? value_str(field) : STR("");
		char *text;

		base64_strip_padding(&digits);
		text = arena_alloc(arena, base64_size(digits.len) + 1);
		if (!text)
			return 0;
		args[n++] = base64_decode(digits, BASE64_STANDARD, text)
				    ? (struct str){ text, base64_size(digits.len) }
				    : STR("");
	}
	args[n++] = STR("leat-stream");
	args[n++] = stream->intake.spec.stream;
	args[n++] = STR("leat-id");
	args[n++] = str_of(message->id);
	args[n++] = STR("leat-error");
	args[n++] = str_of(message->error);
	return n;
}

static void stream_bury(struct redis_stream *stream)
{
	struct stream_message *message = list_first(&stream->dead, struct stream_message, link);
	struct redis_command *command;
	struct str *args = NULL;
	size_t n;

	if (!message || stream->burying || timer_is_running(&stream->ack_timer))
		return;
	arena_init(&stream->dead_arena, CALL_MEMORY_MAX);
	command = arena_zalloc(&stream->dead_arena, sizeof(*command));
	n = command ? stream_dead_args(stream, message, &args) : 0;
	if (n == 0) {
		arena_fini(&stream->dead_arena);
		timer_start(&stream->ack_timer, RETRY_ACK_MS);
		return;
	}
	stream->burying = true;
	*command = (struct redis_command){ command_find(args[0]), args, n };
	stream->dead_call = (struct redis_call){ .on_end = stream_on_buried };
	redis_call_start(&stream->dead_call, stream->intake.env.redis, &stream->dead_arena,
			 &(struct redis_request){ .redis = stream->intake.spec.redis,
						  .commands = command,
						  .n_commands = 1 });
}

static void stream_on_ack_timer(struct timer *timer)
{
	struct redis_stream *stream = container_of(timer, struct redis_stream, ack_timer);

	redis_stream_acknowledge(stream);
	stream_bury(stream);
}

void redis_stream_settle(struct job_source *source, struct source_message *settled,
			 enum source_outcome outcome, const struct failure *failure)
{
	struct redis_stream *stream = stream_of(source);
	struct stream_message *message = container_of(settled, struct stream_message, message);

	if (outcome == SOURCE_RETURNED) { /* pending at the server */
		redis_stream_forget(stream, message);
		return;
	}
	if (outcome == SOURCE_FAILED && stream->intake.spec.dead_letter.len) {
		snprintf(message->error, sizeof(message->error), "%.*s",
			 STR_ARG(failure_code(failure)));
		list_add(&stream->dead, &message->link);
		stream_bury(stream);
		return;
	}
	if (outcome == SOURCE_FAILED)
		log_warning("job source drops a message name=%.*s id=%s error=%s",
			    STR_ARG(stream->intake.env.job), message->id,
			    LOG_QUOTE(failure_code(failure)));
	list_add(&stream->acks, &message->link);
	redis_stream_acknowledge(stream);
}

/* ------------------------------------------------------------ the end */

static void stream_forget_all(struct redis_stream *stream, struct list *messages)
{
	struct stream_message *message;

	list_each(message, messages, struct stream_message, link) {
		list_remove(&message->link);
		redis_stream_forget(stream, message);
	}
}

static void stream_destroy(struct redis_stream *stream)
{
	struct consumer *consumer = stream->intake.source.consumer;

	timer_stop(&stream->ack_timer);
	loop_ready_cancel(&stream->gone);
	stream_forget_all(stream, &stream->acks);
	stream_forget_all(stream, &stream->acked);
	stream_forget_all(stream, &stream->dead);
	check(stream->by_id.n_items == 0);
	map_fini(&stream->by_id);
	redis_intake_fini(&stream->intake);
	free(stream);
	consumer_on_closed(consumer);
}

static void stream_on_gone(struct ready *ready)
{
	stream_destroy(container_of(ready, struct redis_stream, gone));
}

void redis_stream_close(struct job_source *source, bool now)
{
	struct redis_stream *stream = stream_of(source);

	stream->closing = true;
	timer_stop(&stream->ack_timer);
	if (!now) { /* a last try: what is not acknowledged comes again */
		redis_stream_acknowledge(stream);
		stream_bury(stream);
	}
	if (now && stream->acking) {
		redis_call_cancel(&stream->ack_call);
		arena_fini(&stream->ack_arena);
		stream->acking = false;
	}
	if (now && stream->burying) {
		redis_call_cancel(&stream->dead_call);
		arena_fini(&stream->dead_arena);
		stream->burying = false;
	}
	if (now)
		stream_destroy(stream);
	else
		stream_check_closed(stream);
}

void redis_stream_init_settling(struct redis_stream *stream)
{
	struct loop *loop = stream->intake.env.loop;

	list_init(&stream->acks);
	list_init(&stream->acked);
	list_init(&stream->dead);
	timer_init(&stream->ack_timer, loop, stream_on_ack_timer);
	ready_init(&stream->gone, stream_on_gone);
}
