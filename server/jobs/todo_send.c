/* server/jobs/todo_send.c: the message is an ask, so that it is known when it was handled. */
#include "server/jobs/todo_send.h"
#include "core/base/blob.h"
#include "core/base/clock.h"
#include "server/actors/actors.h"
#include "server/expr/json.h"
#include "server/jobs/agenda_private.h"
#include <errno.h>

enum {
	SEND_ARGS_MAX = 1 << 20, /* bytes of a message that is kept */
	SEND_TRIES = 5,
	SEND_PAUSE_MS = 10000,
};

/* ------------------------------------------------------------ what is kept */

int todo_of_send(struct todo *todo, const struct actor_send *send, struct buf *args)
{
	struct str message = blob_str(send->value);

	buf_add(args, STR("{\"handler\":"));
	json_write_text(send->handler, args);
	buf_add(args, STR(",\"sender\":"));
	json_write_text(send->sender, args);
	buf_add(args, STR(",\"id\":"));
	json_write_text(send->sender_id, args);
	buf_add(args, STR(",\"message\":"));
	buf_add(args, message.len ? message : STR("null"));
	buf_add_char(args, '}');
	*todo = (struct todo){ .kind = TODO_SEND,
			       .target = send->name,
			       .args = buf_str(args),
			       .tries = SEND_TRIES,
			       .pause_ms = SEND_PAUSE_MS };
	if (args->error)
		return -ENOMEM;
	return args->len > SEND_ARGS_MAX ? -EMSGSIZE : 0;
}

static struct str send_text(struct value args, const char *key)
{
	struct value value;

	return value_member(args, str_of(key), &value) && value.kind == VALUE_TEXT
		       ? value_str(value)
		       : STR("");
}

/* The message's own reference is the caller's. */
static int send_read(struct todo_run *run, struct actor_send *ret_send)
{
	struct value args, message;
	struct buf json;
	int r = json_read(str_of(run->row.args), &run->arena, &args, NULL);

	if (r < 0)
		return r;
	*ret_send = (struct actor_send){ .name = str_of(run->row.target),
					 .handler = send_text(args, "handler"),
					 .sender = send_text(args, "sender"),
					 .sender_id = send_text(args, "id") };
	if (!value_member(args, STR("message"), &message) || value_is_null(message))
		return 0;
	buf_init_arena(&json, &run->arena);
	value_write_json(message, &json);
	if (json.error)
		return -ENOMEM;
	ret_send->value = blob_create(buf_str(&json));
	return 0;
}

/* ------------------------------------------------------------ what comes of it */

static void send_over(struct todo_run *run, struct str error)
{
	struct agenda *agenda = run->agenda;
	struct detacher *detacher = agenda->scheduler->detacher;
	void *generation = run->generation;

	agenda->n_flows--;
	if (error.len == 0) {
		todo_end(run, TODO_OK, error);
	} else if (agenda->stopped) {
		run->due_wall_ns = clock_wall_ns();
		todo_end(run, TODO_AGAIN, STR("interrupted"));
	} else {
		todo_fail(run, error);
	}
	detacher->end(detacher, generation); /* last: the worker may be done with it */
}

static void send_on_answer(struct future_watch *watch, struct future *future)
{
	struct todo_run *run = container_of(watch, struct todo_run, watch);
	const struct actor_answer *answer = future_value(future);
	struct str error = STR("");
	const char *detail;

	if (!answer)
		error = str_of(error_code_name(actor_error(future_error(future), &detail)));
	else if (answer->code == ERROR_CUSTOM)
		error = answer->custom_code;
	else if (answer->code != ERROR_NONE)
		error = str_of(error_code_name(answer->code));
	run->future = NULL;
	send_over(run, error);
	future_unref(future); /* last: it has the error's text */
}

static void send_start(struct todo_run *run)
{
	struct scheduler *scheduler = run->agenda->scheduler;
	enum error_code code = ERROR_UNAVAILABLE;
	const char *detail = "";
	struct actor_send send;

	arena_init(&run->arena, scheduler->memory_max);
	run->arena.budget = scheduler->memory_budget;
	if (send_read(run, &send) < 0) {
		todo_fail(run, STR("memory_limit"));
		return;
	}
	if (scheduler->actors)
		run->future = actors_send(scheduler->actors, &send, true, &code, &detail);
	blob_unref(send.value);
	if (!run->future) {
		todo_fail(run, str_of(error_code_name(code)));
		return;
	}
	run->generation = scheduler->generation;
	scheduler->detacher->begin(scheduler->detacher, run->generation);
	run->agenda->n_flows++;
	future_on_any(run->future, &run->watch, send_on_answer);
}

/* Its handler may go on: then it is handled again by the next process. */
static void send_cancel(struct todo_run *run)
{
	if (!run->future)
		return;
	future_unwatch(&run->watch);
	future_discard(run->future);
	future_unref(take(&run->future));
	send_over(run, STR("cancelled"));
}

static void send_leave(struct todo_run *run)
{
	if (!run->future)
		return;
	future_unwatch(&run->watch);
	future_unref(take(&run->future));
}

void todo_sends_begin(struct agendas *agendas)
{
	static const struct todo_sends sends = { send_start, send_cancel, send_leave };

	agendas->sends = &sends;
}
