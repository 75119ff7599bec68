/* server/jobs/todo.c */
#include "server/jobs/todo.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	WAITING = 0,
	RUNNING = 1,
	DONE = 2,
	DEAD = 3,
	CANCELLED = 4,
	KEPT_MAX = 10000, /* of those of one lane that are over */
	CUTS_MAX = 5,     /* starts of one that ends the process each time */
};

#define KEPT_NS (86400 * INT64_C(1000000000)) /* what is over is known, if it says nothing else */
#define KEPT_BYTES_MAX (INT64_C(256) << 20)   /* of the answers of one lane */

/* NULL rather than an empty text: what there is none of is in no index. */
static struct store_arg todo_text(struct str text)
{
	return text.len ? store_text(text) : store_null();
}

static int todo_errno(int64_t r)
{
	return (int)MIN(r, INT64_C(0));
}

static char *todo_copy(struct str text)
{
	return mem_strndup(text.len ? text.ptr : "", text.len);
}

/* ------------------------------------------------------------ the order of a key */

/* Who comes is behind what runs, and what is due before it; else it takes the place of the first. */
static int todo_line_up(struct store_db *db, const struct todo *todo, bool *ret_blocked)
{
	const struct store_arg key = todo_text(todo->key);
	int r = 0;

	*ret_blocked = false;
	if (!todo->key.len)
		return 0;
	*ret_blocked =
		store_number(db,
			     "select exists (select 1 from todo where key = ?1 and state < 2 "
			     "and (state = 1 or ord <= ?2))",
			     STORE_ARGS(key, store_int(todo->due_wall_ns)), 0, &r) != 0;
	if (r == 0 && !*ret_blocked)
		r = todo_errno(
			store_write(db,
				    "update todo set blocked = 1 where key = ?1 and state = 0 and "
				    "blocked = 0",
				    &key, 1));
	return r;
}

static int todo_unblock(struct store_db *db, struct str key, struct todo_next *ret_next)
{
	const struct store_arg arg = store_text(key);
	struct sqlite3_stmt *row;
	int r;

	*ret_next = (struct todo_next){ 0 };
	if (!key.len)
		return 0;
	row = store_query(
		db,
		"select id, due from todo where key = ?1 and state < 2 order by state desc, "
		"ord, id limit 1",
		&arg, 1);
	while ((r = store_row(db, row)) == 1)
		*ret_next = (struct todo_next){ store_row_int(row, 0), store_row_int(row, 1) };
	if (r == 0 && ret_next->id)
		r = todo_errno(store_write(db, "update todo set blocked = 0 where id = ?1",
					   STORE_ARGS(store_int(ret_next->id))));
	return r;
}

/* ------------------------------------------------------------ coming and going */

int todo_delete_sends(struct store_db *db, struct str name, int64_t *ret_n)
{
	int64_t r = store_write(db, "delete from todo where name = ?1 and state = 0 and kind = 2",
				STORE_ARGS(store_text(name)));

	*ret_n = MAX(r, INT64_C(0));
	return todo_errno(r);
}

int todo_delete(struct store_db *db, struct str name, int64_t *ret_n, int64_t *ret_look_slot)
{
	const struct store_arg arg = store_text(name);
	struct todo_next next;
	struct sqlite3_stmt *row;
	char *key = NULL;
	int64_t id = 0;
	int r;

	*ret_n = 0;
	*ret_look_slot = -1;
	row = store_query(
		db, "select id, key, slot from todo where name = ?1 and state = 0 and kind <> 2",
		&arg, 1);
	while ((r = store_row(db, row)) == 1) {
		id = store_row_int(row, 0);
		free(key);
		key = todo_copy(store_row_text(row, 1));
		*ret_look_slot = store_row_int(row, 2);
	}
	if (r == 0 && id) {
		*ret_n = 1;
		r = todo_errno(store_write(db, "delete from todo where id = ?1",
					   STORE_ARGS(store_int(id))));
		if (r == 0)
			r = todo_unblock(db, str_of(key), &next);
	}
	free(key);
	return r;
}

