/* server/jobs/agenda.c: what is to be done once, and comes near. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/jobs/agenda_private.h"
#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------ which loop */

enum { SLOTS = 1024 };

/* FNV-1a: the same in every process, unlike str_hash(). */
int64_t todo_slot_of(struct str text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
	return (int64_t)((hash ^ hash >> 32) % SLOTS);
}

/* A job is done where it lives; requests of one route anywhere. */
int64_t todo_slot(const struct todo *todo)
{
	if (todo->kind == TODO_ROUTE)
		return todo_slot_of(todo->token);
	return todo_slot_of(todo->kind == TODO_FLOW && todo->key.len ? todo->key : todo->target);
}

/* FNV's low bits of a random token are as good as others. */
static struct agenda *agendas_of(const struct agendas *agendas, enum todo_lane lane, int64_t slot)
{
	return agendas->agendas[lane * agendas->n_loops_max + (size_t)slot % agendas->n_loops];
}

/* ------------------------------------------------------------ what is near */

static struct near *near_of(struct heap_node *node)
{
	return container_of(node, struct near, node);
}

static bool near_less(const struct heap_node *a, const struct heap_node *b)
{
	const struct near *x = container_of(a, struct near, node);
	const struct near *y = container_of(b, struct near, node);

	return x->due_wall_ns != y->due_wall_ns ? x->due_wall_ns < y->due_wall_ns : x->id < y->id;
}

static void agenda_forget_near(struct agenda *agenda)
{
	struct heap_node *node;

	while ((node = heap_pop(&agenda->near)))
		free(near_of(node));
	agenda->n_near = 0;
}

/* When there is no room it is found by the next look. */
void agenda_add_near(struct agenda *agenda, int64_t id, int64_t due_wall_ns)
{
	struct near *near;

	if (agenda->stopped)
		return;
	if (agenda->n_near >= AGENDA_NEAR_MAX ||
	    due_wall_ns > clock_wall_ns() + AGENDA_NEAR_MS * (int64_t)NS_PER_MS) {
		agenda_arm(agenda);
		return;
	}
	near = mem_alloc(sizeof(*near));
	near->id = id;
	near->due_wall_ns = due_wall_ns;
	heap_add(&agenda->near, &near->node);
	agenda->n_near++;
	agenda_arm(agenda);
}

/* ------------------------------------------------------------ asking the store */

static int agenda_look_run(struct store_op *op, struct store_db *db)
{
	struct agenda *agenda = container_of(op, struct agenda, op);
	const struct todo_slots slots = { (unsigned)agenda->agendas->n_loops, agenda->index,
					  agenda->lane };
	int64_t now_wall_ns = clock_wall_ns();
	int r = agenda->recovered ? 0 : todo_recover(db, &slots, now_wall_ns);

	if (r == 0)
		r = todo_near(db, &slots, now_wall_ns,
			      now_wall_ns + AGENDA_NEAR_MS * (int64_t)NS_PER_MS, agenda->found,
			      AGENDA_NEAR_MAX);
	agenda->n_found = MAX(r, 0);
	return MIN(r, 0);
}

static void agenda_look(struct agenda *agenda);

static void agenda_looked(struct store_op *op)
{
	struct agenda *agenda = container_of(op, struct agenda, op);

	agenda->looking = false;
	if (agenda->stopped)
		return;
	if (op->result == 0) {
		agenda->recovered = true;
		agenda_forget_near(agenda);
		for (int i = 0; i < agenda->n_found; i++)
			agenda_add_near(agenda, agenda->found[i].id, agenda->found[i].due_wall_ns);
	}
	if (op->result == 0 && agenda->look_again)
		agenda_look(agenda);
	agenda_arm(agenda);
}

/* What has come meanwhile may be missing in the answer: then it is asked again. */
static void agenda_look(struct agenda *agenda)
{
	agenda->look_again = agenda->looking;
	if (agenda->looking || agenda->stopped)
		return;
	agenda->looked_ns = loop_now_ns(agenda->loop);
	agenda->op.loop = agenda->loop;
	agenda->op.run = agenda_look_run;
	agenda->op.on_done = agenda_looked;
	agenda->looking = store_submit(agenda->agendas->store, &agenda->op, 0) == 0;
}

static void agenda_on_timer(struct timer *timer)
{
	struct agenda *agenda = container_of(timer, struct agenda, timer);
	int64_t now_wall_ns = clock_wall_ns();
	uint64_t age_ns = loop_now_ns(agenda->loop) - agenda->looked_ns;
	bool was_full = agenda->n_near >= AGENDA_NEAR_MAX / 2;
	struct heap_node *node;

	while ((node = heap_least(&agenda->near)) && agenda->n_runs < AGENDA_RUNNING_MAX &&
	       near_of(node)->due_wall_ns <= now_wall_ns) {
		int64_t id = near_of(heap_pop(&agenda->near))->id;

		free(near_of(node));
		agenda->n_near--;
		todo_run_begin(agenda, id);
	}
	/* many came at once, and not all of them had room */
	if (age_ns >= AGENDA_LOOK_MS * NS_PER_MS || !agenda->recovered ||
	    (was_full && agenda->n_near < AGENDA_NEAR_MAX / 2))
		agenda_look(agenda);
	agenda_arm(agenda);
}

