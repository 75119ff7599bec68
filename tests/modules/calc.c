/* tests/modules/calc.c: functions and verbs that run on the pool: values in and out, failures,
 * memory, cancelling. */
#include <leat.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_int n_cancelled;

static void echo(struct leat_call *call)
{
	leat->json_value(leat->result(call), leat->input(call));
}

/* What the accessors say of the input, whatever it is. */
static void describe(struct leat_call *call)
{
	static const char *const types[] = {
		"null", "boolean", "number", "text", "list", "object"
	};
	const struct leat_value *input = leat->input(call), *member;
	struct leat_json *json = leat->result(call);
	struct leat_text name = { NULL, 0 };
	int64_t integer = -1;
	double number = -1;
	const char *type = types[leat->type(input)];

	leat->json_object(json);
	leat->json_key(json, "type");
	leat->json_text(json, type, strlen(type));
	leat->json_key(json, "boolean");
	leat->json_bool(json, leat->boolean(input));
	leat->json_key(json, "integer");
	if (leat->integer(input, &integer))
		leat->json_int(json, integer);
	else
		leat->json_null(json);
	leat->json_key(json, "number");
	if (leat->number(input, &number))
		leat->json_number(json, number);
	else
		leat->json_null(json);
	leat->json_key(json, "bytes");
	leat->json_int(json, (int64_t)leat->text(input).len);
	leat->json_key(json, "len");
	leat->json_int(json, (int64_t)leat->len(input));
	leat->json_key(json, "first");
	leat->json_value(json, leat->at(input, 0));
	leat->json_key(json, "past");
	leat->json_value(json, leat->at(input, leat->len(input)));
	leat->json_key(json, "a");
	leat->json_value(json, leat->member(leat->member(input, "a"), "b"));
	leat->json_key(json, "last");
	member = leat->member_at(input, leat->len(input) - 1, &name);
	leat->json_list(json);
	leat->json_text(json, name.ptr, name.len);
	leat->json_value(json, member);
	leat->json_end(json);
	leat->json_end(json);
}

static void raw(struct leat_call *call)
{
	struct leat_text text = leat->text(leat->member(leat->input(call), "body"));

	leat->result_bytes(call, text.ptr, text.len);
}

static void nothing(struct leat_call *call)
{
	(void)call;
}

static void refuse(struct leat_call *call)
{
	const struct leat_value *input = leat->input(call);
	struct leat_text code = leat->text(leat->member(input, "code"));
	int64_t status = 0;
	char copy[100] = "";

	memcpy(copy, code.ptr, code.len < 99 ? code.len : 99);
	leat->integer(leat->member(input, "status"), &status);
	leat->fail(call, copy, (int)status, "so much for %s", copy);
	leat->fail(call, "not_found", 0, "a second failure");
	leat->json_int(leat->result(call), 5);
}

static void deep(struct leat_call *call)
{
	struct leat_json *json = leat->result(call);
	int64_t depth = 0;

	leat->integer(leat->input(call), &depth);
	for (int64_t i = 0; i < depth; i++) {
		leat->json_object(json);
		leat->json_key(json, "a");
	}
	leat->json_null(json);
	for (int64_t i = 0; i < depth; i++)
		leat->json_end(json);
}

/* Asks for memory until there is no more, and goes on as if nothing were. */
static void greedy(struct leat_call *call)
{
	while (leat->alloc(call, 1 << 20))
		;
	leat->json_int(leat->result(call), 1);
}

static void verbose(struct leat_call *call)
{
	struct leat_json *json = leat->result(call);

	leat->json_list(json);
	for (int i = 0; i < 20000000; i++)
		leat->json_int(json, i);
	leat->json_end(json);
}

static void spin(struct leat_call *call)
{
	const struct timespec pause = { 0, 1000000 };

	while (!leat->is_cancelled(call))
		nanosleep(&pause, NULL);
	atomic_fetch_add(&n_cancelled, 1);
	leat->log(&leat_module, LEAT_INFO, "a %s function has seen it", "cancelled");
}

static void cancelled(struct leat_call *call)
{
	leat->json_int(leat->result(call), atomic_load(&n_cancelled));
}

static const struct leat_function functions[] = {
	{ "echo", "Its input.", echo, LEAT_IDEMPOTENT },
	{ "describe", "What its input is.", describe, 0 },
	{ "raw", "The bytes of `body`.", raw, 0 },
	{ "nothing", "No result.", nothing, 0 },
	{ "refuse", "Fails with `code` and `status`.", refuse, 0 },
	{ "deep", "An object in an object in …", deep, 0 },
	{ "greedy", "More memory than there is.", greedy, 0 },
	{ "verbose", "A result larger than may be.", verbose, 0 },
	{ "spin", "Runs until it is cancelled.", spin, 0 },
	{ "cancelled", "How often spin was.", cancelled, 0 },
	LEAT_END,
};

/* ------------------------------------------------------------ a verb */

struct keys_state {
	char *kept;
};

static void keys_run(struct leat_call *call)
{
	static const char *const names[] = { "flag",   "times", "label", "every", "room",
					     "manner", "any",   "width", "token", "often" };
	struct keys_state *state = leat->state(call);
	struct leat_json *json = leat->result(call);

	state->kept = malloc(10);
	leat->json_object(json);
	leat->json_key(json, "value");
	leat->json_value(json, leat->input(call));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		leat->json_key(json, names[i]);
		if (i == 8)
			leat->json_int(json, (int64_t)leat->text(leat->key(call, names[i])).len);
		else
			leat->json_value(json, leat->key(call, names[i]));
	}
	leat->json_end(json);
}

static void keys_release(void *data)
{
	struct keys_state *state = data;

	free(state->kept);
}

static const char *const modes[] = { "fast", "exact", NULL };
static const struct leat_key keys_value = {
	"value", "A text.", LEAT_KEY_TEXT, LEAT_EXPRESSION, NULL, 0, 0, NULL
};
static const struct leat_key keys[] = {
	{ "flag", "A flag.", LEAT_KEY_BOOL, 0, "true", 0, 0, NULL },
	{ "times", "How often.", LEAT_KEY_INT, 0, NULL, 1, 10, NULL },
	{ "label", "A constant.", LEAT_KEY_TEXT, 0, "none", 0, 0, NULL },
	{ "every", "A time.", LEAT_KEY_DURATION, 0, "1m30s", 0, 0, NULL },
	{ "room", "A size.", LEAT_KEY_SIZE, 0, "64k", 0, 0, NULL },
	{ "manner", "How.", LEAT_KEY_CHOICE, 0, "exact", 0, 0, modes },
	{ "any", "Anything constant.", LEAT_KEY_VALUE, 0, "[1, two]", 0, 0, NULL },
	{ "width", "Of pixels.", LEAT_KEY_INT, LEAT_EXPRESSION, "100", 1, 4096, NULL },
	{ "token", "A secret.", LEAT_KEY_TEXT, LEAT_EXPRESSION | LEAT_SECRET, NULL, 0, 0, NULL },
	{ "often", "A time.", LEAT_KEY_DURATION, LEAT_EXPRESSION, NULL, 0, 60000, NULL },
	LEAT_END,
};

static const struct leat_verb verbs[] = {
	{ "calc_keys", "Its keys.", &keys_value, keys, keys_run, sizeof(struct keys_state),
	  keys_release, LEAT_IDEMPOTENT },
	LEAT_END,
};

LEAT_MODULE("calc", functions, verbs, NULL, NULL);
