/* tests/core/task/message_queue.c */
#include "core/task/message_queue.h"
#include "tests/core/task/shared_fixture.h"

static struct wait_task senders[16], takers[16];
static unsigned n_senders, n_takers;

static void begin(void)
{
	setup();
	n_senders = n_takers = 0;
}

/* Every message and every name is gone when the tasks are finished with. */
static void end(void)
{
	for (unsigned i = 0; i < n_senders; i++)
		enqueue_fini(&senders[i]);
	for (unsigned i = 0; i < n_takers; i++)
		dequeue_fini(&takers[i]);
	is_quiet();
	teardown();
}

static struct wait_task *put_bounded(unsigned loop, struct str name, const char *text,
				     struct enqueue enqueue)
{
	struct wait_task *wait = &senders[n_senders++];

	enqueue.message = blob_create(str_of(text));
	enqueue_init(wait, homes, name, &enqueue, count_end);
	blob_unref(enqueue.message);
	task_start(&wait->task, &scopes[loop]);
	settle();
	return wait;
}

static struct wait_task *put(unsigned loop, struct str name, const char *text,
			     enum queue_policy full)
{
	return put_bounded(loop, name, text,
			   (struct enqueue){ .n_max = 2, .full = full, .wait_ms = WAIT_FOREVER });
}

static struct wait_task *pull_within(unsigned loop, struct str name, struct dequeue dequeue)
{
	struct wait_task *wait = &takers[n_takers++];

	dequeue_init(wait, homes, name, &dequeue, count_end);
	task_start(&wait->task, &scopes[loop]);
	settle();
	return wait;
}

static struct wait_task *pull(unsigned loop, struct str name)
{
	return pull_within(loop, name, (struct dequeue){ .wait_ms = WAIT_FOREVER });
}

static struct str text_of(const struct wait_task *wait)
{
	return blob_str(dequeue_message(wait));
}

static void messages_come_out_in_the_order_in_which_they_went_in(void)
{
	struct str name;

	begin();
	name = name_at(1);
	is_int(put(0, name, "a", QUEUE_REJECT)->task.outcome, OUTCOME_OK);
	is_int(put(1, name, "b", QUEUE_REJECT)->task.outcome, OUTCOME_OK);
	is_int(stats().n_things, 1);
	is_str(text_of(pull(2, name)), STR("a"));
	is_str(text_of(pull(1, name)), STR("b"));
	end();
}

static void one_who_waits_is_handed_the_message(void)
{
	struct wait_task *first, *next;
	struct str name;

	begin();
	name = name_at(1);
	first = pull(0, name);
	next = pull(1, name);
	is_int(n_ended, 0);
	is_int(put(2, name, "a", QUEUE_REJECT)->task.outcome, OUTCOME_OK);
	is_str(text_of(first), STR("a"));
	is_int(next->task.state, TASK_STARTED);
	put(2, name, "b", QUEUE_REJECT);
	is_str(text_of(next), STR("b"));
	end();
}

static void a_full_queue_rejects(void)
{
	struct wait_task *refused;
	struct str name;

	begin();
	name = name_at(1);
	put(0, name, "a", QUEUE_REJECT);
	put(0, name, "b", QUEUE_REJECT);
	refused = put(0, name, "c", QUEUE_REJECT);
	is_int(refused->task.outcome, OUTCOME_FAILED);
	is_int(wait_reason(refused), REASON_FULL);
	is_str(text_of(pull(0, name)), STR("a"));
	is_str(text_of(pull(0, name)), STR("b"));
	end();
}

static void a_full_queue_lets_those_who_put_wait_in_order(void)
{
	struct wait_task *c, *d, *e;
	struct str name;

	begin();
	name = name_at(1);
	put(0, name, "a", QUEUE_WAIT);
	put(0, name, "b", QUEUE_WAIT);
	c = put(0, name, "c", QUEUE_WAIT);
	d = put(1, name, "d", QUEUE_WAIT);
	e = put(2, name, "e", QUEUE_WAIT);
	is_int(n_ended, 2);
	is_str(text_of(pull(0, name)), STR("a"));
	is_int(c->task.outcome, OUTCOME_OK);
	is_int(d->task.state, TASK_STARTED);
	task_cancel(&d->task);
	is_str(text_of(pull(0, name)), STR("b"));
	is_int(e->task.outcome, OUTCOME_OK);
	is_int(wait_reason(d), REASON_CANCELLED);
	is_str(text_of(pull(0, name)), STR("c"));
	is_str(text_of(pull(0, name)), STR("e"));
	end();
}