static void todo_set_token(struct todo_added *added, struct str token)
{
	snprintf(added->token, sizeof(added->token), "%.*s",
		 STR_ARG(str_first(token, TODO_TOKEN_LEN)));
}

/* One that was added with the same idempotency key: ret->id is 0 when there is none. */
static int todo_find_same(struct store_db *db, const struct todo *todo, struct todo_added *ret)
{
	const struct store_arg arg = store_text(todo->idem);
	bool other = false;
	struct sqlite3_stmt *row;
	int r;

	if (!todo->idem.len)
		return 0;
	row = store_query(db, "select id, token, print from todo where idem = ?1", &arg, 1);
	while ((r = store_row(db, row)) == 1) {
		ret->id = store_row_int(row, 0);
		todo_set_token(ret, store_row_text(row, 1));
		other = !str_eq(store_row_text(row, 2), todo->print) ||
			!ret->token[0] != !todo->token.len;
	}
	return r < 0 ? r : other ? -EEXIST : 0;
}

static int todo_check_room(struct store_db *db, const struct todo *todo)
{
	int r = 0;
	int64_t n = todo->waiting_max
			    ? store_number(db, "select n from todo_count where target = ?1",
					   STORE_ARGS(store_text(todo->target)), 0, &r)
			    : 0;

	return r < 0 ? r : todo->waiting_max && n >= todo->waiting_max ? -EBUSY : 0;
}

static int todo_insert_row(struct store_db *db, const struct todo *todo, int64_t now_wall_ns,
			   bool blocked)
{
	return todo_errno(store_write(
		db,
		"insert into todo (kind, target, slot, name, key, idem, ord, due, made, args, "
		"state, blocked, starts, tries, pause, lane, token, print, keep) values (?1, ?2, "
		"?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, 0, ?10, 0, ?11, ?12, ?13, ?14, ?15, ?16)",
		STORE_ARGS(store_int(todo->kind), store_text(todo->target),
			   store_int(todo_slot(todo)), todo_text(todo->name), todo_text(todo->key),
			   todo_text(todo->idem), store_int(todo->due_wall_ns),
			   store_int(now_wall_ns), store_text(todo->args), store_int(blocked),
			   store_int(todo->tries), store_int((int64_t)todo->pause_ms),
			   store_int(todo_lane(todo)), todo_text(todo->token),
			   todo_text(todo->print), store_int(todo->keep_ns))));
}

int todo_insert(struct store_db *db, const struct todo *todo, int64_t now_wall_ns,
		struct todo_added *ret)
{
	int64_t n;
	int r;

	*ret = (struct todo_added){ .blocked = true, .look_slot = -1 };
	r = todo_find_same(db, todo, ret);
	if (r < 0 || ret->id)
		return r;
	r = todo_check_room(db, todo);
	if (r == 0 && todo->replaces && todo->name.len)
		r = todo_delete(db, todo->name, &n, &ret->look_slot);
	if (r == 0)
		r = todo_line_up(db, todo, &ret->blocked);
	if (r == 0)
		r = todo_insert_row(db, todo, now_wall_ns, ret->blocked);
	ret->id = store_last_id(db);
	todo_set_token(ret, todo->token);
	return r;
}

int todo_cancel_token(struct store_db *db, struct str token, int64_t now_wall_ns, int64_t *ret_n)
{
	int64_t n = store_write(
		db,
		"update todo set cancelled = 1, made = case state when 0 then ?2 else made end, "
		"args = case state when 0 then '' else args end, state = case state when 0 then 4 "
		"else state end where token = ?1 and state < 2",
		STORE_ARGS(store_text(token), store_int(now_wall_ns)));

	*ret_n = MAX(n, INT64_C(0));
	return todo_errno(n);
}

/* ------------------------------------------------------------ running */

