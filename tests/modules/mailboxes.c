/* tests/modules/mailboxes.c: actors with small mailboxes, one of each policy, and what they do with messages that are
 * too many. All have the same handlers. */
#include <leat.h>
#include <stdlib.h>
#include <string.h>

enum { N_NUMBERED = 2000, N_RUSHED = 1000, N_REASON = 400 };

struct own {
	int64_t sum, last, n_disorders;
	char told[N_REASON]; /* the last message of `told`, as JSON */
	size_t told_len;
};

/* With a NUL behind it. */
static const char *text_of(struct leat_call *call, const struct leat_value *value)
{
	struct leat_text text = leat->text(value);
	char *copy = leat->alloc(call, text.len + 1);

	if (!copy)
		abort();
	return memcpy(copy, text.len ? text.ptr : "", text.len);
}

static const char *member_of(struct leat_call *call, const char *name)
{
	return text_of(call, leat->member(leat->input(call), name));
}

static void add(struct leat_call *call)
{
	struct own *own = leat->state(call);
	int64_t by = 0;

	leat->integer(leat->input(call), &by);
	own->sum += by;
	leat->json_int(leat->result(call), own->sum);
}

/* In work until the signal "gate" comes. */
static void hold(struct leat_call *call)
{
	leat->start(leat->await(call, "gate", 1, UINT64_MAX, NULL));
}

static void hang(struct leat_call *call)
{
	while (!leat->is_cancelled(call))
		;
}

static void refuse(struct leat_call *call)
{
	leat->fail(call, "no_way", 418, "asked to");
}

static void again(struct leat_call *call)
{
	const struct leat_mail mail = { .actor = leat->self(call), .handler = "again" };

	leat->dispatch(&mail);
}

static void numbered(struct leat_call *call)
{
	struct own *own = leat->state(call);
	int64_t number = 0;

	leat->integer(leat->input(call), &number);
	own->n_disorders += number != own->last + 1;
	own->last = number;
}

/* message: the name of the actor that gets many numbers */
static void number(struct leat_call *call)
{
	struct leat_mail mail = { .actor = leat->find(&leat_module,
						      text_of(call, leat->input(call))),
				  .handler = "numbered" };
	char json[16];

	mail.json = json;
	for (int i = 1; mail.actor && i <= N_NUMBERED; i++) {
		mail.json_len = 0;
		for (int rest = i; rest; rest /= 10)
			mail.json_len++;
		for (int rest = i, at = (int)mail.json_len; rest; rest /= 10)
			json[--at] = (char)('0' + rest % 10);
		if (leat->dispatch(&mail))
			leat->fail(call, "not_dispatched", 0, "number %d", i);
	}
	leat->actor_unref(mail.actor);
}

static void tell(struct leat_call *call)
{
	const struct own *own = leat->state(call);
	struct leat_json *json = leat->result(call);

	leat->json_object(json);
	leat->json_key(json, "sum");
	leat->json_int(json, own->sum);
	leat->json_key(json, "last");
	leat->json_int(json, own->last);
	leat->json_key(json, "disorders");
	leat->json_int(json, own->n_disorders);
	leat->json_key(json, "told");
	leat->json_text(json, own->told, own->told_len);
	leat->json_end(json);
}

/* message: the name of an actor that is to end at once */
static void end(struct leat_call *call)
{
	struct leat_actor *actor = leat->find(&leat_module, text_of(call, leat->input(call)));

	leat->terminate(actor, true);
	leat->actor_unref(actor);
}

static void on_answer(struct leat_task *task)
{
	struct leat_call *call = leat->call_of(task);

	if (leat->outcome(task) == LEAT_OK)
		leat->json_value(leat->result(call), leat->value(task));
	else if (leat->outcome(task) != LEAT_CANCELLED)
		leat->fail(call, leat->error(task), 0, "%s", leat->detail(task));
}

static void join_itself(struct leat_call *call)
{
	leat->start(leat->join(call, leat->self(call), on_answer));
}

/* message: { "name", "handler" }; by its name, on any host */
static void ask(struct leat_call *call)
{
	const struct leat_mail mail = { .name = member_of(call, "name"),
					.handler = member_of(call, "handler"),
					.json = "5",
					.json_len = 1 };

	leat->start(leat->ask(call, &mail, on_answer));
}

/* ------------------------------------------------------------ answers that are messages */

static void told(struct leat_call *call)
{
	struct own *own = leat->state(call);
	struct leat_json *json = leat->json(call);
	struct leat_text text;

	leat->json_value(json, leat->input(call));
	text = leat->json_done(json);
	own->told_len = text.len < N_REASON ? text.len : 0;
	memcpy(own->told, text.ptr, own->told_len);
}

/* message: { "name", "handler" }; what that one answers comes as a message */
static void later(struct leat_call *call)
{
	const struct leat_mail then = {
		.actor = leat->self(call), .handler = "told", .json = "[7]", .json_len = 3
	};
	struct leat_mail mail = { .actor = leat->find(&leat_module, member_of(call, "name")),
				  .handler = member_of(call, "handler"),
				  .json = "5",
				  .json_len = 1 };
	struct leat_promise *promise = leat->defer(&then);

	if (!promise || !mail.actor)
		leat->fail(call, "not_deferred", 0, " ");
	else
		leat->associate(promise, &mail);
	leat->actor_unref(mail.actor);
}