static void waiting_to_put_is_bounded_in_time_and_number(void)
{
	struct enqueue enqueue = { .n_max = 1, .full = QUEUE_WAIT, .n_wait_max = 1, .wait_ms = 50 };
	struct wait_task *expired, *refused, *now;
	struct str name;

	begin();
	name = name_at(1);
	put_bounded(0, name, "a", enqueue);
	expired = put_bounded(0, name, "b", enqueue);
	refused = put_bounded(0, name, "c", enqueue);
	is_int(wait_reason(refused), REASON_FULL);
	advance_ms(51);
	is_int(wait_reason(expired), REASON_EXPIRED);
	enqueue.wait_ms = 0;
	now = put_bounded(1, name, "d", enqueue);
	is_int(wait_reason(now), REASON_EXPIRED);
	is_str(text_of(pull(0, name)), STR("a"));
	end();
}

static void a_full_queue_drops_its_oldest(void)
{
	struct wait_task *c;
	struct str name;

	begin();
	name = name_at(1);
	put(0, name, "a", QUEUE_DROP_OLDEST);
	put(0, name, "b", QUEUE_DROP_OLDEST);
	c = put(0, name, "c", QUEUE_DROP_OLDEST);
	is_int(c->task.outcome, OUTCOME_OK);
	is_int(enqueue_n_dropped(c), 1);
	is_int(enqueue_n_dropped(&senders[0]), 0);
	is_str(text_of(pull(0, name)), STR("b"));
	is_str(text_of(pull(0, name)), STR("c"));
	end();
}

static void the_bytes_of_a_queue_are_bounded(void)
{
	struct enqueue bounds = { .n_max = 10, .max_bytes = 6 };
	struct str name;

	begin();
	name = name_at(1);
	is_int(wait_reason(put_bounded(0, name, "1234567", bounds)), REASON_TOO_LARGE);
	is_int(wait_reason(put_bounded(0, name, "1234", bounds)), REASON_NONE);
	is_int(wait_reason(put_bounded(0, name, "123", bounds)), REASON_FULL);
	is_int(wait_reason(put_bounded(0, name, "12", bounds)), REASON_NONE);
	bounds.full = QUEUE_DROP_OLDEST;
	is_int(wait_reason(put_bounded(0, name, "abcde", bounds)), REASON_NONE);
	is_int(enqueue_n_dropped(&senders[4]), 2);
	is_str(text_of(pull(0, name)), STR("abcde"));
	end();
}

static void waiting_for_a_message_is_bounded_in_time_and_number(void)
{
	struct wait_task *now, *expired, *refused;
	struct str name;

	begin();
	name = name_at(1);
	now = pull_within(0, name, (struct dequeue){ .wait_ms = 0 });
	is_int(wait_reason(now), REASON_EXPIRED);
	is_null(dequeue_message(now));
	expired = pull_within(0, name, (struct dequeue){ .wait_ms = 50 });
	refused = pull_within(2, name, (struct dequeue){ .n_wait_max = 1, .wait_ms = 50 });
	is_int(wait_reason(refused), REASON_FULL);
	advance_ms(51);
	is_int(wait_reason(expired), REASON_EXPIRED);
	put(0, name, "a", QUEUE_REJECT);
	is_str(text_of(pull(0, name)), STR("a"));
	end();
}

static void a_queue_that_holds_nothing_hands_over(void)
{
	struct enqueue none = { .n_max = 0, .full = QUEUE_WAIT, .wait_ms = WAIT_FOREVER };
	struct wait_task *putter;
	struct str name;

	begin();
	name = name_at(1);
	putter = put_bounded(0, name, "a", none);
	is_int(putter->task.state, TASK_STARTED);
	is_str(text_of(pull(2, name)), STR("a"));
	is_int(putter->task.outcome, OUTCOME_OK);
	none.full = QUEUE_DROP_OLDEST;
	is_int(wait_reason(put_bounded(0, name, "b", none)), REASON_FULL);
	end();
}

