/* tests/server/jobs/todo.c: which of those that are to be done once may begin. */
#include "server/jobs/todo.h"
#include "tests/lib/tap.h"
#include <errno.h>

#define S INT64_C(1000000000)

typedef void test_fn(struct store_db *db);

struct in_store {
	struct store_op op;
	test_fn *test;
};

static const struct todo_slots all = { 1, 0 };

static int in_store_run(struct store_op *op, struct store_db *db)
{
	container_of(op, struct in_store, op)->test(db);
	return 0;
}

static void in_store_done(struct store_op *op)
{
	loop_stop(op->loop);
}

/* On the thread of a store of its own. */
static void in_store(test_fn *test)
{
	const struct store_settings settings = { ":memory:", 1 << 30, false };
	struct in_store in = { .op = { .run = in_store_run, .on_done = in_store_done },
			       .test = test };
	struct store *store;
	struct diag diag;

	diag_init(&diag);
	check(loop_create(&in.op.loop) == 0);
	store = store_create(&settings, &diag);
	check(store && store_submit(store, &in.op, 0) == 0);
	loop_run(in.op.loop);
	is_int(in.op.result, 0);
	store_destroy(store);
	loop_destroy(in.op.loop);
	diag_fini(&diag);
}

static int64_t add_todo(struct store_db *db, const struct todo *todo)
{
	struct todo_added added;
	int r = todo_insert(db, todo, 0, &added);

	return r < 0 ? r : added.id;
}

static int64_t add(struct store_db *db, const char *key, int64_t due_s)
{
	const struct todo todo = { .target = STR("flow"),
				   .key = str_of(key),
				   .args = STR("{}"),
				   .due_wall_ns = due_s * S,
				   .tries = 2 };

	return add_todo(db, &todo);
}

/* Whether exactly this one is near; 0: none. */
static bool is_near(struct store_db *db, int64_t id)
{
	struct todo_next near[10];
	int n = todo_near(db, &all, 0, 1000 * S, near, 10);

	return id ? n == 1 && near[0].id == id : n == 0;
}

static int start(struct store_db *db, int64_t id)
{
	struct todo_row row = { 0 };
	int r = todo_start(db, id, &row);

	todo_row_fini(&row);
	return r;
}

static int64_t finish(struct store_db *db, int64_t id)
{
	struct todo_next next;

	check(todo_finish(db, id, STR("k"), 0, &next) == 0);
	return next.id;
}

static void key_order(struct store_db *db)
{
	int64_t b = add(db, "k", 20), c = add(db, "k", 20), a;

	is_true(is_near(db, b));
	a = add(db, "k", 10); /* it is due before the first, which has not begun */
	is_true(is_near(db, a));
	is_int(start(db, b), -ENOENT);
	is_int(start(db, a), 0);
	is_int(start(db, a), -ENOENT); /* once */
	is_true(is_near(db, 0));
	is_int(add(db, "k", 5) > 0, 1); /* what runs is not overtaken */
	is_true(is_near(db, 0));
	is_int(finish(db, a), a + 1);
	is_int(start(db, a + 1), 0);
	is_int(finish(db, a + 1), b);
	is_int(start(db, c), -ENOENT);
	is_int(start(db, b), 0);
	is_int(finish(db, b), c);
	is_int(start(db, c), 0);
	is_int(finish(db, c), 0);
	is_true(is_near(db, 0));
}

static void those_of_a_key_are_in_the_order_of_their_times(void)
{
	in_store(key_order);
}

static void failing_head(struct store_db *db)
{
	int64_t a = add(db, "k", 10), b = add(db, "k", 20);
	struct todo_next next;

	is_int(start(db, a), 0);
	is_int(todo_put_back(db, a, 500 * S, STR("failed")), 0);
	is_true(is_near(db, a));
	is_int(start(db, b), -ENOENT);
	is_int(start(db, a), 0);
	is_int(todo_bury(db, a, STR("k"), 0, STR("failed"), &next), 0);
	is_int(next.id, b);
	is_true(is_near(db, b));
	is_int(start(db, a), -ENOENT);
}

static void one_that_failed_blocks_its_key_until_it_is_given_up(void)
{
	in_store(failing_head);
}

