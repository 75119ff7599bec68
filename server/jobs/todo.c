/* server/jobs/todo.c */
#include "server/jobs/todo.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>

enum {
	WAITING = 0,
	RUNNING = 1,
	DONE = 2,
	DEAD = 3,
	KEPT_MAX = 10000, /* of those that are over */
	CUTS_MAX = 5,     /* starts of one that ends the process each time */
};

#define KEPT_NS (86400 * INT64_C(1000000000)) /* an idempotency key is known */

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
	row = store_query(db, "select id, key, slot from todo where name = ?1 and state = 0", &arg,
			  1);
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

int todo_insert(struct store_db *db, const struct todo *todo, int64_t now_wall_ns,
		struct todo_added *ret)
{
	int64_t n, known = 0;
	int r = 0;

	*ret = (struct todo_added){ .blocked = true, .look_slot = -1 };
	if (todo->idem.len)
		known = store_number(db, "select id from todo where idem = ?1",
				     STORE_ARGS(store_text(todo->idem)), 0, &r);
	ret->id = known;
	if (r < 0 || known)
		return r;
	if (todo->replaces && todo->name.len)
		r = todo_delete(db, todo->name, &n, &ret->look_slot);
	if (r == 0)
		r = todo_line_up(db, todo, &ret->blocked);
	if (r == 0)
		r = todo_errno(store_write(
			db,
			"insert into todo (kind, target, slot, name, key, idem, ord, due, made, "
			"args, "
			"state, blocked, starts, tries, pause) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
			"?7, ?8, "
			"?9, 0, ?10, 0, ?11, ?12)",
			STORE_ARGS(store_int(todo->kind), store_text(todo->target),
				   store_int(todo_slot(todo)), todo_text(todo->name),
				   todo_text(todo->key), todo_text(todo->idem),
				   store_int(todo->due_wall_ns), store_int(now_wall_ns),
				   store_text(todo->args), store_int(ret->blocked),
				   store_int(todo->tries), store_int((int64_t)todo->pause_ms))));
	ret->id = store_last_id(db);
	return r;
}

/* ------------------------------------------------------------ running */

int todo_start(struct store_db *db, int64_t id, struct todo_row *ret_row)
{
	const struct store_arg arg = store_int(id);
	struct sqlite3_stmt *row;
	int r;

	todo_row_fini(ret_row); /* of a first try */
	row = store_query(
		db,
		"select kind, target, key, args, ord, starts, tries, pause from todo where id = "
		"?1 and state = 0 and blocked = 0",
		&arg, 1);
	while ((r = store_row(db, row)) == 1) {
		struct str key = store_row_text(row, 2);

		*ret_row = (struct todo_row){
			.kind = (int)store_row_int(row, 0),
			.target = todo_copy(store_row_text(row, 1)),
			.key = key.len ? todo_copy(key) : NULL,
			.args = todo_copy(store_row_text(row, 3)),
			.due_wall_ns = store_row_int(row, 4),
			.starts = store_row_int(row, 5) + 1,
			.tries = store_row_int(row, 6),
			.pause_ms = store_row_int(row, 7),
		};
	}
	if (r == 0 && !ret_row->target)
		r = -ENOENT;
	if (r == 0)
		r = todo_errno(store_write(
			db, "update todo set state = 1, starts = starts + 1 where id = ?1", &arg,
			1));
	return r;
}

void todo_row_fini(struct todo_row *row)
{
	free(row->target);
	free(row->key);
	free(row->args);
	*row = (struct todo_row){ 0 };
}

int todo_finish(struct store_db *db, int64_t id, struct str key, int64_t now_wall_ns,
		struct todo_next *ret_next)
{
	int r = todo_errno(store_write(db, "delete from todo where id = ?1 and idem is null",
				       STORE_ARGS(store_int(id))));

	if (r == 0)
		r = todo_errno(store_write(db,
					   "update todo set state = 2, made = ?2, args = '', name "
					   "= null where id = ?1",
					   STORE_ARGS(store_int(id), store_int(now_wall_ns))));
	return r < 0 ? r : todo_unblock(db, key, ret_next);
}

int todo_put_back(struct store_db *db, int64_t id, int64_t due_wall_ns, struct str error)
{
	/* its name may be taken by now */
	return todo_errno(
		store_write(db,
			    "update todo set state = 0, due = ?2, error = ?3, name = case when "
			    "exists (select 1 from "
			    "todo o where o.name = todo.name and o.state = 0) then null else name "
			    "end where id = ?1 "
			    "and state = 1",
			    STORE_ARGS(store_int(id), store_int(due_wall_ns), store_text(error))));
}

int todo_bury(struct store_db *db, int64_t id, struct str key, int64_t now_wall_ns,
	      struct str error, struct todo_next *ret_next)
{
	int r = todo_errno(
		store_write(db, "update todo set state = 3, made = ?2, error = ?3 where id = ?1",
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
			"and slot % ?1 = ?2 limit 1",
			STORE_ARGS(store_int(slots->n_loops), store_int(slots->loop),
				   store_int(CUTS_MAX)));
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
			"update todo set state = 0, due = ?3, name = null where state = 1 and slot "
			"% ?1 "
			"= ?2",
			STORE_ARGS(store_int(slots->n_loops), store_int(slots->loop),
				   store_int(now_wall_ns))));
	return r;
}

static int todo_forget(struct store_db *db, int64_t now_wall_ns)
{
	int r = todo_errno(store_write(db, "delete from todo where state >= 2 and made < ?1",
				       STORE_ARGS(store_int(now_wall_ns - KEPT_NS))));

	if (r == 0)
		r = todo_errno(
			store_write(db,
				    "delete from todo where state >= 2 and id <= (select id from "
				    "todo where state >= 2 order by id desc limit 1 offset ?1)",
				    STORE_ARGS(store_int(KEPT_MAX))));
	return r;
}

int todo_near(struct store_db *db, const struct todo_slots *slots, int64_t now_wall_ns,
	      int64_t until_wall_ns, struct todo_next *ret_near, size_t max)
{
	struct sqlite3_stmt *row;
	int n_near = 0, r = todo_forget(db, now_wall_ns);

	if (r < 0)
		return r;
	row = store_query(
		db,
		"select id, due from todo where state = 0 and blocked = 0 and due <= ?3 and "
		"slot % ?1 = ?2 order by due, id limit ?4",
		STORE_ARGS(store_int(slots->n_loops), store_int(slots->loop),
			   store_int(until_wall_ns), store_int((int64_t)max)));
	while ((r = store_row(db, row)) == 1)
		ret_near[n_near++] =
			(struct todo_next){ store_row_int(row, 0), store_row_int(row, 1) };
	return r < 0 ? r : n_near;
}
