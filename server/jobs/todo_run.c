/* server/jobs/todo_run.c: one that is done once: told to the store, run, told again.
 *
 *   STARTING --> RUNNING --> ENDING --> gone
 *       \--> gone                         (it was cancelled, or another is before it)
 *
 * Between the two tellings a crash leaves it as running in the store: the next process does it
 * again. A shutdown does the same on purpose for what it has cancelled. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/jobs/agenda_private.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLOW_TIMEOUT_MS = 30 * 60 * 1000 };

int64_t todo_id(const struct todo_run *run)
{
	return run->id;
}

static struct agenda_tally *todo_tally(const struct todo_run *run)
{
	return &run->agenda->agendas->tallies[run->agenda->lane];
}

void todo_run_destroy(struct todo_run *run)
{
	check(!run->request);
	if (run->agenda->agendas->sends)
		run->agenda->agendas->sends->leave(run);
	timer_stop(&run->timer);
	list_remove(&run->link);
	run->agenda->n_runs--;
	atomic_fetch_sub(&todo_tally(run)->n_running, 1);
	todo_row_fini(&run->row);
	buf_fini(&run->fields);
	buf_fini(&run->body);
	arena_fini(&run->arena);
	free(run);
}

/* There is room for another. */
static void todo_run_leave(struct todo_run *run)
{
	struct agenda *agenda = run->agenda;

	todo_run_destroy(run);
	agenda_arm(agenda);
}

/* ------------------------------------------------------------ the end */

static int todo_end_run(struct store_op *op, struct store_db *db)
{
	struct todo_run *run = container_of(op, struct todo_run, op);
	struct str key = str_of(run->row.key), error = str_of(run->error);
	int64_t now_wall_ns = clock_wall_ns();
	const struct todo_answer answer = { run->status, buf_str(&run->fields),
					    buf_str(&run->body) };
	int r = 0;

	run->next = (struct todo_next){ 0 };
	if (run->status && (run->end == TODO_OK || run->end == TODO_DEAD))
		r = todo_answer_keep(db, run->id, &answer);
	if (r < 0)
		return r;
	switch (run->end) {
	case TODO_OK:
		return todo_finish(db, run->id, key, now_wall_ns, &run->next);
	case TODO_AGAIN:
		return todo_put_back(db, run->id, run->due_wall_ns, error);
	case TODO_NOT_BEGUN:
		return todo_not_begun(db, run->id, run->due_wall_ns, error);
	case TODO_DEAD:
		return todo_bury(db, run->id, key, now_wall_ns, error, &run->next);
	case TODO_CANCELLED:
		return todo_cancelled(db, run->id, now_wall_ns);
	}
	unreachable();
}

static void todo_end_done(struct store_op *op)
{
	struct todo_run *run = container_of(op, struct todo_run, op);
	struct agenda *agenda = run->agenda;

	run->asking = false;
	if (op->result < 0 && !agenda->stopped) {
		timer_start(&run->timer, AGENDA_PAUSE_MS); /* until the store works */
		return;
	}
	if (op->result == 0 && (run->end == TODO_AGAIN || run->end == TODO_NOT_BEGUN))
		agenda_add_near(agenda, run->id, run->due_wall_ns);
	else if (op->result == 0 && run->next.id)
		agenda_add_near(agenda, run->next.id, run->next.due_wall_ns);
	todo_run_leave(run);
}

static void todo_tell_end(struct todo_run *run)
{
	run->op.loop = run->agenda->loop;
	run->op.run = todo_end_run;
	run->op.on_done = todo_end_done;
	run->asking = store_submit(run->agenda->scheduler->store, &run->op,
				   sizeof(*run) + run->fields.len + run->body.len) == 0;
	if (!run->asking && !run->agenda->stopped)
		timer_start(&run->timer, AGENDA_PAUSE_MS);
}

static void todo_on_timer(struct timer *timer)
{
	todo_tell_end(container_of(timer, struct todo_run, timer));
}