void agenda_arm(struct agenda *agenda)
{
	struct heap_node *node = heap_least(&agenda->near);
	uint64_t delay_ms = agenda->recovered ? AGENDA_LOOK_MS : AGENDA_PAUSE_MS;
	int64_t wait_ns;

	if (!agenda->started || agenda->stopped)
		return;
	if (node && agenda->n_runs < AGENDA_RUNNING_MAX) {
		wait_ns = near_of(node)->due_wall_ns - clock_wall_ns();
		delay_ms = MIN(delay_ms,
			       wait_ns <= 0 ? UINT64_C(0) : (uint64_t)wait_ns / NS_PER_MS + 1);
	}
	timer_start(&agenda->timer, delay_ms);
}

/* ------------------------------------------------------------ requests */

static void ask_free(struct todo_ask *ask)
{
	free(ask->texts);
	free(ask);
}

static void ask_done(struct post *post)
{
	struct todo_ask *ask = container_of(post, struct todo_ask, post);

	ask->on_done(ask);
	ask_free(ask);
}

static struct agenda *ask_agenda(const struct todo_ask *ask, int64_t slot)
{
	return agendas_of(ask->agendas, todo_lane(&ask->todo), slot);
}

/* On the loop whose agenda must look again. */
static void ask_look(struct post *post)
{
	struct todo_ask *ask = container_of(post, struct todo_ask, post);

	agenda_look(ask_agenda(ask, ask->look_slot));
	ask->post.run = ask_done;
	loop_post(ask->loop, &ask->post);
}

/* Before a run has been told that the store has it as begun, the row is the store's; and then the
 * store has not found it, as it was cancelled before that. */
static void agenda_cancel_token(struct agenda *agenda, struct str token)
{
	struct todo_run *run;

	list_each(run, &agenda->runs, struct todo_run, link) {
		if (run->state == TODO_STARTING || !str_eq(str_of(run->row.token), token))
			continue;
		run->cancelled = true;
		todo_run_cancel(run);
		return;
	}
}

/* On the loop that will do it. */
static void ask_committed(struct store_op *op)
{
	struct todo_ask *ask = container_of(op, struct todo_ask, op);
	bool looks = op->result == 0 && ask->look_slot >= 0;

	ask->result = op->result;
	if (op->result == 0 && ask->cancels && ask->todo.kind == TODO_ROUTE)
		agenda_cancel_token(ask_agenda(ask, ask->slot), ask->todo.token);
	if (op->result == 0 && ask->due_now)
		agenda_add_near(ask_agenda(ask, ask->slot), ask->id, ask->todo.due_wall_ns);
	ask->post.run = looks ? ask_look : ask_done;
	loop_post(looks ? ask_agenda(ask, ask->look_slot)->loop : ask->loop, &ask->post);
}

static int ask_run_cancel(struct todo_ask *ask, struct store_db *db)
{
	int64_t n_sends = 0;
	int r;

	if (ask->todo.kind == TODO_ROUTE)
		return todo_cancel_token(db, ask->todo.token, clock_wall_ns(), &ask->n);
	r = todo_delete(db, ask->todo.name, &ask->n, &ask->look_slot);
	if (r == 0)
		r = todo_delete_sends(db, ask->todo.name, &n_sends);
	ask->n += n_sends;
	return r;
}

static int ask_run(struct store_op *op, struct store_db *db)
{
	struct todo_ask *ask = container_of(op, struct todo_ask, op);
	struct todo_added added;
	int r;

	if (ask->cancels)
		return ask_run_cancel(ask, db);
	r = todo_insert(db, &ask->todo, clock_wall_ns(), &added);
	ask->id = added.id;
	ask->due_now = !added.blocked;
	ask->look_slot = added.look_slot;
	memcpy(ask->token, added.token, sizeof(ask->token));
	return r;
}

static struct str ask_copy(char **at, struct str text)
{
	struct str copy = { *at, text.len };

