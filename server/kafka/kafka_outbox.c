/* server/kafka/kafka_outbox.c
 *
 * A row is in memory from its being read until the store has removed it. Of those with one key and
 * topic only the first is sent: each knows the next one of its key. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/kafka/kafka_outbox_private.h"
#include "server/kafka/kafka_producer.h"
#include <errno.h>
#include <stdlib.h>

static void outbox_fill(struct kafka_outbox *outbox);
static void row_try(struct kafka_row *row);

/* ------------------------------------------------------------ ops of the outbox */

struct outbox_op {
	struct store_op op;
	struct kafka_outbox *outbox;
	struct list rows;      /* of a read */
	int64_t after, n_rows; /* of a read; of the beginning */
	struct kafka_row *row; /* of a removal */
	bool bury;
};

static bool outbox_submit(struct kafka_outbox *outbox, store_run_fn *run, store_done_fn *on_done,
			  struct kafka_row *row, bool bury)
{
	struct outbox_op *op = calloc(1, sizeof(*op));

	if (!op)
		return false;
	list_init(&op->rows);
	op->outbox = outbox;
	op->after = outbox->last_id;
	op->row = row;
	op->bury = bury;
	op->op = (struct store_op){ .loop = outbox->loop, .run = run, .on_done = on_done };
	if (!atomic_load(&outbox->stopped) &&
	    store_submit(outbox->store, &op->op, sizeof(*op)) == 0)
		return true;
	free(op);
	return false;
}

static void outbox_try_again(struct kafka_outbox *outbox)
{
	timer_start(&outbox->again, OUTBOX_AGAIN_MS);
}

/* ------------------------------------------------------------ the order of keys */

static bool rows_are_ordered(const struct kafka_row *a, const struct kafka_row *b)
{
	return a->message.key.ptr && b->message.key.ptr && str_eq(a->message.key, b->message.key) &&
	       str_eq(a->message.topic, b->message.topic);
}

/* Behind the last row of its key. */
static void row_line_up(struct kafka_row *row)
{
	struct kafka_row *other, *before = NULL;

	list_each(other, &row->outbox->rows, struct kafka_row, link)
		if (other != row && rows_are_ordered(other, row))
			before = other;
	if (!before)
		return;
	before->next_of_key = row;
	row->behind = true;
}

/* It is in the store no more, or buried: the next one of its key has its turn. */
static void row_leave(struct kafka_row *row)
{
	struct kafka_outbox *outbox = row->outbox;
	struct kafka_row *next = row->next_of_key;

	timer_stop(&row->retry);
	list_remove(&row->link);
	outbox->n_rows--;
	outbox->bytes -= row->size;
	free(row);
	if (next) {
		next->behind = false;
		row_try(next);
	}
	outbox_fill(outbox);
}

/* ------------------------------------------------------------ removing */

static int remove_run(struct store_op *op, struct store_db *db)
{
	const struct outbox_op *mine = container_of(op, struct outbox_op, op);

	return mine->bury ? kafka_row_bury(db, mine->row->id) : kafka_row_remove(db, mine->row->id);
}

static void remove_on_done(struct store_op *op)
{
	struct outbox_op *mine = container_of(op, struct outbox_op, op);
	struct kafka_outbox *outbox = mine->outbox;
	struct kafka_row *row = mine->row;
	bool bury = mine->bury;
	int result = op->result;

	free(mine);
	if (result < 0) { /* what was sent is not sent again as long as this process lives */
		row->state = bury ? KAFKA_ROW_BURIED : KAFKA_ROW_DONE;
		timer_start(&row->retry, OUTBOX_AGAIN_MS);
		return;
	}
	if (bury)
		atomic_fetch_add(&outbox->n_dead, 1);
	else
		atomic_fetch_sub(&outbox->n_kept, 1);
	row_leave(row);
}

static void row_remove(struct kafka_row *row, bool bury)
{
	row->state = bury ? KAFKA_ROW_BURIED : KAFKA_ROW_DONE;
	if (!outbox_submit(row->outbox, remove_run, remove_on_done, row, bury))
		timer_start(&row->retry, OUTBOX_AGAIN_MS);
}

/* ------------------------------------------------------------ sending */

static void row_pause(struct kafka_row *row)
{
	row->state = KAFKA_ROW_WAITS;
	row->paused = true;
	timer_start(&row->retry, (uint64_t)OUTBOX_PAUSE_MS << MIN(row->n_tries, 5U));
}