void todo_end(struct todo_run *run, enum todo_end end, struct str error)
{
	run->state = TODO_ENDING;
	run->end = end;
	snprintf(run->error, sizeof(run->error), "%.*s",
		 STR_ARG(str_first(error, sizeof(run->error) - 1)));
	if (end == TODO_OK)
		atomic_fetch_add(&todo_tally(run)->n_done, 1);
	if (end == TODO_DEAD)
		atomic_fetch_add(&todo_tally(run)->n_dead, 1);
	todo_tell_end(run);
}

/* It doubles, up to an hour. */
void todo_fail(struct todo_run *run, struct str error)
{
	uint64_t pause_ms = (uint64_t)run->row.pause_ms << MIN(run->row.starts - 1, INT64_C(20));
	bool again = run->row.starts < run->row.tries;

	pause_ms = MIN(pause_ms, (uint64_t)MAX(AGENDA_RETRY_MAX_MS, (int)run->row.pause_ms));
	atomic_fetch_add(&todo_tally(run)->n_failed, 1);
	run->due_wall_ns = clock_wall_ns() + (int64_t)(pause_ms * NS_PER_MS);
	log_warning("scheduled run failed what=%s id=%" PRId64 " try=%" PRId64 " error=%s, %s",
		    run->row.target, run->id, run->row.starts, LOG_QUOTE(error),
		    again ? "trying again" : "given up");
	todo_end(run, again ? TODO_AGAIN : TODO_DEAD, error);
}

/* ------------------------------------------------------------ a flow */

static int todo_root(struct context *context, enum expr_root root, struct str key,
		     struct value *ret)
{
	(void)context;
	(void)root;
	(void)key;
	*ret = value_null(); /* a flow has `with`, and nothing else */
	return 0;
}

static const struct context_ops todo_ops = { .root = todo_root };

static void todo_flow_ended(struct flow_run *flow)
{
	struct todo_run *run = container_of(flow, struct todo_run, flow);
	struct agenda *agenda = run->agenda;
	struct detacher *detacher = agenda->scheduler->detacher;
	void *generation = run->generation;
	enum error_code code = flow->failure.code;

	agenda->n_flows--;
	if (code == ERROR_NONE) {
		todo_end(run, TODO_OK, STR(""));
	} else if (code == ERROR_CANCELLED && agenda->stopped) {
		run->due_wall_ns = clock_wall_ns();
		todo_end(run, TODO_AGAIN, STR("interrupted"));
	} else {
		todo_fail(run, failure_code(&flow->failure));
	}
	detacher->end(detacher, generation); /* last: the worker may be done with it */
}

static void todo_start_flow(struct todo_run *run)
{
	struct scheduler *scheduler = run->agenda->scheduler;
	struct flow *flow = scheduler->find_flow ? scheduler->find_flow(scheduler->generation,
									str_of(run->row.target))
						 : NULL;

	if (!flow) {
		todo_fail(run, STR("not_found"));
		return;
	}
	arena_init(&run->arena, scheduler->memory_max);
	run->arena.budget = scheduler->memory_budget;
	if (value_json(&run->with, &run->arena, str_of(run->row.args)) < 0) {
		todo_fail(run, STR("memory_limit"));
		return;
	}
	snprintf(run->name, sizeof(run->name), "todo-%" PRId64, run->id);
	run->context = scheduler_context(scheduler, &todo_ops, &run->arena, str_of(run->name));
	run->generation = run->context.generation = scheduler->generation;
	scheduler->detacher->begin(scheduler->detacher, run->generation);
	run->agenda->n_flows++;
	flow_run_init(&run->flow, flow, &run->context, todo_flow_ended);
	run->flow.with = &run->with;
	flow_run_set_deadline(&run->flow, clock_monotonic_ns() + FLOW_TIMEOUT_MS * NS_PER_MS);
	flow_run_start(&run->flow);
}

