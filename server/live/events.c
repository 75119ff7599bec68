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

enum {
	ID_DIGITS = 16,
	EPOCH_DIGITS = 8,
	ID_LINE_MAX = 8 + EPOCH_DIGITS + (ID_DIGITS + 1) * LIVE_TOPICS_MAX,
};

struct events {
	struct live live;
	const struct events_spec *spec;
	struct request *request; /* NULL: it has gone */
	struct outbox outbox;
	struct timer timer; /* comments */
	struct ready turn;
	uint64_t n_sent;    /* of outbox.n_taken when it was last looked at */
	uint64_t n_told;    /* of live.n_dropped, by `lost` */
	bool answered;      /* the head is out */
	bool opened, ended; /* on_open, on_close have run, or there is none */
};

/* ------------------------------------------------------------ ids */

static bool events_read_number(struct str text, size_t n_digits, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (text.len == 0 || text.len > n_digits)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = char_hex(text.ptr[i]);

		if (digit < 0)
			return false;
		number = number << 4 | (unsigned)digit;
	}
	*ret_number = number;
	return true;
}

/* What a client has seen, as it says. */
struct events_place {
	bool ours; /* of this process; else all that is kept is new to it */
	uint64_t ids[LIVE_TOPICS_MAX];
};

/* "9c1b22f0.5f3a…-…": the epoch, and a number a topic, in their order. Where there are others than when it
 * was given, the lowest number holds for all: better twice than never. False: it is no id. */
static bool events_read_id(struct str text, const struct topics *topics, size_t n_ids,
			   struct events_place *ret_place)
{
	uint64_t epoch, number, lowest = UINT64_MAX;
	struct str part;
	size_t n = 0;

	if (!str_next_part(&text, '.', &part) || !events_read_number(part, EPOCH_DIGITS, &epoch))
		return false;
	for (; str_next_part(&text, '-', &part); n++) {
		if (n == LIVE_TOPICS_MAX || !events_read_number(part, ID_DIGITS, &number))
			return false;
		ret_place->ids[n] = number;
		lowest = MIN(lowest, number);
	}
	ret_place->ours = topics && epoch == topics_epoch(topics);
	for (size_t i = 0; i < n_ids; i++) {
		if (!ret_place->ours)
			ret_place->ids[i] = 0;
		else if (n != n_ids)
			ret_place->ids[i] = lowest;
	}
	return n > 0;
}

