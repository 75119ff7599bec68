/* tests/server/jobs/todo.c: which of those that are to be done once may begin. */
#include "server/jobs/todo.h"
#include "server/jobs/todo_look.h"
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
	int r = todo_start(db, id, 0, &row);

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

static void not_begun(struct store_db *db)
{
	int64_t a = add(db, "k", 1);

	for (int i = 0; i < 10; i++) { /* its job could not take it yet */
		is_int(start(db, a), 0);
		is_int(todo_not_begun(db, a, 1 * S, STR("")), 0);
		is_true(is_near(db, a));
	}
	is_int(start(db, a), 0);
	is_int(todo_recover(db, &all, 0), 0); /* the process has ended once */
	is_true(is_near(db, a));
}

static void one_that_could_not_begin_has_not_used_up_a_start(void)
{
	in_store(not_begun);
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

/* ------------------------------------------------------------ requests of clients */

#define TOKEN_A "0123456789abcdef0123456789abcdef"
#define TOKEN_B "fedcba9876543210fedcba9876543210"

static const struct todo_slots clients = { 1, 0, LANE_CLIENTS };

static int64_t add_request(struct store_db *db, const char *token, int64_t waiting_max)
{
	const struct todo todo = { .kind = TODO_ROUTE,
				   .target = STR("POST /"),
				   .token = str_of(token),
				   .args = STR("x\0y"),
				   .due_wall_ns = 1 * S,
				   .tries = 1,
				   .waiting_max = waiting_max };

	return add_todo(db, &todo);
}

static enum todo_is state_of(struct store_db *db, const char *token)
{
	struct todo_look look;
	enum todo_is state;

	todo_look_init(&look);
	is_int(todo_look_token(db, str_of(token), &look), 0);
	state = look.state;
	todo_look_fini(&look);
	return state;
}

static void lanes(struct store_db *db)
{
	int64_t own = add(db, "", 1), client = add_request(db, TOKEN_A, 10);
	struct todo_row row = { 0 };
	struct todo_next near;

	is_true(is_near(db, own));
	is_int(todo_near(db, &clients, 0, 1000 * S, &near, 1), 1);
	is_int(near.id, client);
	is_int(todo_start(db, client, 0, &row), 0);
	is_int(row.args_len, 3);
	is_true(memcmp(row.args, "x\0y", 3) == 0);
	is_text(row.token, TOKEN_A);
	todo_row_fini(&row);
	is_int(todo_recover(db, &all, 0), 0); /* of the other lane */
	is_int(state_of(db, TOKEN_A), TODO_IS_RUNNING);
	is_int(todo_recover(db, &clients, 0), 0);
	is_int(state_of(db, TOKEN_A), TODO_IS_WAITING);
}

static void requests_are_in_a_lane_of_their_own(void)
{
	in_store(lanes);
}

static void answers(struct store_db *db)
{
	const struct todo_answer answer = { 201, STR("{}"), STR("a\0b") };
	int64_t id = add_request(db, TOKEN_A, 10);
	struct todo_look look;

	is_int(start(db, id), 0);
	is_int(todo_answer_keep(db, id, &answer), 0);
	finish(db, id);
	todo_look_init(&look);
	is_int(todo_look_token(db, STR(TOKEN_A), &look), 0);
	is_int(look.state, TODO_IS_OK);
	is_int(look.status, 201);
	is_int(look.body.len, 3);
	is_int(todo_look_token(db, STR(TOKEN_B), &look), -ENOENT);
	todo_near(db, &clients, 90000 * S, 0, NULL, 0); /* more than a day later */
	is_int(todo_look_token(db, STR(TOKEN_A), &look), -ENOENT);
	is_int(store_number(db, "select count(*) from todo_answer", STORE_NO_ARGS, -1, NULL), 0);
	todo_look_fini(&look);
}

static void strange(struct store_db *db)
{
	struct todo_look look;
	struct buf out;

	add_request(db, TOKEN_A, 10);
	is_int(store_write(db, "update todo set state = 1000000", STORE_NO_ARGS), 1);
	todo_look_init(&look);
	buf_init(&out, 1000);
	is_int(todo_look_token(db, STR(TOKEN_A), &look), 0);
	todo_look_write(&look, &out);
	is_true(str_starts_with(buf_str(&out), STR("\"state\":\"failed\"")));
	buf_fini(&out);
	todo_look_fini(&look);
}

static void a_state_that_is_none_is_no_crash(void)
{
	in_store(strange);
}

static void an_answer_is_known_until_it_is_forgotten_with_its_request(void)
{
	in_store(answers);
}

static void room(struct store_db *db)
{
	int64_t a = add_request(db, TOKEN_A, 1);

	is_true(a > 0);
	is_int(add_request(db, TOKEN_B, 1), -EBUSY);
	is_int(start(db, a), 0);
	is_int(add_request(db, TOKEN_B, 1), -EBUSY);
	finish(db, a);
	is_true(add_request(db, TOKEN_B, 1) > a);
}

static void no_more_requests_of_a_route_wait_than_may(void)
{
	in_store(room);
}

static void cancelling(struct store_db *db)
{
	int64_t a = add_request(db, TOKEN_A, 2), b = add_request(db, TOKEN_B, 2), n;

	is_int(todo_cancel_token(db, STR(TOKEN_A), 5 * S, &n), 0);
	is_int(n, 1);
	is_int(state_of(db, TOKEN_A), TODO_IS_CANCELLED);
	is_int(start(db, a), -ENOENT);
	is_int(todo_cancel_token(db, STR(TOKEN_A), 5 * S, &n), 0);
	is_int(n, 0);
	is_int(start(db, b), 0);
	is_int(todo_cancel_token(db, STR(TOKEN_B), 5 * S, &n), 0);
	is_int(n, 1);
	is_int(state_of(db, TOKEN_B), TODO_IS_RUNNING);
	is_int(todo_recover(db, &clients, 6 * S), 0); /* a crash before it was told to stop */
	is_int(state_of(db, TOKEN_B), TODO_IS_CANCELLED);
	is_true(add_request(db, "x", 1) > b);
}

static void one_that_is_cancelled_does_not_begin_again(void)
{
	in_store(cancelling);
}

static void prints(struct store_db *db)
{
	struct todo todo = { .kind = TODO_ROUTE,
			     .target = STR("POST /"),
			     .idem = STR("i"),
			     .token = STR(TOKEN_A),
			     .print = STR("p"),
			     .args = STR("x") };
	struct todo_added added;
	int64_t id = add_todo(db, &todo);

	todo.token = STR(TOKEN_B);
	is_int(todo_insert(db, &todo, 0, &added), 0);
	is_int(added.id, id);
	is_text(added.token, TOKEN_A);
	todo.print = STR("q");
	is_int(todo_insert(db, &todo, 0, &added), -EEXIST);
	todo = (struct todo){ .target = STR("flow"), .idem = STR("i"), .args = STR("{}") };
	is_int(todo_insert(db, &todo, 0, &added), -EEXIST); /* what is no request has no token */
}

static void an_idempotency_key_is_for_one_request_only(void)
{
	in_store(prints);
}

int main(void)
{
	TEST(those_of_a_key_are_in_the_order_of_their_times);
	TEST(one_that_failed_blocks_its_key_until_it_is_given_up);
	TEST(those_without_a_key_and_of_others_wait_for_nobody);
	TEST(a_name_is_taken_until_it_begins);
	TEST(the_same_is_not_added_twice_within_a_day_after_its_end);
	TEST(one_that_is_cut_begins_again_five_times);
	TEST(one_that_could_not_begin_has_not_used_up_a_start);
	TEST(each_is_done_by_one_loop);
	TEST(requests_are_in_a_lane_of_their_own);
	TEST(a_state_that_is_none_is_no_crash);
	TEST(an_answer_is_known_until_it_is_forgotten_with_its_request);
	TEST(no_more_requests_of_a_route_wait_than_may);
	TEST(one_that_is_cancelled_does_not_begin_again);
	TEST(an_idempotency_key_is_for_one_request_only);
	return tap_done();
}