static void row_refused(struct kafka_row *row, const struct kafka_send *send)
{
	bool final = send->code == ERROR_KAFKA_ERROR && ++row->n_tries >= OUTBOX_TRIES;

	if (!final) {
		row_pause(row);
		return;
	}
	log_error("kafka message is refused again and again name=%s topic=%s error=%s, keeping it "
		  "until the next start",
		  row->outbox->name, row->message.topic.ptr, send->kafka);
	row_remove(row, true);
}

static void outbox_adopt(struct kafka_outbox *outbox);

static void row_on_sent(struct kafka_send *send)
{
	struct kafka_row *row = send->owner;
	struct kafka_outbox *outbox = row->outbox;

	outbox->n_sent--;
	if (send->code == ERROR_NONE)
		row_remove(row, false);
	else
		row_refused(row, send);
	outbox_adopt(outbox);
}

static void row_try(struct kafka_row *row)
{
	struct kafka_outbox *outbox = row->outbox;
	struct kafka_send *send;

	if (row->state != KAFKA_ROW_WAITS || row->behind || row->paused || !outbox->kafka)
		return;
	send = kafka_send_create(outbox->loop, NULL);
	if (!send) {
		row_pause(row);
		return;
	}
	send->owner = row;
	send->on_done = row_on_sent;
	send->kept = true;
	if (kafka_send_submit(send, outbox->kafka, KAFKA_ACKS_ALL, &row->message)) {
		row->state = KAFKA_ROW_SENT;
		outbox->n_sent++;
		return;
	}
	row_refused(row, send);
	kafka_send_free(send);
}

static void row_on_retry(struct timer *timer)
{
	struct kafka_row *row = container_of(timer, struct kafka_row, retry);

	row->paused = false;
	if (row->state == KAFKA_ROW_WAITS)
		row_try(row);
	else
		row_remove(row, row->state == KAFKA_ROW_BURIED);
}

static void outbox_try_all(struct kafka_outbox *outbox)
{
	struct kafka_row *row;

	list_each(row, &outbox->rows, struct kafka_row, link)
		row_try(row);
}

/* ------------------------------------------------------------ reading */

static int read_run(struct store_op *op, struct store_db *db)
{
	struct outbox_op *mine = container_of(op, struct outbox_op, op);

	return kafka_row_read(db, str_of(mine->outbox->name), mine->after, &mine->rows);
}

/* What was kept when tasks still did so must be sent, also when none does any more. */
static void outbox_need_producer(struct kafka_outbox *outbox)
{
	char why[KAFKA_PROBLEM_MAX];

	if (atomic_exchange(&outbox->kafka->wanted[KAFKA_ACKS_ALL], true))
		return;
	if (!kafka_start(outbox->kafka, why, sizeof(why)))
		log_error("kafka messages that are kept cannot be sent name=%s detail=%s",
			  outbox->name, LOG_QUOTE(str_of(why)));
}

static void outbox_take_rows(struct kafka_outbox *outbox, struct list *rows)
{
	struct kafka_row *row;

	if (!list_is_empty(rows) && outbox->kafka)
		outbox_need_producer(outbox);
	list_each(row, rows, struct kafka_row, link) {
		list_remove(&row->link);
		list_add(&outbox->rows, &row->link);
		row->outbox = outbox;
		timer_init(&row->retry, outbox->loop, row_on_retry);
		outbox->n_rows++;
		outbox->bytes += row->size;
		outbox->last_id = row->id;
		row_line_up(row);
	}
}

static void read_on_done(struct store_op *op)
{
	struct outbox_op *mine = container_of(op, struct outbox_op, op);
	struct kafka_outbox *outbox = mine->outbox;

	outbox->reading = false;
	if (op->result < 0) {
		kafka_rows_free(&mine->rows);
		outbox_try_again(outbox);
	} else {
		outbox->exhausted = list_is_empty(&mine->rows) && !outbox->news;
		outbox_take_rows(outbox, &mine->rows);
		outbox_try_all(outbox);
		outbox_fill(outbox);
	}
	free(mine);
}

static int begin_run(struct store_op *op, struct store_db *db)
{
	struct outbox_op *mine = container_of(op, struct outbox_op, op);

	return kafka_row_begin(db, str_of(mine->outbox->name), &mine->n_rows);
}

static void begin_on_done(struct store_op *op)
{
	struct outbox_op *mine = container_of(op, struct outbox_op, op);
	struct kafka_outbox *outbox = mine->outbox;
	int64_t n_rows = mine->n_rows;
	int result = op->result;

	free(mine);
	outbox->reading = false;
	if (result < 0) {
		outbox_try_again(outbox);
		return;
	}
	outbox->begun = true;
	atomic_fetch_add(&outbox->n_kept, n_rows); /* it came before all that others put there */
	outbox_fill(outbox);
}

