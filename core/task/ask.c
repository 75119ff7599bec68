/* core/task/ask.c: how a task reaches a thing: by a call, or by messages (see the diagram in
 * home.h).
 *
 * A block's `ask` is touched by whoever had the last message, and by nobody else: the home from
 * ASK until it answers, the asker from ANSWER until RETURN. WITHDRAW is a message of its own,
 * which may cross the ANSWER; it finds `waiting` false then. In that case the asker, which has
 * no task any more, sends RETURN when the answer comes, which the home therefore gets after
 * WITHDRAW: the home frees the block. One that still waits at WITHDRAW is freed there and then. */
#include "core/base/memory.h"
#include "core/task/home_private.h"
#include <stdlib.h>

struct ask_block {
	struct ask ask;
	struct post post;     /* ASK, ANSWER, RETURN: one after the other */
	struct post withdraw; /* WITHDRAW */
	const struct thing_ops *ops;
	struct homes *homes;
	struct home *home;
	struct loop *asker;     /* NULL: it wants no answer */
	struct wait_task *wait; /* the asker's; NULL: it has gone */
	struct str name;
};

/* ------------------------------------------------------------ parcels */

struct parcel *parcel_create(struct blob *blob)
{
	struct parcel *parcel = mem_zalloc(sizeof(*parcel));

	list_init(&parcel->link);
	parcel->blob = blob;
	return parcel;
}

void parcel_destroy(struct parcel *parcel)
{
	blob_unref(parcel->blob);
	free(parcel);
}

void parcels_drop(struct list *parcels)
{
	struct list *link;

	while ((link = list_pop(parcels)))
		parcel_destroy(container_of(link, struct parcel, link));
}

size_t parcel_memory(const struct parcel *parcel)
{
	return sizeof(*parcel) + blob_memory(parcel->blob);
}

void ask_add_parcel(struct ask *ask, struct parcel *parcel)
{
	list_add(&ask->parcels, &parcel->link);
	ask->n_parcels++;
}

/* ------------------------------------------------------------ asks, at their home */

static void ask_init(struct ask *ask, ask_fn *on_answer)
{
	*ask = (struct ask){ .on_answer = on_answer };
	list_init(&ask->link);
	list_init(&ask->parcels);
}

/* What is asked, and the parcels; `to` is as ask_init() left it. */
static void ask_move(struct ask *to, struct ask *from)
{
	to->n = from->n;
	to->n_wait_max = from->n_wait_max;
	to->max_bytes = from->max_bytes;
	to->keep_ms = from->keep_ms;
	to->n_parcels = from->n_parcels;
	to->slot = from->slot;
	to->op = from->op;
	to->policy = from->policy;
	to->reason = from->reason;
	to->no_wait = from->no_wait;
	list_move_all(&to->parcels, &from->parcels);
	from->n_parcels = 0;
}

void ask_answer(struct ask *ask, enum reason reason)
{
	ask->reason = (uint8_t)reason;
	ask->on_answer(ask);
}

void ask_wait(struct ask *ask, struct list *waiting, size_t *n_waiting)
{
	if (ask->no_wait) {
		ask_answer(ask, REASON_EXPIRED);
		return;
	}
	if (ask->n_wait_max > 0 && *n_waiting >= ask->n_wait_max) {
		ask_answer(ask, REASON_FULL);
		return;
	}
	ask->waiting = true;
	list_add(waiting, &ask->link);
	++*n_waiting;
}

void ask_stop_waiting(struct ask *ask, size_t *n_waiting)
{
	check(ask->waiting && *n_waiting > 0);
	ask->waiting = false;
	list_remove(&ask->link);
	--*n_waiting;
}

/* ------------------------------------------------------------ blocks */

static void block_destroy(struct ask_block *block)
{
	parcels_drop(&block->ask.parcels);
	homes_count_message(block->homes, false);
	free(block);
}

/* The asker had it last, and wants nothing more. */
static void block_on_return(struct post *post)
{
	struct ask_block *block = container_of(post, struct ask_block, post);

	if (block->ask.reason == REASON_NONE)
		home_give_back(block->home, block->ops, block->name, &block->ask);
	block_destroy(block);
}

static void block_return(struct ask_block *block)
{
	block->post.run = block_on_return;
	loop_post(home_loop(block->home), &block->post);
}

static void wait_finish(struct wait_task *wait, enum reason reason)
{
	timer_stop(&wait->limit);
	wait->reason = (uint8_t)reason;
	task_end(&wait->task, reason_outcome(reason));
}

static void block_on_answer(struct post *post)
{
	struct ask_block *block = container_of(post, struct ask_block, post);
	struct wait_task *wait = block->wait;
	enum reason reason = (enum reason)block->ask.reason;

	if (!wait) {
		block_return(block);
		return;
	}
	parcels_drop(&wait->ask.parcels);
	ask_move(&wait->ask, &block->ask);
	wait->holds = reason == REASON_NONE && block->ops->holds;
	if (!wait->holds) {
		wait->block = NULL;
		block_destroy(block);
	}
	wait_finish(wait, reason);
}

static void block_answer(struct ask *ask)
{
	struct ask_block *block = container_of(ask, struct ask_block, ask);

	if (!block->asker) {
		block_destroy(block);
		return;
	}
	block->post.run = block_on_answer;
	loop_post(block->asker, &block->post);
}

static void block_on_withdraw(struct post *post)
{
	struct ask_block *block = container_of(post, struct ask_block, withdraw);

	if (!block->ask.waiting)
		return; /* its answer is under way, and it comes back by RETURN */
	home_withdraw(&block->ask);
	block_destroy(block);
}

