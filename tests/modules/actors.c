/* tests/modules/actors.c: actors that do what tests ask: one on a loop ("soft"), one that computes ("hard"). */
#include <leat.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct own {
	int64_t n;
	atomic_int inside; /* how many handle a message of it now */
	int64_t overlaps;
	char reason[32];
};

static const struct leat_kind kinds[3];
static atomic_int n_states;
static struct leat_delayed *later;

static struct own *own_create(void)
{
	atomic_fetch_add(&n_states, 1);
	return calloc(1, sizeof(struct own));
}

static void own_free(void *state)
{
	atomic_fetch_sub(&n_states, 1);
	free(state);
}

static void enter(struct own *own)
{
	if (atomic_fetch_add(&own->inside, 1) != 0)
		own->overlaps++;
}

static void leave(struct own *own)
{
	atomic_fetch_sub(&own->inside, 1);
}

/* ------------------------------------------------------------ handlers of both */

static void add(struct leat_call *call)
{
	struct own *own = leat->state(call);
	int64_t by = 1;

	enter(own);
	leat->integer(leat->input(call), &by);
	own->n += by;
	leave(own);
	leat->json_int(leat->result(call), own->n);
}

static void get(struct leat_call *call)
{
	const struct own *own = leat->state(call);
	struct leat_json *json = leat->result(call);

	leat->json_object(json);
	leat->json_key(json, "n");
	leat->json_int(json, own->n);
	leat->json_key(json, "overlaps");
	leat->json_int(json, own->overlaps);
	leat->json_key(json, "reason");
	leat->json_text(json, own->reason, strlen(own->reason));
	leat->json_key(json, "states");
	leat->json_int(json, atomic_load(&n_states));
	leat->json_end(json);
}

static void refuse(struct leat_call *call)
{
	leat->fail(call, "no_way", 418, "asked to");
}

static void end_broken(struct leat_call *call)
{
	leat->exit(call, true);
}

static void hang(struct leat_call *call)
{
	while (!leat->is_cancelled(call))
		;
}

/* ------------------------------------------------------------ of the soft one */

static void on_slept(struct leat_task *task)
{
	struct leat_call *call = leat->call_of(task);
	struct own *own = leat->state(call);

	own->n++;
	leave(own);
	leat->json_int(leat->result(call), own->n);
}

/* A task of its own, meanwhile the message is in work. */
static void slow(struct leat_call *call)
{
	int64_t ms = 5;

	leat->integer(leat->input(call), &ms);
	enter(leat->state(call));
	leat->start(leat->timer(call, (uint64_t)ms, on_slept));
}

static void on_answer(struct leat_task *task)
{
	struct leat_call *call = leat->call_of(task);

	if (leat->outcome(task) == LEAT_OK)
		leat->json_value(leat->result(call), leat->value(task));
	else
		leat->fail(call, leat->error(task), 0, "%s", leat->detail(task));
}

/* message: { name, handler, message }; asks by name */
static void relay(struct leat_call *call)
{
	struct leat_text name = leat->text(leat->member(leat->input(call), "name"));
	struct leat_text handler = leat->text(leat->member(leat->input(call), "handler"));
	struct leat_json *json = leat->json(call);
	struct leat_mail mail = { NULL, NULL, NULL, NULL, 0 };
	char *copy = leat->alloc(call, name.len + handler.len + 2);
	struct leat_text text;

	if (!copy)
		return;
	memcpy(copy, name.ptr, name.len);
	memcpy(copy + name.len + 1, handler.ptr, handler.len);
	leat->json_value(json, leat->member(leat->input(call), "message"));
	text = leat->json_done(json);
	mail.name = copy;
	mail.handler = copy + name.len + 1;
	mail.json = text.ptr;
	mail.json_len = text.len;
	leat->start(leat->ask(call, &mail, on_answer));
}

static void on_exit_of(struct leat_call *call)
{
	struct own *own = leat->state(call);
	struct leat_text text = leat->text(leat->member(leat->input(call), "reason"));

	if (text.len < sizeof(own->reason))
		memcpy(own->reason, text.ptr, text.len);
	if (!leat->subject(call) || leat->ended(leat->subject(call)) == LEAT_LIVES)
		own->overlaps += 1000;
}

static void on_joined(struct leat_task *task)
{
	leat->json_bool(leat->result(leat->call_of(task)), leat->outcome(task) == LEAT_OK);
}

/* A child without a name: links it, sends it a message, ends it so, and waits for that. message: "normal", "killed", "failed". */
static void child(struct leat_call *call)
{
	struct leat_text how = leat->text(leat->input(call));
	struct own *own = own_create();
	struct leat_actor *actor = leat->spawn(&leat_module, &kinds[0], NULL, own);
	bool fails = how.len && how.ptr[0] == 'f', kills = how.len && how.ptr[0] == 'k';
	struct leat_mail mail = { actor, NULL, fails ? "end" : "add", NULL, 0 };

	if (!actor) {
		own_free(own);
		return;
	}
	leat->link(call, actor);
	if (leat->dispatch(&mail))
		leat->fail(call, "not_dispatched", 0, " ");
	if (!fails)
		leat->terminate(actor, kills);
	leat->start(leat->join(call, actor, on_joined));
	leat->actor_unref(actor);
}

