/* server/live/events.c
 *
 *   events_serve() --> joining its topics --> OPEN: the answer goes on --> OVER --> freed
 *
 * The outbox is the answer's source. A client that has left is found by its connection; one that does not
 * read has its queue bounded: it loses the oldest events, or is cut, and comes again with the id of the
 * last event that it has seen. */
#include "core/base/clock.h"
#include "server/live/event.h"
#include "server/live/events_private.h"
#include "server/worker.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { ID_DIGITS = 16 };

struct events {
	struct live live;
	const struct events_spec *spec;
	struct request *request; /* NULL: it has gone */
	struct outbox outbox;
	struct timer timer; /* comments */
	struct ready turn;
	uint64_t n_sent;    /* of outbox.n_taken when it was last looked at */
	bool answered;      /* the head is out */
	bool opened, ended; /* on_open, on_close have run, or there is none */
};

/* ------------------------------------------------------------ ids */

/* "5f3a…-…": a number a topic, in their order. False: it is none that we have given to such a client. */
static bool events_read_id(struct str text, uint64_t *ids, size_t n_ids)
{
	struct str part;
	size_t n = 0;

	while (str_next_part(&text, '-', &part)) {
		if (n == n_ids || part.len == 0 || part.len > ID_DIGITS)
			return false;
		ids[n] = 0;
		for (size_t i = 0; i < part.len; i++) {
			int digit = char_hex(part.ptr[i]);

			if (digit < 0)
				return false;
			ids[n] = ids[n] << 4 | (unsigned)digit;
		}
		n++;
	}
	return n == n_ids;
}

static size_t events_write_id(const struct live *live, char *out)
{
	size_t len = (size_t)sprintf(out, "id: ");

	for (size_t i = 0; i < live->n_topics; i++)
		len += (size_t)sprintf(out + len, "%s%" PRIx64, i ? "-" : "",
				       live->topics[i].last_id);
	return len + (size_t)sprintf(out + len, "\n");
}

/* ------------------------------------------------------------ what goes to the client */

static struct events *events_of(struct live *live)
{
	return container_of(live, struct events, live);
}

static void events_go_on(struct events *events)
{
	loop_ready(events->live.worker->loop, &events->turn);
}

static bool events_put(struct events *events, struct str text)
{
	return outbox_put(&events->outbox, packet_create(events->live.arena.budget, text), false);
}

/* The answer's body ends: clients come again by themselves. */
static void events_over(struct events *events)
{
	timer_stop(&events->timer);
	outbox_end(&events->outbox);
	if (events->answered) /* else it is told when it has joined */
		live_unfollow(&events->live);
}

static void events_cut(struct events *events)
{
	outbox_clear(&events->outbox);
	events_over(events);
}

/* With several topics the id is the client's own; with one it is everybody's. */
static struct packet *events_make(const struct live *live, struct publication *publication)
{
	char id[8 + (ID_DIGITS + 1) * LIVE_TOPICS_MAX], *to;
	struct packet *event = publication_event(publication), *own;
	struct str bytes;
	size_t len;

	if (!event || live->n_topics == 1)
		return event ? packet_ref(event) : NULL;
	bytes = packet_bytes(event);
	bytes = str_skip(bytes, (size_t)str_find_char(bytes, '\n') + 1);
	len = events_write_id(live, id);
	own = packet_create_empty(live->arena.budget, len + bytes.len, &to);
	if (!own)
		return NULL;
	memcpy(to, id, len);
	memcpy(to + len, bytes.ptr, bytes.len);
	return own;
}

/* What was missed comes before it has joined, and is bounded by what is kept. */
static void events_publish(struct live *live, struct live_topic *topic,
			   struct publication *publication)
{
	struct events *events = events_of(live);
	struct packet *event;

	if (events->outbox.ended)
		return;
	topic->last_id = publication_id(publication);
	event = events_make(live, publication);
	if (event && topic->joined &&
	    !live_make_room(live, &events->outbox, packet_bytes(event).len, events->spec->queue,
			    events->spec->slow)) {
		packet_unref(event);
		events_cut(events);
		return;
	}
	if (outbox_put(&events->outbox, event, true))
		atomic_fetch_add(&live->worker->stats.live_out, 1);
	else
		events_cut(events); /* it comes again, and gets it then */
}

/* ------------------------------------------------------------ handlers */

static void events_answer(struct events *events, const struct answer *answer)
{
	struct packet *event;

	if (answer->has_message && answer->opcode == FRAME_TEXT) {
		event = event_packet(events->live.arena.budget, NULL, STR_NONE, answer->message);
		if (!outbox_put(&events->outbox, event, false))
			events_cut(events);
	}
	if (answer->close)
		events_over(events);
}

static void events_on_run_end(struct live *live)
{
	struct events *events = events_of(live);
	struct answer answer;

	if (!live_run_answer(live, &answer))
		events_over(events);
	else if (events->request)
		events_answer(events, &answer);
	live_run_end(live);
	events_go_on(events);
}

static void events_destroy(struct events *events)
{
	loop_ready_cancel(&events->turn);
	timer_stop(&events->timer);
	outbox_fini(&events->outbox);
	atomic_fetch_sub(&events->live.worker->stats.n_events, 1);
	live_fini(&events->live);
	free(events);
}