	if (text.len)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

static struct todo_ask *ask_create(struct agendas *agendas, const struct todo *todo,
				   struct loop *loop, void (*on_done)(struct todo_ask *ask),
				   void *user)
{
	struct todo_ask *ask = mem_zalloc(sizeof(*ask));
	size_t size = todo->target.len + todo->name.len + todo->key.len + todo->idem.len +
		      todo->args.len + todo->token.len + todo->print.len;
	char *at = ask->texts = mem_alloc(size + 1);

	ask->todo = *todo;
	ask->todo.target = ask_copy(&at, todo->target);
	ask->todo.name = ask_copy(&at, todo->name);
	ask->todo.key = ask_copy(&at, todo->key);
	ask->todo.idem = ask_copy(&at, todo->idem);
	ask->todo.args = ask_copy(&at, todo->args);
	ask->todo.token = ask_copy(&at, todo->token);
	ask->todo.print = ask_copy(&at, todo->print);
	ask->agendas = agendas;
	ask->loop = loop;
	ask->on_done = on_done;
	ask->user = user;
	ask->slot = todo_slot(todo);
	ask->look_slot = -1;
	ask->op.loop = ask_agenda(ask, ask->slot)->loop;
	ask->op.run = ask_run;
	ask->op.on_done = ask_committed;
	return ask;
}

static struct todo_ask *ask_submit(struct todo_ask *ask)
{
	size_t size = sizeof(*ask) + ask->todo.args.len + ask->todo.key.len + ask->todo.name.len +
		      ask->todo.idem.len;

	if (store_submit(ask->agendas->store, &ask->op, size) == 0)
		return ask;
	ask_free(ask);
	return NULL;
}

struct todo_ask *agendas_add(struct agendas *agendas, const struct todo *todo, struct loop *loop,
			     void (*on_done)(struct todo_ask *ask), void *user)
{
	return ask_submit(ask_create(agendas, todo, loop, on_done, user));
}

struct todo_ask *agendas_cancel(struct agendas *agendas, struct str name, struct loop *loop,
				void (*on_done)(struct todo_ask *ask), void *user)
{
	const struct todo todo = { .name = name };
	struct todo_ask *ask = ask_create(agendas, &todo, loop, on_done, user);

	ask->cancels = true;
	return ask_submit(ask);
}

struct todo_ask *agendas_cancel_token(struct agendas *agendas, struct str token, struct loop *loop,
				      void (*on_done)(struct todo_ask *ask), void *user)
{
	const struct todo todo = { .kind = TODO_ROUTE, .token = token };
	struct todo_ask *ask = ask_create(agendas, &todo, loop, on_done, user);

	ask->cancels = true;
	return ask_submit(ask);
}

/* ------------------------------------------------------------ life */

struct agendas *agendas_create(struct store *store, size_t n_schedulers)
{
	struct agendas *agendas =
		mem_zalloc(sizeof(*agendas) + N_LANES * n_schedulers * sizeof(struct agenda *));

	agendas->store = store;
	agendas->n_loops_max = n_schedulers;
	return agendas;
}

static struct agenda *agenda_create(struct agendas *agendas, struct scheduler *scheduler,
				    enum todo_lane lane)
{
	struct agenda *agenda = mem_zalloc(sizeof(*agenda));

	agenda->agendas = agendas;
	agenda->scheduler = scheduler;
	agenda->loop = scheduler->loop;
	agenda->lane = lane;
	agenda->index = (unsigned)agendas->n_loops;
	heap_init(&agenda->near, near_less);
	list_init(&agenda->runs);
	timer_init(&agenda->timer, agenda->loop, agenda_on_timer);
	agendas->agendas[lane * agendas->n_loops_max + agenda->index] = agenda;
	return agenda;
}

void agendas_add_scheduler(struct agendas *agendas, struct scheduler *scheduler)
{
	check(agendas->n_loops < agendas->n_loops_max);
	for (unsigned lane = 0; lane < N_LANES; lane++)
		scheduler->own[lane] = agenda_create(agendas, scheduler, (enum todo_lane)lane);
	scheduler->agendas = agendas;
	agendas->n_loops++;
}

void agendas_destroy(struct agendas *agendas)
{
	free(agendas);
}

void agenda_start(struct agenda *agenda)
{
	if (agenda->started)
		return;
	agenda->started = true;
	agenda_look(agenda);
	agenda_arm(agenda);
}

void agenda_stop(struct agenda *agenda, bool cancel)
{
	struct todo_run *run;

	agenda->stopped = true;
	timer_stop(&agenda->timer);
	agenda_forget_near(agenda);
	list_each(run, &agenda->runs, struct todo_run, link)
		if (cancel)
			todo_run_cancel(run);
}

size_t agenda_n_running(const struct agenda *agenda)
{
	return agenda->n_flows;
}

void agenda_destroy(struct agenda *agenda)
{
	struct todo_run *run;

	if (!agenda)
		return;
	agenda_stop(agenda, false);
	while ((run = list_first(&agenda->runs, struct todo_run, link)))
		todo_run_destroy(run);
	free(agenda);
}

void agendas_stats(struct agendas *agendas, struct agendas_stats *ret_stats)
{
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		struct agenda_tally *tally = &agendas->tallies[lane];

		ret_stats->lanes[lane] =
			(struct agendas_lane){ .n_running = atomic_load(&tally->n_running),
					       .n_done = atomic_load(&tally->n_done),
					       .n_failed = atomic_load(&tally->n_failed),
					       .n_dead = atomic_load(&tally->n_dead) };
	}
}
