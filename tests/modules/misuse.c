/* tests/modules/misuse.c: each function does one thing that a module must not do. */
#include <leat.h>
#include <pthread.h>
#include <stddef.h>

static struct leat_call *kept;

static void two_results(struct leat_call *call)
{
	leat->json_int(leat->result(call), 1);
	leat->json_int(leat->result(call), 2);
}

static void bytes_and_json(struct leat_call *call)
{
	leat->result_bytes(call, "x", 1);
	leat->json_int(leat->result(call), 2);
}

static void half_a_result(struct leat_call *call)
{
	leat->json_list(leat->result(call));
}

static void value_without_key(struct leat_call *call)
{
	leat->json_object(leat->result(call));
	leat->json_int(leat->result(call), 2);
}

static void key_in_a_list(struct leat_call *call)
{
	leat->json_list(leat->result(call));
	leat->json_key(leat->result(call), "a");
}

static void end_of_nothing(struct leat_call *call)
{
	leat->json_end(leat->result(call));
}

static void unknown_key(struct leat_call *call)
{
	leat->key(call, "nothing");
}

static void bad_status(struct leat_call *call)
{
	leat->fail(call, "invalid_input", 200, "no failure at all");
}

static void bad_code(struct leat_call *call)
{
	leat->fail(call, "Not a code", 0, "no code at all");
}

static void *elsewhere(void *data)
{
	leat->json_int(leat->result(data), 1);
	return NULL;
}

static void other_thread(struct leat_call *call)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, elsewhere, call) == 0)
		pthread_join(thread, NULL);
}

static void keep(struct leat_call *call)
{
	kept = call;
}

static void use_kept(struct leat_call *call)
{
	(void)call;
	leat->input(kept);
}

static void use_json_twice(struct leat_call *call)
{
	struct leat_json *json = leat->json(call);

	leat->json_null(json);
	leat->json_done(json);
	leat->json_done(json);
}

static void null_call(struct leat_call *call)
{
	(void)call;
	leat->result(NULL);
}

static const struct leat_function functions[] = {
	{ "two_results", "Sets a result twice.", two_results, 0 },
	{ "bytes_and_json", "Sets a result twice.", bytes_and_json, 0 },
	{ "half_a_result", "Leaves a list open.", half_a_result, 0 },
	{ "value_without_key", "Writes no JSON.", value_without_key, 0 },
	{ "key_in_a_list", "Writes no JSON.", key_in_a_list, 0 },
	{ "end_of_nothing", "Writes no JSON.", end_of_nothing, 0 },
	{ "unknown_key", "Asks for a key that is not in its table.", unknown_key, 0 },
	{ "bad_status", "Fails with what is no failure.", bad_status, 0 },
	{ "bad_code", "Fails with what is no code.", bad_code, 0 },
	{ "other_thread", "Uses its call on another thread.", other_thread, 0 },
	{ "keep", "Keeps its call.", keep, 0 },
	{ "use_kept", "Uses the call that was kept.", use_kept, 0 },
	{ "use_json_twice", "Uses a writer that is done.", use_json_twice, 0 },
	{ "null_call", "Has no call.", null_call, 0 },
	LEAT_END,
};

LEAT_MODULE("misuse", functions, NULL, NULL, NULL);