static void block_on_ask(struct post *post)
{
	struct ask_block *block = container_of(post, struct ask_block, post);

	home_ask(block->home, block->ops, block->name, &block->ask);
}

/* One block for all the messages, and the name. Takes what is asked from `ask`. */
static struct ask_block *block_create(struct homes *homes, struct home *home,
				      const struct thing_ops *ops, struct str name, struct ask *ask)
{
	struct ask_block *block = mem_alloc(sizeof(*block) + name.len);

	*block = (struct ask_block){ .ops = ops, .homes = homes, .home = home };
	block->name = (struct str){ (char *)(block + 1), name.len };
	if (name.len > 0)
		memcpy(block + 1, name.ptr, name.len);
	ask_init(&block->ask, block_answer);
	ask_move(&block->ask, ask);
	block->post.run = block_on_ask;
	block->withdraw.run = block_on_withdraw;
	homes_count_message(homes, true);
	return block;
}

/* ------------------------------------------------------------ tasks */

/* Its thing is on the task's own loop. */
static void wait_on_answer(struct ask *ask)
{
	struct wait_task *wait = container_of(ask, struct wait_task, ask);
	enum reason reason = (enum reason)ask->reason;

	wait->holds = reason == REASON_NONE && wait->ops->holds;
	if (!wait->holds)
		ask->thing = NULL;
	wait_finish(wait, reason);
}

static void wait_on_limit(struct timer *timer)
{
	wait_leave(container_of(timer, struct wait_task, limit), REASON_EXPIRED);
}

void wait_init(struct wait_task *wait, const struct task_ops *task_ops, const struct thing_ops *ops,
	       task_fn *on_end)
{
	*wait = (struct wait_task){ .ops = ops, .wait_ms = WAIT_FOREVER };
	task_init(&wait->task, task_ops, on_end);
	ask_init(&wait->ask, wait_on_answer);
	timer_init(&wait->limit, NULL, wait_on_limit);
}

void wait_set_name(struct wait_task *wait, struct homes *homes, struct str name)
{
	wait->homes = homes;
	wait->name = name;
}

void wait_set_unnamed(struct wait_task *wait, void *unnamed)
{
	wait->unnamed = unnamed;
}

void wait_set_limit(struct wait_task *wait, uint32_t n_wait_max, uint64_t wait_ms)
{
	wait->wait_ms = wait_ms;
	wait->ask.no_wait = wait_ms == 0;
	wait->ask.n_wait_max = n_wait_max;
}

/* `home` is NULL for what has no name. */
static void wait_send(struct wait_task *wait, struct home *home)
{
	struct loop *loop = wait->task.scope->loop;

	if (!home) {
		wait->ops->ask(wait->unnamed, &wait->ask);
	} else if (home_loop(home) == loop) {
		home_ask(home, wait->ops, wait->name, &wait->ask);
	} else {
		wait->block = block_create(wait->homes, home, wait->ops, wait->name, &wait->ask);
		wait->block->asker = loop;
		wait->block->wait = wait;
		loop_post(home_loop(home), &wait->block->post);
	}
}

void wait_start(struct task *task)
{
	struct wait_task *wait = container_of(task, struct wait_task, task);

	wait->limit.loop = task->scope->loop;
	if (wait->name.len > HOME_NAME_MAX) {
		wait_finish(wait, REASON_TOO_LARGE);
		return;
	}
	wait_send(wait, wait->homes ? home_of(wait->homes, wait->name) : NULL);
	if (task->state == TASK_STARTED && wait->wait_ms > 0 && wait->wait_ms != WAIT_FOREVER)
		timer_start(&wait->limit, wait->wait_ms);
}

void wait_leave(struct wait_task *wait, enum reason reason)
{
	struct ask_block *block = wait->block;

	if (block) {
		wait->block = NULL;
		block->wait = NULL;
		loop_post(home_loop(block->home), &block->withdraw);
	} else if (wait->ask.waiting && wait->unnamed) {
		wait->ops->withdraw(wait->unnamed, &wait->ask);
	} else if (wait->ask.waiting) {
		home_withdraw(&wait->ask);
	}
	wait_finish(wait, reason);
}

void wait_cancel(struct task *task)
{
	wait_leave(container_of(task, struct wait_task, task), REASON_CANCELLED);
}

void wait_return(struct wait_task *wait)
{
	struct ask_block *block = wait->block;

	if (!wait->holds)
		return;
	wait->holds = false;
	wait->block = NULL;
	if (block)
		block_return(block);
	else if (wait->unnamed)
		wait->ops->give_back(wait->unnamed, &wait->ask);
	else
		home_give_back_held(&wait->ask);
}

void wait_fini(struct wait_task *wait)
{
	check(wait->task.state != TASK_STARTED);
	wait_return(wait);
	parcels_drop(&wait->ask.parcels);
	wait->ask.n_parcels = 0;
}

/* ------------------------------------------------------------ without an answer */

static void tell_on_answer(struct ask *ask)
{
	parcels_drop(&ask->parcels);
}

void home_tell(struct homes *homes, const struct thing_ops *ops, struct str name, struct ask *ask)
{
	struct home *home = home_of(homes, name);

	if (name.len > HOME_NAME_MAX) {
		parcels_drop(&ask->parcels);
	} else if (loop_is_current(home_loop(home))) {
		ask->on_answer = tell_on_answer;
		home_ask(home, ops, name, ask);
	} else {
		struct ask_block *block = block_create(homes, home, ops, name, ask);

		loop_post(home_loop(home), &block->post);
	}
}