int todo_start(struct store_db *db, int64_t id, int64_t now_wall_ns, struct todo_row *ret_row)
{
	const struct store_arg arg = store_int(id);
	struct sqlite3_stmt *row;
	int r;

	todo_row_fini(ret_row); /* of a first try */
	row = store_query(
		db,
		"select kind, target, key, args, ord, starts, tries, pause, token from todo where "
		"id = ?1 and state = 0 and blocked = 0",
		&arg, 1);
	while ((r = store_row(db, row)) == 1) {
		struct str key = store_row_text(row, 2), args = store_row_text(row, 3);

		*ret_row = (struct todo_row){
			.kind = (int)store_row_int(row, 0),
			.target = todo_copy(store_row_text(row, 1)),
			.key = key.len ? todo_copy(key) : NULL,
			.args = todo_copy(args),
			.args_len = args.len,
			.due_wall_ns = store_row_int(row, 4),
			.starts = store_row_int(row, 5) + 1,
			.tries = store_row_int(row, 6),
			.pause_ms = store_row_int(row, 7),
			.token = todo_copy(store_row_text(row, 8)),
		};
	}
	if (r == 0 && !ret_row->target)
		r = -ENOENT;
	if (r == 0)
		r = todo_errno(store_write(
			db,
			"update todo set state = 1, starts = starts + 1, begun = ?2 where id = ?1",
			STORE_ARGS(arg, store_int(now_wall_ns))));
	return r;
}

void todo_row_fini(struct todo_row *row)
{
	free(row->target);
	free(row->key);
	free(row->args);
	free(row->token);
	*row = (struct todo_row){ 0 };
}

int todo_answer_keep(struct store_db *db, int64_t id, const struct todo_answer *answer)
{
	int64_t size = (int64_t)(answer->fields.len + answer->body.len);
	int r = todo_errno(
		store_write(db, "insert or replace into todo_answer values (?1, ?2, ?3, ?4)",
			    STORE_ARGS(store_int(id), store_int(answer->status),
				       store_text(answer->fields), store_text(answer->body))));

	return r < 0 ? r
		     : todo_errno(store_write(db, "update todo set size = ?2 where id = ?1",
					      STORE_ARGS(store_int(id), store_int(size))));
}

int todo_cancelled(struct store_db *db, int64_t id, int64_t now_wall_ns)
{
	return todo_errno(
		store_write(db, "update todo set state = 4, made = ?2, args = '' where id = ?1",
			    STORE_ARGS(store_int(id), store_int(now_wall_ns))));
}

int todo_finish(struct store_db *db, int64_t id, struct str key, int64_t now_wall_ns,
		struct todo_next *ret_next)
{
	/* of jobs and requests somebody may ask what has become of them */
	int r = todo_errno(store_write(
		db, "delete from todo where id = ?1 and idem is null and kind not in (1, 3)",
		STORE_ARGS(store_int(id))));

	if (r == 0)
		r = todo_errno(store_write(db,
					   "update todo set state = 2, made = ?2, args = '', name "
					   "= null, error = null where id = ?1",
					   STORE_ARGS(store_int(id), store_int(now_wall_ns))));
	return r < 0 ? r : todo_unblock(db, key, ret_next);
}

int todo_put_back(struct store_db *db, int64_t id, int64_t due_wall_ns, struct str error)
{
	/* its name may be taken by now */
	return todo_errno(store_write(
		db,
		"update todo set state = case cancelled when 1 then 4 else 0 end, made "
		"= case cancelled when 1 then ?2 else made end, due = ?2, error = ?3, name = case "
		"when kind <> 2 and exists (select 1 from todo o where o.name = todo.name "
		"and o.state = 0 and o.kind <> 2) then null else name end where id = "
		"?1 and state = 1",
		STORE_ARGS(store_int(id), store_int(due_wall_ns), store_text(error))));
}

int todo_not_begun(struct store_db *db, int64_t id, int64_t due_wall_ns, struct str error)
{
	int r = todo_errno(store_write(
		db, "update todo set starts = max(starts - 1, 0) where id = ?1 and state = 1",
		STORE_ARGS(store_int(id))));

	return r < 0 ? r : todo_put_back(db, id, due_wall_ns, error);
}

int todo_bury(struct store_db *db, int64_t id, struct str key, int64_t now_wall_ns,
	      struct str error, struct todo_next *ret_next)
{
	int r = todo_errno(
		store_write(db,
			    "update todo set state = 3, made = ?2, error = ?3, args = case kind "
			    "when 3 then '' else args end where id = ?1",
			    STORE_ARGS(store_int(id), store_int(now_wall_ns), store_text(error))));