static void outbox_fill(struct kafka_outbox *outbox)
{
	if (outbox->reading || (outbox->begun && outbox->exhausted) || !outbox->kafka ||
	    outbox->n_rows > OUTBOX_ROWS_MAX - KAFKA_ROWS_A_READ ||
	    outbox->bytes > OUTBOX_BYTES_MAX - KAFKA_ROWS_BYTES)
		return;
	outbox->news = false;
	outbox->reading = outbox->begun
				  ? outbox_submit(outbox, read_run, read_on_done, NULL, false)
				  : outbox_submit(outbox, begin_run, begin_on_done, NULL, false);
	if (!outbox->reading)
		outbox_try_again(outbox);
}

static void outbox_on_again(struct timer *timer)
{
	outbox_fill(container_of(timer, struct kafka_outbox, again));
}

static void outbox_on_poke(struct post *post)
{
	struct kafka_outbox *outbox = container_of(post, struct kafka_outbox, poke);

	atomic_store(&outbox->poked, false);
	outbox->exhausted = false;
	outbox->news = true;
	outbox_fill(outbox);
}

void kafka_outbox_poke(struct kafka_outbox *outbox)
{
	if (!atomic_exchange(&outbox->poked, true))
		loop_post(outbox->loop, &outbox->poke);
}

/* ------------------------------------------------------------ which cluster */

/* When the one before has none of our messages any more: so no message of it can come behind a
 * later one of its key. */
static void outbox_adopt(struct kafka_outbox *outbox)
{
	if (outbox->kafka || outbox->n_sent > 0)
		return;
	kafka_unref(take(&outbox->kafka_before));
	outbox->kafka = take(&outbox->kafka_next);
	if (!outbox->kafka)
		return;
	if (!list_is_empty(&outbox->rows))
		outbox_need_producer(outbox);
	outbox_try_all(outbox);
	outbox_fill(outbox);
}

static void outbox_on_set(struct post *post)
{
	struct kafka_outbox *outbox = container_of(post, struct kafka_outbox, set);
	struct kafka *given;

	atomic_store(&outbox->was_set, false);
	given = atomic_exchange(&outbox->given, NULL);
	if (given && given == outbox->kafka) {
		kafka_unref(given);
		return;
	}
	if (outbox->kafka)
		outbox->kafka_before = take(&outbox->kafka);
	kafka_unref(outbox->kafka_next);
	outbox->kafka_next = given;
	outbox_adopt(outbox);
}

void kafka_outbox_set(struct kafka_outbox *outbox, struct kafka *kafka)
{
	kafka_unref(atomic_exchange(&outbox->given, kafka ? kafka_ref(kafka) : NULL));
	if (!atomic_exchange(&outbox->was_set, true))
		loop_post(outbox->loop, &outbox->set);
}

/* ------------------------------------------------------------ life */

struct kafka_outbox *kafka_outbox_create(struct str name, struct store *store, struct loop *loop)
{
	struct kafka_outbox *outbox = mem_zalloc(sizeof(*outbox));

	outbox->name = mem_strndup(name.ptr, name.len);
	outbox->store = store;
	outbox->loop = loop;
	list_init(&outbox->rows);
	outbox->poke.run = outbox_on_poke;
	outbox->set.run = outbox_on_set;
	timer_init(&outbox->again, loop, outbox_on_again);
	/* before anybody puts anything there */
	outbox->reading = true; /* now: it may be over on its loop when the call returns */
	if (!outbox_submit(outbox, begin_run, begin_on_done, NULL, false))
		outbox->reading = false;
	return outbox;
}

void kafka_outbox_stop(struct kafka_outbox *outbox)
{
	atomic_store(&outbox->stopped, true);
}

void kafka_outbox_destroy(struct kafka_outbox *outbox)
{
	struct kafka_row *row;

	if (!outbox)
		return;
	timer_stop(&outbox->again);
	list_each(row, &outbox->rows, struct kafka_row, link)
		timer_stop(&row->retry);
	kafka_rows_free(&outbox->rows);
	kafka_unref(outbox->kafka);
	kafka_unref(outbox->kafka_before);
	kafka_unref(outbox->kafka_next);
	kafka_unref(atomic_load(&outbox->given));
	free(outbox->name);
	free(outbox);
}

void kafka_outbox_stats(const struct kafka_outbox *outbox, struct kafka_outbox_stats *ret_stats)
{
	ret_stats->n_kept = atomic_load(&outbox->n_kept);
	ret_stats->n_dead = atomic_load(&outbox->n_dead);
}