static size_t events_write_id(const struct live *live, char out[ID_LINE_MAX])
{
	size_t len = (size_t)sprintf(out, "id: %" PRIx32, topics_epoch(live->context.topics));

	for (size_t i = 0; i < live->n_topics; i++)
		len += (size_t)sprintf(out + len, "%c%" PRIx64, i ? '-' : '.',
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

/* With one topic the id is everybody's; with several it is the client's own, and stands in front of what is
 * everybody's. Where one of the two is dropped the other does no harm: of two ids the last counts. */
static bool events_put_publication(struct events *events, struct publication *publication,
				   bool may_drop)
{
	struct live *live = &events->live;
	bool shared = live->n_topics == 1;
	struct packet *event = shared ? publication_event(publication)
				      : publication_event_bare(publication),
		      *id = NULL;
	char line[ID_LINE_MAX];
	size_t len = shared ? 0 : events_write_id(live, line);

	if (!event)
		return false;
	if (may_drop && !live_make_room(live, &events->outbox, packet_bytes(event).len + len,
					events->spec->queue, events->spec->slow))
		return false;
	if (shared)
		return outbox_put(&events->outbox, packet_ref(event), true);
	id = packet_create(live->arena.budget, (struct str){ line, len });
	return id && outbox_put_pair(&events->outbox, id, packet_ref(event), true);
}

/* What was missed comes before it has joined, and is bounded by what is kept. */
static void events_publish(struct live *live, struct live_topic *topic,
			   struct publication *publication)
{
	struct events *events = events_of(live);

	if (events->outbox.ended)
		return;
	topic->last_id = publication_id(publication);
	if (events_put_publication(events, publication, topic->joined))
		atomic_fetch_add(&live->worker->stats.live_out, 1);
	else
		events_cut(events); /* it comes again, and gets it then */
}

static void events_put_lost(struct events *events, struct str why)
{
	struct str name = events->spec->lost;

	if (name.len)
		outbox_put(&events->outbox,
			   event_packet(events->live.arena.budget, STR_NONE, name, why), false);
}

/* It has caught up. */
static void events_on_sent(struct outbox *outbox)
{
	struct events *events = container_of(outbox, struct events, outbox);

	if (outbox->n_items > 0 || events->n_told == events->live.n_dropped)
		return;
	events->n_told = events->live.n_dropped;
	events_put_lost(events, STR("slow"));
}

/* ------------------------------------------------------------ handlers */

static void events_answer(struct events *events, const struct answer *answer)
{
	struct packet *event;

	if (answer->has_message && answer->opcode == FRAME_TEXT) {
		event = event_packet(events->live.arena.budget, STR_NONE, STR_NONE,
				     answer->message);
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
	outbox_release(&events->outbox);
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

/* Tells a client the number that it is at, so that it misses nothing when it comes again before it has seen
 * an event. */
static bool events_begin(struct events *events)
{
	char text[64 + ID_LINE_MAX];
	size_t len = (size_t)sprintf(text, "retry: %" PRIu64 "\n", events->spec->retry_ms);

	len += events_write_id(&events->live, text + len);
	text[len++] = '\n';
	if (!events_put(events, (struct str){ text, len }))
		return false;
	if (events->live.lost)
		events_put_lost(events, STR("history"));
	return true;
}

static void events_reply(struct request *request, struct outbox *outbox)
{
	static struct http_field fields[] = {
		{ STR_INIT("Cache-Control"), STR_INIT("no-store") },
		{ STR_INIT("X-Accel-Buffering"), STR_INIT("no") },
	};
	const struct reply reply = { .status = 200,
				     .content_type = STR("text/event-stream"),
				     .source = outbox ? &outbox->source : NULL,
				     .endless = outbox != NULL,
				     .fields = fields,
				     .n_fields = ARRAY_LEN(fields) };

	request_reply(request, &reply);
}

static void events_joined(struct live *live)
{
	struct events *events = events_of(live);

	if (!events->request)
		return;
	if (!events->outbox.ended && !events_begin(events))
		events_cut(events);
	if (events->spec->on_open
		    .reply) /* which is first: no state that is older than an event before it */
		outbox_hold(&events->outbox);
	events->outbox.on_close = events_on_close;
	events->answered = true;
	timer_start(&events->timer, events->spec->ping_ms);
	events_go_on(events);
	events_reply(events->request, &events->outbox);
}

static struct events *events_create(const struct events_spec *spec, struct request *request)
{
	static const struct live_ops ops = { events_end_live, events_end_live, events_joined,
					     events_publish };
	struct events *events = calloc(1, sizeof(*events));

	if (!events || !live_init(&events->live, &ops, request, spec->roots_used)) {
		free(events);
		return NULL;
	}
	events->spec = spec;
	events->request = request;
	outbox_init(&events->outbox, request->worker->loop, request->arena.budget);
	events->outbox.round = &request->worker->round;
	events->outbox.on_sent = events_on_sent;
	events->outbox.source.type = STR("text/event-stream");
	timer_init(&events->timer, request->worker->loop, events_on_timer);
	ready_init(&events->turn, events_on_turn);
	atomic_fetch_add(&request->worker->stats.n_events, 1);
	return events;
}

/* Subscribes, with what is known of the client, then answers. */
static void events_start(struct events *events)
{
	struct request *request = events->request;
	const struct http_field *field = http_head_find(&request->head, STR("last-event-id"));
	struct events_place place;
	struct live_following following = { .terms = events->spec->terms, .after_ids = place.ids };
	int r;

	following.comes_again = field && events_read_id(field->value, events->live.context.topics,
							events->spec->topics.n_names, &place);
	events->live.lost = following.comes_again && !place.ours;
	r = live_follow(&events->live, &events->spec->topics, flow_run_env(&request->run),
			&following);
	if (r < 0) {
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
		events_reply(request, NULL);
		return;
	}
	events = events_create(spec, request);
	if (events)
		events_start(events);
	else
		request_fail_errno(request, -ENOMEM);
}