static void other_keys(struct store_db *db)
{
	struct todo_next near[10];

	for (int i = 0; i < 3; i++) {
		add(db, "", 3 - i);
		add(db, i ? "a" : "b", 10);
	}
	is_int(todo_near(db, &all, 0, 1000 * S, near, 10), 5);
	is_int(near[0].id, 5);
	is_int(near[0].due_wall_ns, 1 * S);
	is_int(todo_near(db, &all, 0, 2 * S, near, 10), 2);
	is_int(todo_near(db, &all, 0, 1000 * S, near, 3), 3);
}

static void those_without_a_key_and_of_others_wait_for_nobody(void)
{
	in_store(other_keys);
}

static void names(struct store_db *db)
{
	struct todo todo = { .target = STR("flow"),
			     .name = STR("n"),
			     .key = STR("k"),
			     .args = STR("{}"),
			     .due_wall_ns = 10 * S };
	int64_t a = add_todo(db, &todo), b = add(db, "k", 20), n, slot;

	is_true(a > 0);
	is_int(add_todo(db, &todo), -EEXIST);
	is_int(todo_delete(db, STR("n"), &n, &slot), 0);
	is_int(n, 1);
	is_int(slot, todo_slot_of(STR("k")));
	is_true(is_near(db, b)); /* what was behind it is the first now */
	is_int(todo_delete(db, STR("n"), &n, &slot), 0);
	is_int(n, 0);
	is_int(slot, -1);
	a = add_todo(db, &todo);
	todo.replaces = true;
	is_true(add_todo(db, &todo) > a);
	is_int(start(db, a), -ENOENT);
	a = add_todo(db, &todo);
	is_int(start(db, a), 0);
	todo.replaces = false;
	is_true(add_todo(db, &todo) > a); /* the name of one that has begun is free */
	is_int(todo_put_back(db, a, 0, STR("")), 0);
}

static void a_name_is_taken_until_it_begins(void)
{
	in_store(names);
}

static void idempotency(struct store_db *db)
{
	const struct todo todo = { .target = STR("flow"), .idem = STR("i"), .args = STR("{}") };
	int64_t a = add_todo(db, &todo);

	is_int(add_todo(db, &todo), a);
	is_int(start(db, a), 0);
	is_int(finish(db, a), 0);
	is_int(add_todo(db, &todo), a);
	is_true(is_near(db, 0));
	todo_near(db, &all, 90000 * S, 0, NULL, 0); /* more than a day later */
	is_true(add_todo(db, &todo) > a);
}

static void the_same_is_not_added_twice_within_a_day_after_its_end(void)
{
	in_store(idempotency);
}

static void cuts(struct store_db *db)
{
	int64_t a = add(db, "k", 1), b = add(db, "k", 2);

	for (int i = 0; i < 5; i++) {
		is_int(start(db, a), 0);
		is_int(todo_recover(db, &all, 0), 0);
	}
	is_int(start(db, a), -ENOENT); /* it has ended the process five times */
	is_true(is_near(db, b));
}

static void one_that_is_cut_begins_again_five_times(void)
{
	in_store(cuts);
}

static void slots(struct store_db *db)
{
	const struct todo_slots first = { 2, 0 }, second = { 2, 1 };
	struct todo_next near[10];

	for (int i = 0; i < 8; i++)
		add(db, (char[2]){ (char)('a' + i), 0 }, 1);
	is_int(todo_near(db, &first, 0, 1000 * S, near, 10) +
		       todo_near(db, &second, 0, 1000 * S, near, 10),
	       8);
	is_true(todo_near(db, &first, 0, 1000 * S, near, 10) > 0);
	is_true(todo_near(db, &second, 0, 1000 * S, near, 10) > 0);
}

static void each_is_done_by_one_loop(void)
{
	in_store(slots);
}

int main(void)
{
	TEST(those_of_a_key_are_in_the_order_of_their_times);
	TEST(one_that_failed_blocks_its_key_until_it_is_given_up);
	TEST(those_without_a_key_and_of_others_wait_for_nobody);
	TEST(a_name_is_taken_until_it_begins);
	TEST(the_same_is_not_added_twice_within_a_day_after_its_end);
	TEST(one_that_is_cut_begins_again_five_times);
	TEST(each_is_done_by_one_loop);
	return tap_done();
}