void todo_run_cancel(struct todo_run *run)
{
	if (run->state == TODO_RUNNING && run->row.kind == TODO_FLOW)
		flow_run_cancel(&run->flow);
	else if (run->state == TODO_RUNNING && run->row.kind == TODO_SEND)
		run->agenda->agendas->sends->cancel(run);
	else if (run->state == TODO_RUNNING && run->row.kind == TODO_ROUTE)
		run->agenda->agendas->routes->cancel(run);
}

/* ------------------------------------------------------------ a job */

static void todo_start_job(struct todo_run *run)
{
	int r = scheduler_run_once(run->agenda->scheduler, str_of(run->row.target), run,
				   str_of(run->row.args));

	if (r ==
	    -EAGAIN) { /* not now: what is known of the job is still being read, or too many wait */
		run->due_wall_ns = clock_wall_ns() + (int64_t)(100 * NS_PER_MS);
		todo_end(run, TODO_NOT_BEGUN, STR(""));
	} else if (r == -ENOENT) {
		todo_end(run, TODO_DEAD, STR("not_found"));
	} else if (r < 0) {
		todo_fail(run, STR("memory_limit"));
	}
}

/* Its own `retry` has been followed by then, so a failure is final. */
void agenda_on_job_over(struct todo_run *run, const struct job_run *job_run)
{
	bool ended = job_run->attempt > 0;
	enum error_code code = ended ? job_run->flow.failure.code : ERROR_CANCELLED;

	if (code == ERROR_NONE)
		todo_end(run, TODO_OK, STR(""));
	else if (run->agenda->stopped) {
		run->due_wall_ns = clock_wall_ns();
		todo_end(run, TODO_AGAIN, STR("interrupted"));
	} else {
		todo_end(run, TODO_DEAD,
			 ended ? failure_code(&job_run->flow.failure) : STR("cancelled"));
	}
}

/* ------------------------------------------------------------ the start */

static int todo_start_run(struct store_op *op, struct store_db *db)
{
	struct todo_run *run = container_of(op, struct todo_run, op);

	return todo_start(db, run->id, clock_wall_ns(), &run->row);
}

static void todo_started(struct store_op *op)
{
	struct todo_run *run = container_of(op, struct todo_run, op);
	struct agenda *agenda = run->agenda;
	int64_t id = run->id;
	int result = op->result;

	run->asking = false;
	if (result < 0) {
		todo_run_leave(run);
		if (result != -ENOENT)
			agenda_add_near(agenda, id,
					clock_wall_ns() + AGENDA_PAUSE_MS * (int64_t)NS_PER_MS);
		return;
	}
	if (agenda->stopped) { /* there may be no store to be told any more: the next process does it */
		todo_run_leave(run);
		return;
	}
	run->state = TODO_RUNNING;
	if (run->row.kind == TODO_ROUTE) {
		agenda->agendas->routes->start(run);
	} else if (run->row.kind == TODO_FLOW) {
		todo_start_flow(run);
	} else if (run->row.kind == TODO_SEND && agenda->agendas->sends) {
		agenda->agendas->sends->start(run);
	} else {
		todo_start_job(run);
	}
}

void todo_run_begin(struct agenda *agenda, int64_t id)
{
	struct todo_run *run = mem_zalloc(sizeof(*run));

	list_init(&run->link);
	list_add(&agenda->runs, &run->link);
	agenda->n_runs++;
	run->agenda = agenda;
	atomic_fetch_add(&todo_tally(run)->n_running, 1);
	buf_init(&run->fields, SIZE_MAX);
	buf_init(&run->body, SIZE_MAX);
	run->id = id;
	timer_init(&run->timer, agenda->loop, todo_on_timer);
	run->op.loop = agenda->loop;
	run->op.run = todo_start_run;
	run->op.on_done = todo_started;
	run->asking = store_submit(agenda->scheduler->store, &run->op, sizeof(*run)) == 0;
	if (!run->asking) {
		todo_run_destroy(run);
		agenda_add_near(agenda, id, clock_wall_ns() + AGENDA_PAUSE_MS * (int64_t)NS_PER_MS);
	}
}
