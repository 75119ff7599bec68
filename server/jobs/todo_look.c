/* server/jobs/todo_look.c */
#include "server/jobs/todo_look.h"
#include "server/expr/json.h"
#include "server/jobs/history.h"
#include "server/jobs/todo.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void todo_look_init(struct todo_look *look)
{
	*look = (struct todo_look){ 0 };
	buf_init(&look->fields, SIZE_MAX);
	buf_init(&look->body, SIZE_MAX);
}

void todo_look_fini(struct todo_look *look)
{
	buf_fini(&look->fields);
	buf_fini(&look->body);
}

/* The first columns of a row are those of TODO_LOOK_COLUMNS. */
#define TODO_LOOK_COLUMNS "state, id, ord, begun, made, due, starts, error"

static void todo_look_take(struct sqlite3_stmt *row, struct todo_look *look)
{
	struct str error = store_row_text(row, 7);
	int64_t state = store_row_int(row, 0);

	look->state = state >= TODO_IS_WAITING && state <= TODO_IS_CANCELLED ? (enum todo_is)state
									     : TODO_IS_DEAD;
	look->id = store_row_int(row, 1);
	look->asked_wall_ns = store_row_int(row, 2);
	look->begun_wall_ns = store_row_int(row, 3);
	look->made_wall_ns = store_row_int(row, 4);
	look->due_wall_ns = store_row_int(row, 5);
	look->starts = store_row_int(row, 6);
	snprintf(look->error, sizeof(look->error), "%.*s",
		 STR_ARG(str_first(error, sizeof(look->error) - 1)));
}

static int todo_look_read(struct store_db *db, struct sqlite3_stmt *row, struct todo_look *look)
{
	bool found = false;
	int r;

	while ((r = store_row(db, row)) == 1) {
		found = true;
		todo_look_take(row, look);
	}
	return r < 0 ? r : found ? 0 : -ENOENT;
}

static int todo_look_answer(struct store_db *db, struct todo_look *look)
{
	const struct store_arg arg = store_int(look->id);
	struct sqlite3_stmt *row;
	int r;

	buf_clear(&look->fields); /* of a first try */
	buf_clear(&look->body);
	row = store_query(db, "select status, fields, body from todo_answer where id = ?1", &arg,
			  1);
	while ((r = store_row(db, row)) == 1) {
		look->status = (int)store_row_int(row, 0);
		buf_add(&look->fields, store_row_text(row, 1));
		buf_add(&look->body, store_row_text(row, 2));
	}
	return r < 0 ? r : look->fields.error || look->body.error ? -ENOMEM : 0;
}

int todo_look_token(struct store_db *db, struct str token, struct todo_look *look)
{
	const struct store_arg arg = store_text(token);
	int r = todo_look_read(
		db,
		store_query(db, "select " TODO_LOOK_COLUMNS " from todo where token = ?1", &arg, 1),
		look);

	return r < 0 ? r : todo_look_answer(db, look);
}

int todo_look_job(struct store_db *db, struct str job, int64_t id, struct todo_look *look)
{
	const struct store_arg args[] = { store_int(id), store_text(job) };

	return todo_look_read(db,
			      store_query(db,
					  "select " TODO_LOOK_COLUMNS
					  " from todo where id = ?1 and target = ?2 and kind = 1",
					  args, 2),
			      look);
}

/* ------------------------------------------------------------ telling */

static void todo_look_write_time(const char *name, bool is, int64_t wall_ns, struct buf *out)
{
	buf_printf(out, ",\"%s\":", name);
	if (is)
		history_write_time(wall_ns, out);
	else
		buf_add(out, STR("null"));
}

void todo_look_write(const struct todo_look *look, struct buf *out)
{
	static const char *const states[] = {
		[TODO_IS_WAITING] = "waiting",
		[TODO_IS_RUNNING] = "running",
		[TODO_IS_OK] = "ok",
		[TODO_IS_DEAD] = "failed",
		[TODO_IS_CANCELLED] = "cancelled",
	};

	buf_printf(out, "\"state\":\"%s\"", states[look->state]);
	todo_look_write_time("asked", true, look->asked_wall_ns, out);
	todo_look_write_time("started", look->begun_wall_ns, look->begun_wall_ns, out);
	todo_look_write_time("ended", todo_look_is_over(look), look->made_wall_ns, out);
	todo_look_write_time("next", look->state == TODO_IS_WAITING, look->due_wall_ns, out);
	buf_printf(out, ",\"tries\":%" PRId64 ",\"error\":", look->starts);
	if (look->error[0])
		json_write_text(str_of(look->error), out);
	else
		buf_add(out, STR("null"));
}

/* ------------------------------------------------------------ of routes */

int todo_look_write_routes(struct store_db *db, struct buf *out)
{
	struct sqlite3_stmt *row;
	const char *before = "";
	int r;

	buf_add(out, STR("{\"routes\":["));
	row = store_query(
		db,
		"select target, sum(state = 0), sum(state = 1), sum(state = 2), sum(state "
		"= 3), sum(state = 4) from todo where lane = 1 group by target",
		STORE_NO_ARGS);
	while ((r = store_row(db, row)) == 1) {
		buf_printf(out, "%s{\"route\":", before);
		json_write_text(store_row_text(row, 0), out);
		buf_printf(out,
			   ",\"waiting\":%" PRId64 ",\"running\":%" PRId64 ",\"ok\":%" PRId64
			   ",\"failed\":%" PRId64 ",\"cancelled\":%" PRId64 "}",
			   store_row_int(row, 1), store_row_int(row, 2), store_row_int(row, 3),
			   store_row_int(row, 4), store_row_int(row, 5));
		before = ",";
	}
	buf_add(out, STR("]}"));
	return r < 0 ? r : out->error;
}

int todo_look_write_route(struct store_db *db, struct str route, int64_t max, struct buf *out)
{
	const struct store_arg args[] = { store_text(route), store_int(max) };
	struct todo_look look;
	struct sqlite3_stmt *row;
	const char *before = "";
	int r;

	todo_look_init(&look);
	buf_add(out, STR("{\"runs\":["));
	row = store_query(db,
			  "select " TODO_LOOK_COLUMNS " from todo where lane = 1 and target = ?1 "
			  "order by id desc limit ?2",
			  args, 2);
	while ((r = store_row(db, row)) == 1) {
		todo_look_take(row, &look);
		buf_printf(out, "%s{\"id\":%" PRId64 ",", before, look.id);
		todo_look_write(&look, out);
		buf_add_char(out, '}');
		before = ",";
	}
	buf_add(out, STR("]}"));
	todo_look_fini(&look);
	return r < 0 ? r : out->error;
}