	return r < 0 ? r : todo_unblock(db, key, ret_next);
}

/* ------------------------------------------------------------ for the agenda of one loop */

/* One that was given up in this way unblocks the next of its key. */
static int todo_give_up(struct store_db *db, const struct todo_slots *slots, int64_t now_wall_ns)
{
	struct todo_next next;
	struct sqlite3_stmt *row;
	int64_t id;
	char *key;
	int r;

	do {
		id = 0;
		key = NULL;
		row = store_query(
			db,
			"select id, key from todo where state = 1 and starts >= max(tries, ?3) "
			"and slot % ?1 = ?2 and lane = ?4 and cancelled = 0 limit 1",
			STORE_ARGS(store_int(slots->n_loops), store_int(slots->loop),
				   store_int(CUTS_MAX), store_int(slots->lane)));
		while ((r = store_row(db, row)) == 1) {
			id = store_row_int(row, 0);
			free(key);
			key = todo_copy(store_row_text(row, 1));
		}
		if (r == 0 && id)
			r = todo_bury(db, id, str_of(key), now_wall_ns, STR("interrupted"), &next);
		free(key);
	} while (r == 0 && id);
	return r;
}

int todo_recover(struct store_db *db, const struct todo_slots *slots, int64_t now_wall_ns)
{
	int r = todo_give_up(db, slots, now_wall_ns);

	if (r == 0)
		r = todo_errno(store_write(
			db,
			"update todo set state = case cancelled when 1 then 4 else 0 end, made = "
			"case cancelled when 1 then ?3 else made end, due = ?3, name = case when "
			"kind = 2 then name end where state = 1 and slot % ?1 = "
			"?2 and lane = ?4",
			STORE_ARGS(store_int(slots->n_loops), store_int(slots->loop),
				   store_int(now_wall_ns), store_int(slots->lane))));
	return r;
}

/* What is over too long, or too many, or too large together. */
static int todo_forget(struct store_db *db, enum todo_lane lane, int64_t now_wall_ns)
{
	int r = todo_errno(store_write(
		db,
		"delete from todo where state >= 2 and lane = ?1 and made < ?2 - case keep when 0 "
		"then ?3 else keep end",
		STORE_ARGS(store_int(lane), store_int(now_wall_ns), store_int(KEPT_NS))));

	if (r == 0)
		r = todo_errno(store_write(
			db,
			"delete from todo where state >= 2 and lane = ?1 and id <= (select id from "
			"todo where state >= 2 and lane = ?1 order by id desc limit 1 offset ?2)",
			STORE_ARGS(store_int(lane), store_int(KEPT_MAX))));
	if (r == 0 && lane == LANE_CLIENTS)
		r = todo_errno(store_write(
			db,
			"delete from todo where id in (select id from (select id, sum(size) over "
			"(order by id desc) as total from todo where state >= 2 and lane = 1) "
			"where total > ?1)",
			STORE_ARGS(store_int(KEPT_BYTES_MAX))));
	return r;
}

int todo_near(struct store_db *db, const struct todo_slots *slots, int64_t now_wall_ns,
	      int64_t until_wall_ns, struct todo_next *ret_near, size_t max)
{
	struct sqlite3_stmt *row;
	int n_near = 0, r = todo_forget(db, slots->lane, now_wall_ns);

	if (r < 0)
		return r;
	row = store_query(
		db,
		"select id, due from todo where state = 0 and blocked = 0 and lane = ?5 and due <= "
		"?3 and slot % ?1 = ?2 order by due, id limit ?4",
		STORE_ARGS(store_int(slots->n_loops), store_int(slots->loop),
			   store_int(until_wall_ns), store_int((int64_t)max),
			   store_int(slots->lane)));
	while ((r = store_row(db, row)) == 1)
		ret_near[n_near++] =
			(struct todo_next){ store_row_int(row, 0), store_row_int(row, 1) };
	return r < 0 ? r : n_near;
}
