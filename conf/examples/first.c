/* first.c: a verb that asks several services for the same thing and takes the first answer that is
 * good; the other requests are cancelled. It runs on the loop and blocks nothing: requests are
 * tasks, and a parallel of them, with LEAT_ANY, is a race. See first.yaml. */
#include <leat.h>
#include <string.h>

enum { SERVICES_MAX = 16 };

struct first {
	struct leat_task *requests[SERVICES_MAX];
	size_t n_requests;
};

/* The race is over: somebody has won it, or nobody. */
static void on_race_end(struct leat_task *race)
{
	struct leat_call *call = leat->call_of(race);
	struct first *first = leat->state(call);
	struct leat_json *json;
	size_t i = 0;

	while (i < first->n_requests && leat->outcome(first->requests[i]) != LEAT_OK)
		i++;
	if (i == first->n_requests) {
		leat->fail(call, "unavailable", 0, "none of %zu services answered", i);
		return;
	}
	json = leat->result(call);
	leat->json_object(json);
	leat->json_key(json, "service");
	leat->json_int(json, (int64_t)i);
	leat->json_key(json, "status");
	leat->json_int(json, leat->http_status(first->requests[i]));
	leat->json_key(json, "body");
	leat->json_value(json, leat->value(first->requests[i]));
	leat->json_end(json);
}

static char *copy_text(struct leat_call *call, const struct leat_value *value)
{
	struct leat_text text = leat->text(value);
	char *copy = leat->alloc(call, text.len + 1); /* cleared: it ends in NUL */

	if (copy && text.len)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

static void start(struct leat_call *call)
{
	const struct leat_value *urls = leat->input(call);
	struct leat_task *race = leat->parallel(call, LEAT_ANY, 0, on_race_end);
	struct first *first = leat->state(call);
	int64_t timeout = 0;

	if (leat->len(urls) == 0 || leat->len(urls) > SERVICES_MAX) {
		leat->fail(call, "invalid_input", 0, "1 to %d URLs are asked", SERVICES_MAX);
		return;
	}
	for (size_t i = 0; i < leat->len(urls); i++) {
		struct leat_request request = { .url = copy_text(call, leat->at(urls, i)) };

		if (!request.url)
			return; /* and leat says that memory was short */
		first->requests[first->n_requests++] = leat->http(call, &request, NULL);
		leat->add(race, first->requests[i]);
	}
	if (leat->integer(leat->key(call, "within"), &timeout))
		leat->timeout(race, (uint64_t)timeout);
	leat->start(race);
}

static const struct leat_key value = {
	.help = "A list of URLs.",
	.type = LEAT_KEY_VALUE,
	.flags = LEAT_EXPRESSION,
};

static const struct leat_key keys[] = {
	{ .name = "within", .help = "How long they may take.", .type = LEAT_KEY_DURATION },
	LEAT_END,
};

static const struct leat_verb verbs[] = {
	{ .name = "first",
	  .help = "The first answer of several URLs: {service, status, body}.",
	  .value = &value,
	  .keys = keys,
	  .state_size = sizeof(struct first),
	  .start = start,
	  .flags = LEAT_IDEMPOTENT },
	LEAT_END,
};

LEAT_MODULE(.name = "first", .verbs = verbs);