/* To itself, later; message: milliseconds. A negative one cancels what was to be sent. */
static void delayed(struct leat_call *call)
{
	struct leat_mail mail = { leat->self(call), NULL, "add", "100", 3 };
	int64_t ms = 0;

	leat->integer(leat->input(call), &ms);
	if (ms < 0) {
		leat->json_bool(leat->result(call), later && leat->delayed_cancel(later));
		return;
	}
	leat->delayed_drop(later);
	later = leat->delay(&mail, (uint64_t)ms);
}

/* To itself, in this order: one that takes its time, the end, and very many later ones. */
static void flood(struct leat_call *call)
{
	struct leat_mail mail = { leat->self(call), NULL, "slow", "200", 3 };

	leat->dispatch(&mail);
	mail.handler = "end";
	leat->dispatch(&mail);
	mail.handler = "add";
	for (int i = 0; i < 20000; i++)
		leat->delayed_drop(leat->delay(&mail, 1));
}

/* The hard one gets a text that its call has no memory for. */
static void big(struct leat_call *call)
{
	enum { N = 600000 };
	char *json = malloc(N);
	struct leat_mail mail = { NULL, NULL, "add", json, N };

	if (!json)
		return;
	json[0] = json[N - 1] = '"';
	for (int i = 1; i < N - 1; i++)
		json[i] = i % 2 ? '\\' : 'n';
	mail.actor = leat->find(&leat_module, "hard");
	if (leat->dispatch(&mail))
		leat->fail(call, "not_dispatched", 0, " ");
	leat->actor_unref(mail.actor);
	free(json);
}

static void kill_hard(struct leat_call *call)
{
	struct leat_actor *hard = leat->find(&leat_module, "hard");

	(void)call;
	leat->terminate(hard, true);
	leat->actor_unref(hard);
}

static const struct leat_handler soft_handlers[] = {
	{ "add", "Adds.", add, 0 },
	{ "get", "Tells.", get, LEAT_GET },
	{ "refuse", "Fails.", refuse, 0 },
	{ "end", "Ends.", end_broken, 0 },
	{ "slow", "Takes its time.", slow, 0 },
	{ "relay", "Asks another.", relay, 0 },
	{ "child", "Makes one, and waits for its end.", child, 0 },
	{ "delayed", "Sends itself a message.", delayed, 0 },
	{ "flood", "Ends with many messages on their way.", flood, 0 },
	{ "big", "Sends a large text.", big, 0 },
	{ "kill_hard", "Ends the other one at once.", kill_hard, 0 },
	LEAT_END,
};

static const struct leat_handler hard_handlers[] = {
	{ "add", "Adds.", add, 0 },
	{ "get", "Tells.", get, LEAT_GET },
	{ "end", "Ends.", end_broken, 0 },
	{ "hang", "Computes until nobody waits.", hang, 0 },
	LEAT_END,
};

static const struct leat_kind kinds[3] = {
	{ .name = "soft",
	  .help = "Of a loop.",
	  .handlers = soft_handlers,
	  .on_exit = on_exit_of,
	  .release = own_free,
	  .flags = LEAT_EXPOSE,
	  .messages_max = 100000 },
	{ .name = "hard",
	  .help = "Of the pool.",
	  .handlers = hard_handlers,
	  .release = own_free,
	  .flags = LEAT_EXPOSE | LEAT_ON_POOL,
	  .messages_max = 1000 },
	LEAT_END,
};

/* ------------------------------------------------------------ a thread that sends, too */

static pthread_t thread;
static atomic_int stop;
static struct leat_actor *both[2];

static void *send_always(void *arg)
{
	const struct timespec pause = { 0, 100000 };

	while (!atomic_load(&stop)) {
		struct leat_mail mail = { both[0], NULL, "add", "0", 1 };

		leat->dispatch(&mail);
		nanosleep(&pause, NULL);
	}
	return arg;
}

static const char *init(void)
{
	for (int i = 0; i < 2; i++)
		both[i] = leat->spawn(&leat_module, &kinds[i], kinds[i].name, own_create());
	if (!both[0] || !both[1] || leat->spawn(&leat_module, &kinds[0], "soft", NULL) ||
	    leat->spawn(&leat_module, &kinds[0], "other", NULL))
		return "a name was not taken, or was taken twice";
	return pthread_create(&thread, NULL, send_always, NULL) ? "no thread" : NULL;
}

static void fini(void)
{
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	leat->delayed_drop(later);
	leat->actor_unref(both[0]);
	leat->actor_unref(both[1]);
	leat->log(&leat_module, LEAT_INFO, "fini states=%d", atomic_load(&n_states));
}

LEAT_MODULE(.name = "actors", .init = init, .fini = fini, .kinds = kinds);
