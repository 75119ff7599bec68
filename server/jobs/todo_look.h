/* server/jobs/todo_look.h: what the store knows of one that is to be done once, or was. */
#pragma once
#include "core/base/buf.h"
#include "server/store/store.h"

enum todo_is { TODO_IS_WAITING, TODO_IS_RUNNING, TODO_IS_OK, TODO_IS_DEAD, TODO_IS_CANCELLED };

struct todo_look {
	enum todo_is state;
	int64_t id;
	int64_t asked_wall_ns; /* when it was asked for, or when it was to begin */
	int64_t begun_wall_ns; /* its last try; 0: none */
	int64_t made_wall_ns;  /* its end, when it is over */
	int64_t due_wall_ns;   /* its next try, while it waits */
	int64_t starts;
	char error[64];
	int status; /* of its answer; 0: there is none */
	struct buf fields, body;
};

void todo_look_init(struct todo_look *look);
void todo_look_fini(struct todo_look *look);

/* On the store's thread. 0, -ENOENT, or another negative errno. */
int todo_look_token(struct store_db *db, struct str token, struct todo_look *look);
int todo_look_job(struct store_db *db, struct str job, int64_t id, struct todo_look *look);

static inline bool todo_look_is_over(const struct todo_look *look)
{
	return look->state >= TODO_IS_OK;
}

/* The members of a JSON object: "state":"waiting|running|ok|failed|cancelled","asked":…,"started":…,
 * "ended":…,"next":…,"tries":n,"error":…. */
void todo_look_write(const struct todo_look *look, struct buf *out);

/* On the store's thread: a JSON object of the requests of all routes with `async`, counted by their
 * states; and of the last ones of one route. */
int todo_look_write_routes(struct store_db *db, struct buf *out);
int todo_look_write_route(struct store_db *db, struct str route, int64_t max, struct buf *out);
