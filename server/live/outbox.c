/* server/live/outbox.c */
#include "server/live/outbox.h"
#include <errno.h>
#include <stdlib.h>

static struct outbox_item *outbox_at(const struct outbox *outbox, uint32_t at)
{
	return &outbox->items[(outbox->first + at) & (outbox->n_room - 1)];
}

static size_t outbox_item_len(const struct outbox_item *item)
{
	return (item->prefix ? packet_bytes(item->prefix).len : 0) + packet_bytes(item->packet).len;
}

static size_t outbox_item_size(const struct outbox_item *item)
{
	return outbox_item_len(item) + OUTBOX_ITEM;
}

/* ------------------------------------------------------------ the queue */

static bool outbox_grow(struct outbox *outbox)
{
	uint32_t n_room = MAX(outbox->n_room * 2, 4U);
	struct outbox_item *items = malloc(n_room * sizeof(*items));

	if (!items)
		return false;
	for (uint32_t i = 0; i < outbox->n_items; i++)
		items[i] = *outbox_at(outbox, i);
	free(outbox->items);
	outbox->items = items;
	outbox->n_room = n_room;
	outbox->first = 0;
	return true;
}

/* The first, which is the caller's. */
static struct outbox_item outbox_pop(struct outbox *outbox)
{
	struct outbox_item item = *outbox_at(outbox, 0);

	outbox->size -= outbox_item_size(&item);
	outbox->first = (outbox->first + 1) & (outbox->n_room - 1);
	outbox->n_held = MIN(outbox->n_held, outbox->n_items - 1);
	if (--outbox->n_items == 0) { /* an idle connection holds no queue */
		free(take(&outbox->items));
		outbox->n_room = outbox->first = 0;
	}
	return item;
}

static void outbox_forget(struct outbox_item item)
{
	packet_unref(item.prefix);
	packet_unref(item.packet);
}

/* The first packet. */
static struct packet *outbox_take(struct outbox *outbox)
{
	struct outbox_item *item = outbox_at(outbox, 0);

	if (!item->prefix) {
		outbox->n_taken++;
		return outbox_pop(outbox).packet;
	}
	outbox->size -= packet_bytes(item->prefix).len;
	return take(&item->prefix);
}

/* The sender is told from the loop. */
static void outbox_tell(struct outbox *outbox)
{
	if (!outbox->waiting || outbox->closed)
		return;
	if (outbox->round)
		round_add(outbox->round, &outbox->ready);
	else
		loop_ready(outbox->loop, &outbox->ready);
}

/* What is held makes room before it. */
static void outbox_insert(struct outbox *outbox, struct outbox_item item)
{
	uint32_t at = outbox->n_items++;

	if (outbox->held && item.droppable)
		outbox->n_held++;
	else
		for (uint32_t i = 0; i < outbox->n_held; i++, at--)
			*outbox_at(outbox, at) = *outbox_at(outbox, at - 1);
	*outbox_at(outbox, at) = item;
}

static bool outbox_put_item(struct outbox *outbox, struct outbox_item item)
{
	if (outbox->ended || outbox->closed ||
	    (outbox->n_items == outbox->n_room && !outbox_grow(outbox))) {
		outbox_forget(item);
		return false;
	}
	outbox_insert(outbox, item);
	outbox->size += outbox_item_size(&item);
	if (outbox->n_items > outbox->n_held)
		outbox_tell(outbox);
	return true;
}

bool outbox_put(struct outbox *outbox, struct packet *packet, bool droppable)
{
	const struct outbox_item item = { .packet = packet, .droppable = droppable };

	return packet && outbox_put_item(outbox, item);
}

bool outbox_put_pair(struct outbox *outbox, struct packet *prefix, struct packet *packet,
		     bool droppable)
{
	return outbox_put_item(outbox, (struct outbox_item){ prefix, packet, droppable });
}

size_t outbox_drop(struct outbox *outbox, size_t size, size_t max)
{
	uint32_t n_before = outbox->n_items, n_items, n_kept = 0, n_free;

	/* mostly there is nothing but what may be dropped: then nothing is moved */
	while (outbox->n_items > 0 && outbox_at(outbox, 0)->droppable &&
	       !outbox_has_room(outbox, size, max))
		outbox_forget(outbox_pop(outbox));
	n_items = outbox_has_room(outbox, size, max) ? 0 : outbox->n_items;
	n_free = outbox->n_items - outbox->n_held;
	for (uint32_t i = 0; i < n_items; i++) {
		struct outbox_item item = *outbox_at(outbox, i);

		if (item.droppable && !outbox_has_room(outbox, size, max)) {
			outbox->size -= outbox_item_size(&item);
			outbox->n_held -= i >= n_free;
			outbox_forget(item);
		} else {
			*outbox_at(outbox, n_kept++) = item;
		}
	}
	if (n_items > 0)
		outbox->n_items = n_kept;
	return n_before - outbox->n_items;
}