/* message: what the promise is set to; null: it is dropped */
static void set(struct leat_call *call)
{
	const struct leat_mail then = { .actor = leat->self(call), .handler = "told" };
	const struct leat_mail none = { .actor = leat->self(call), .handler = "none" };
	struct leat_promise *promise = leat->defer(&then);
	struct leat_json *json = leat->json(call);
	struct leat_text text;

	leat->json_value(json, leat->input(call));
	text = leat->json_done(json);
	if (!promise || leat->defer(&none) || leat->promise_is_cancelled(promise))
		leat->fail(call, "not_deferred", 0, " ");
	if (promise && leat->type(leat->input(call)) == LEAT_NULL)
		leat->promise_drop(promise);
	else if (promise)
		leat->promise_set(promise, text.ptr, text.len);
}

/* As later(), but what comes is awaited: a task of this call. */
static void now(struct leat_call *call)
{
	struct leat_mail mail = { .actor = leat->find(&leat_module, member_of(call, "name")),
				  .handler = member_of(call, "handler"),
				  .json = "5",
				  .json_len = 1 };
	struct leat_promise *promise;
	struct leat_task *task = leat->future(call, &promise, on_answer);

	leat->associate(promise, &mail);
	leat->actor_unref(mail.actor);
	leat->start(task);
}

/* message: { "name", "handler" }; asks many times, and waits for none of the answers */
static void rush(struct leat_call *call)
{
	struct leat_mail mail = { .actor = leat->find(&leat_module, member_of(call, "name")),
				  .handler = member_of(call, "handler") };
	struct leat_promise *promise;

	for (int i = 0; mail.actor && i < N_RUSHED; i++) {
		leat->future(call, &promise, on_answer);
		leat->associate(promise, &mail);
	}
	leat->actor_unref(mail.actor);
}

/* message: { "name", "handler" }; sent by the clock, at once */
static void soon(struct leat_call *call)
{
	const struct leat_mail mail = { .actor = leat->find(&leat_module, member_of(call, "name")),
					.handler = member_of(call, "handler"),
					.json = "5",
					.json_len = 1 };

	leat->delayed_drop(leat->delay(&mail, 0));
	leat->actor_unref(mail.actor);
}

/* ------------------------------------------------------------ */

static const struct leat_handler handlers[] = {
	{ "add", "Adds.", add, 0 },
	{ "hold", "Waits for the gate.", hold, 0 },
	{ "refuse", "Fails.", refuse, 0 },
	{ "again", "Sends itself the same.", again, 0 },
	{ "numbered", "Counts what is out of order.", numbered, 0 },
	{ "number", "Sends many numbers.", number, 0 },
	{ "tell", "Tells.", tell, LEAT_GET },
	{ "end", "Ends another one.", end, 0 },
	{ "join_itself", "Waits for itself.", join_itself, 0 },
	{ "ask", "Asks another one by its name.", ask, 0 },
	{ "told", "Keeps the message.", told, 0 },
	{ "later", "Asks another one, for later.", later, 0 },
	{ "set", "Sets what is deferred.", set, 0 },
	{ "now", "Asks another one, and waits.", now, 0 },
	{ "rush", "Asks another one, and does not wait.", rush, 0 },
	{ "soon", "Sends another one a message by the clock.", soon, 0 },
	LEAT_END,
};

static const struct leat_handler computing[] = {
	{ "add", "Adds.", add, 0 },
	{ "hang", "Computes until it ends.", hang, 0 },
	{ "numbered", "Counts what is out of order.", numbered, 0 },
	{ "tell", "Tells.", tell, LEAT_GET },
	{ "told", "Keeps the message.", told, 0 },
	{ "later", "Asks another one, for later.", later, 0 },
	LEAT_END,
};

#define SMALL(name_, full_)                                                                        \
	{                                                                                          \
		.name = name_, .help = "Two messages.", .handlers = handlers, .release = free,     \
		.flags = LEAT_EXPOSE, .messages_max = 2, .waiting_max = 1, .bytes_max = 4096,      \
		.full = full_                                                                      \
	}

static const struct leat_kind kinds[] = {
	SMALL("rejects", LEAT_REJECT),
	SMALL("waits", LEAT_WAIT),
	SMALL("drops_oldest", LEAT_DROP_OLDEST),
	SMALL("drops_newest", LEAT_DROP_NEWEST),
	{ .name = "large",
	  .help = "Many messages.",
	  .handlers = handlers,
	  .release = free,
	  .flags = LEAT_EXPOSE,
	  .messages_max = 10000 },
	{ .name = "computes",
	  .help = "On the pool.",
	  .handlers = computing,
	  .release = free,
	  .flags = LEAT_EXPOSE | LEAT_ON_POOL,
	  .messages_max = 10000 },
	LEAT_END,
};

static const char *init(void)
{
	for (const struct leat_kind *kind = kinds; kind->name; kind++) {
		struct own *own = calloc(1, sizeof(*own));
		struct leat_actor *actor = own ? leat->spawn(&leat_module, kind, kind->name, own)
					       : NULL;

		if (!actor)
			return "an actor could not be made";
		leat->actor_unref(actor);
	}
	return NULL;
}

LEAT_MODULE(.name = "mailboxes", .init = init, .kinds = kinds);