static void events_on_turn(struct ready *ready)
{
	struct events *events = container_of(ready, struct events, turn);
	struct live *live = &events->live;

	if (!live->running && events->answered && !events->opened) {
		events->opened = true;
		if (events->spec->on_open.flow)
			live_run(live, &events->spec->on_open, events_on_run_end);
	}
	if (!live->running && !events->request && !events->ended) {
		events->ended = true;
		if (events->opened && events->spec->on_close.flow && !live->worker->cancelling)
			live_run(live, &events->spec->on_close, events_on_run_end);
	}
	if (!live->running && !events->request && events->ended)
		events_destroy(events);
}

/* ------------------------------------------------------------ time, and the end */

static void events_on_timer(struct timer *timer)
{
	struct events *events = container_of(timer, struct events, timer);

	if (events->outbox.n_taken == events->n_sent && events->outbox.n_items == 0)
		events_put(events, STR(":\n\n"));
	events->n_sent = events->outbox.n_taken;
	timer_start(timer, events->spec->ping_ms);
}

static void events_end_live(struct live *live)
{
	events_over(events_of(live));
}

static void events_gone(struct events *events)
{
	events->request = NULL;
	timer_stop(&events->timer);
	live_unfollow(&events->live);
	live_close_as(&events->live, 1006, STR_NONE);
	events_go_on(events);
}

static void events_on_close(struct outbox *outbox)
{
	events_gone(container_of(outbox, struct events, outbox));
}

/* The client has left before it had an answer. */
static void events_on_cancel(struct request *request)
{
	struct events *events = request->native;

	request->native = NULL;
	events_gone(events);
	request_destroy(request);
}

/* ------------------------------------------------------------ the answer */

/* The first thing tells a client the number that it is at, so that it misses nothing when it comes
 * again before it has seen an event. */
static bool events_begin(struct events *events)
{
	char text[64 + (ID_DIGITS + 1) * LIVE_TOPICS_MAX];
	size_t len = (size_t)sprintf(text, "retry: %" PRIu64 "\n", events->spec->retry_ms);

	len += events_write_id(&events->live, text + len);
	text[len++] = '\n';
	return events_put(events, (struct str){ text, len });
}

static void events_joined(struct live *live)
{
	static struct http_field fields[] = {
		{ STR_INIT("Cache-Control"), STR_INIT("no-store") },
		{ STR_INIT("X-Accel-Buffering"), STR_INIT("no") },
	};
	struct events *events = events_of(live);
	struct request *request = events->request;
	struct reply reply = { .status = 200,
			       .content_type = STR("text/event-stream"),
			       .source = &events->outbox.source,
			       .endless = true,
			       .fields = fields,
			       .n_fields = ARRAY_LEN(fields) };

	if (!request)
		return;
	events->outbox.on_close = events_on_close;
	events->answered = true;
	timer_start(&events->timer, events->spec->ping_ms);
	events_go_on(events);
	request_reply(request, &reply);
}

static struct events *events_create(const struct events_spec *spec, struct request *request)
{
	static const struct live_ops ops = { events_end_live, events_joined, events_publish };
	struct events *events = calloc(1, sizeof(*events));

	if (!events || !live_init(&events->live, &ops, request, spec->roots_used)) {
		free(events);
		return NULL;
	}
	events->spec = spec;
	events->request = request;
	outbox_init(&events->outbox, request->worker->loop, request->arena.budget);
	events->outbox.round = &request->worker->round;
	events->outbox.source.type = STR("text/event-stream");
	timer_init(&events->timer, request->worker->loop, events_on_timer);
	ready_init(&events->turn, events_on_turn);
	atomic_fetch_add(&request->worker->stats.n_events, 1);
	return events;
}

static void events_reply_head(struct request *request)
{
	const struct reply reply = { .status = 200, .content_type = STR("text/event-stream") };

	request_reply(request, &reply);
}

/* Subscribes, with what is known of the client, then answers. */
static void events_start(struct events *events)
{
	struct request *request = events->request;
	const struct http_field *field = http_head_find(&request->head, STR("last-event-id"));
	uint64_t after_ids[LIVE_TOPICS_MAX];
	struct live_following following = { .terms = events->spec->terms, .after_ids = after_ids };
	int r;

	following.comes_again =
		field && events_read_id(field->value, after_ids, events->spec->topics.n_names);
	r = live_follow(&events->live, &events->spec->topics, flow_run_env(&request->run),
			&following);
	if (r == 0 && !events_begin(events))
		r = -ENOMEM;
	if (r < 0) {
		live_unfollow(&events->live);
		events_destroy(events);
		request_fail_errno(request, r);
		return;
	}
	request->native = events;
	request->on_cancel = events_on_cancel;
}

void events_serve(const struct events_spec *spec, struct request *request)
{
	struct events *events;

	flow_run_init(&request->run, request->route->flow, &request->context, NULL);
	if (request->head.method_id == HTTP_HEAD) {
		events_reply_head(request);
		return;
	}
	events = events_create(spec, request);
	if (events)
		events_start(events);
	else
		request_fail_errno(request, -ENOMEM);
}