/* The message is under way to a dequeue that is cancelled. */
static void a_message_that_comes_late_goes_back_to_its_place(void)
{
	struct wait_task *late = &takers[0];
	struct str name;

	begin();
	name = name_at(1);
	put(0, name, "a", QUEUE_REJECT);
	put(0, name, "b", QUEUE_REJECT);
	n_takers = 1;
	dequeue_init(late, homes, name, &(struct dequeue){ 0 }, count_end);
	task_start(&late->task, &scopes[0]);
	step(1);
	task_cancel(&late->task);
	settle();
	settle();
	is_int(late->task.outcome, OUTCOME_CANCELLED);
	is_null(dequeue_message(late));
	is_str(text_of(pull(0, name)), STR("a"));
	is_str(text_of(pull(0, name)), STR("b"));
	end();
}

static void a_message_that_comes_late_to_an_empty_queue_goes_before_what_came_since(void)
{
	struct wait_task *late = &takers[0];
	struct str name;

	begin();
	name = name_at(1);
	put(0, name, "a", QUEUE_REJECT);
	n_takers = 1;
	dequeue_init(late, homes, name, &(struct dequeue){ 0 }, count_end);
	task_start(&late->task, &scopes[0]);
	step(1);
	is_int(stats().n_things, 0);
	clock_advance(NS_PER_MS);
	put(1, name, "b", QUEUE_REJECT); /* settles: the late one has ended well */
	is_str(text_of(late), STR("a"));
	dequeue_fini(late);
	dequeue_init(late, homes, name, &(struct dequeue){ 0 }, count_end);
	task_start(&late->task, &scopes[0]);
	step(1);
	task_cancel(&late->task);
	clock_advance(NS_PER_MS);
	put(1, name, "c", QUEUE_REJECT);
	settle();
	is_str(text_of(pull(0, name)), STR("b"));
	is_str(text_of(pull(0, name)), STR("c"));
	end();
}

static void messages_may_be_empty(void)
{
	struct str name;

	begin();
	name = name_at(0);
	enqueue_init(&senders[n_senders], homes, name, &(struct enqueue){ .n_max = 1 }, count_end);
	task_start(&senders[n_senders++].task, &scopes[0]);
	settle();
	is_str(text_of(pull(0, name)), STR_NONE);
	is_int(takers[0].task.outcome, OUTCOME_OK);
	end();
}

static void without_a_name_it_is_the_same_on_one_loop(void)
{
	struct enqueue enqueue = { .n_max = 1, .full = QUEUE_WAIT, .wait_ms = WAIT_FOREVER };
	struct message_queue queue;

	begin();
	message_queue_init(&queue);
	for (n_senders = 0; n_senders < 3; n_senders++) {
		message_queue_enqueue_init(&senders[n_senders], &queue, &enqueue, count_end);
		task_start(&senders[n_senders].task, &scopes[0]);
	}
	settle();
	is_int(n_ended, 1);
	for (n_takers = 0; n_takers < 2; n_takers++) {
		message_queue_dequeue_init(&takers[n_takers], &queue, &(struct dequeue){ 0 },
					   count_end);
		task_start(&takers[n_takers].task, &scopes[0]);
		settle();
		is_int(takers[n_takers].task.outcome, OUTCOME_OK);
	}
	is_int(n_ended, 5);
	is_int(queue.n_messages, 1);
	message_queue_fini(&queue); /* with a message in it */
	end();
}

int main(void)
{
	TEST(messages_come_out_in_the_order_in_which_they_went_in);
	TEST(one_who_waits_is_handed_the_message);
	TEST(a_full_queue_rejects);
	TEST(a_full_queue_lets_those_who_put_wait_in_order);
	TEST(waiting_to_put_is_bounded_in_time_and_number);
	TEST(a_full_queue_drops_its_oldest);
	TEST(the_bytes_of_a_queue_are_bounded);
	TEST(waiting_for_a_message_is_bounded_in_time_and_number);
	TEST(a_queue_that_holds_nothing_hands_over);
	TEST(a_message_that_comes_late_goes_back_to_its_place);
	TEST(a_message_that_comes_late_to_an_empty_queue_goes_before_what_came_since);
	TEST(messages_may_be_empty);
	TEST(without_a_name_it_is_the_same_on_one_loop);
	return tap_done();
}