void outbox_clear(struct outbox *outbox)
{
	while (outbox->n_items > 0)
		outbox_forget(outbox_pop(outbox));
}

void outbox_hold(struct outbox *outbox)
{
	outbox->held = true;
}

bool outbox_release(struct outbox *outbox)
{
	bool any = outbox->n_held > 0;

	outbox->held = false;
	outbox->n_held = 0;
	if (any)
		outbox_tell(outbox);
	return any;
}

void outbox_end(struct outbox *outbox)
{
	outbox->ended = true;
	outbox_release(outbox);
	outbox_tell(outbox);
}

/* ------------------------------------------------------------ the sender's side */

static void outbox_on_ready(struct ready *ready)
{
	struct outbox *outbox = container_of(ready, struct outbox, ready);

	if (!outbox->waiting || outbox->closed)
		return;
	outbox->waiting = false;
	outbox->source.on_more(&outbox->source);
}

/* How many of those in front fit into one piece. */
static uint32_t outbox_n_joined(const struct outbox *outbox, size_t *ret_size)
{
	uint32_t n = 0;

	*ret_size = 0;
	for (; n < outbox->n_items - outbox->n_held; n++) {
		size_t len = outbox_item_len(outbox_at(outbox, n));

		if (*ret_size + len > OUTBOX_JOIN_MAX)
			break;
		*ret_size += len;
	}
	return n;
}

/* Small ones are copied into one: cheaper than a system call each. Without memory they go one by
 * one. */
static struct packet *outbox_join(struct outbox *outbox)
{
	struct packet *joined;
	size_t size;
	uint32_t n = outbox_n_joined(outbox, &size);
	char *to;

	if (n == 0 || (n == 1 && !outbox_at(outbox, 0)->prefix) ||
	    !(joined = packet_create_empty(outbox->budget, size, &to)))
		return NULL;
	for (uint64_t until = outbox->n_taken + n; outbox->n_taken < until;) {
		struct packet *packet = outbox_take(outbox);
		struct str bytes = packet_bytes(packet);

		memcpy(to, bytes.ptr, bytes.len);
		to += bytes.len;
		packet_unref(packet);
	}
	return joined;
}

static int outbox_read(struct body_source *source, struct str *ret_bytes)
{
	struct outbox *outbox = container_of(source, struct outbox, source);

	packet_unref(take(&outbox->sending));
	if (outbox->n_items == 0 && outbox->ended)
		return 0;
	if (outbox->n_items == outbox->n_held) {
		outbox->waiting = true;
		return -EAGAIN;
	}
	outbox->sending = outbox_join(outbox);
	if (!outbox->sending)
		outbox->sending = outbox_take(outbox);
	*ret_bytes = packet_bytes(outbox->sending);
	outbox->taken_size += ret_bytes->len;
	if (outbox->round)
		round_count(outbox->round, ret_bytes->len);
	if (outbox->on_sent)
		outbox->on_sent(outbox);
	return 1;
}

static void outbox_close(struct body_source *source)
{
	struct outbox *outbox = container_of(source, struct outbox, source);

	outbox->closed = true;
	outbox->waiting = false;
	loop_ready_cancel(&outbox->ready);
	outbox_clear(outbox);
	packet_unref(take(&outbox->sending));
	if (outbox->on_close)
		outbox->on_close(outbox);
}

void outbox_init(struct outbox *outbox, struct loop *loop, struct arena_budget *budget)
{
	static const struct body_source_ops ops = { outbox_read, outbox_close, NULL, NULL };

	*outbox = (struct outbox){ .source = { .ops = &ops, .size = BODY_SIZE_UNKNOWN },
				   .loop = loop,
				   .budget = budget };
	ready_init(&outbox->ready, outbox_on_ready);
}

void outbox_fini(struct outbox *outbox)
{
	loop_ready_cancel(&outbox->ready);
	outbox_clear(outbox);
	packet_unref(take(&outbox->sending));
	free(take(&outbox->items));
}
