/* server/policy/limit.c: `limit:`.
 *
 * A request has a place from here until its answer is sent, or its client has left and its tasks
 * have ended. One that waits has a timer; a client that leaves gives its place in the queue up.
 * When a place is granted while the client leaves, or while the time is up, the grant is on its
 * way as a post, and the request waits for it: then it gives the place back. */
#include "server/policy/limit.h"
#include "server/policy/key.h"
#include "server/policy/limiter.h"
#include "server/policy/policies.h"
#include "server/request.h"
#include <errno.h>

struct limit {
	struct policy policy;
	struct policy_key key;
	bool has_key; /* else all count together */
	uint64_t wait_ms;
	struct limiter *limiter;
};

struct limit_config {
	int64_t concurrent, queue;
	uint64_t wait_ms;
	const struct node *key;
};

/* Of one request. */
struct limit_wait {
	struct limiter_place place;
	struct policy_run *run;
	struct timer timer;
	struct post post;
};

#define AT(field) offsetof(struct limit_config, field)
const struct setting limit_keys[] = {
	{ "concurrent", SETTING_INT, AT(concurrent), .help = "How many may be in work at once.",
	  .min = 1, .max = 1000000, .required = true },
	{ "queue", SETTING_INT, AT(queue), "0",
	  "How many more may wait for a place; the rest is answered with 503.", 0, 1000000 },
	{ "wait", SETTING_DURATION, AT(wait_ms), "1s", "How long one may wait; then 503.", 1,
	  86400000 },
	{ "key", SETTING_TEMPLATE, AT(key),
	  .help = "Counts apart for each ip, header:NAME, or text with ${…}; all together when not "
		  "said." },
	SETTINGS_END
};
#undef AT

static struct policy *limit_compile(struct policy_compiler *compiler, const struct node *node,
				    const struct policy *before)
{
	struct limit *limit = arena_zalloc(compiler->arena, sizeof(*limit));
	struct limit_config config = { 0 };
	const struct settings_part part = { limit_keys, &config };

	settings_defaults(limit_keys, &config, compiler->arena);
	if (node->kind == NODE_INT) {
		if (!setting_read_value(&limit_keys[0], node, &config, compiler->arena,
					compiler->diag))
			return NULL;
	} else if (policy_refuse_scalar(compiler, node, "limit", "100, or {concurrent: 100}") ||
		   settings_read(&part, 1, node, "limit", compiler->arena, compiler->diag) > 0) {
		return NULL;
	}
	if (config.key && !policy_key_compile(compiler, config.key, &limit->key))
		return NULL;
	limit->has_key = config.key != NULL;
	limit->wait_ms = config.wait_ms;
	limit->limiter =
		before ? limiter_ref(container_of(before, struct limit, policy)->limiter)
		       : limiter_create((uint32_t)config.concurrent, (uint32_t)config.queue);
	return &limit->policy;
}

static void limit_destroy(struct policy *policy)
{
	limiter_unref(container_of(policy, struct limit, policy)->limiter);
}

/* ------------------------------------------------------------ waiting */

static enum admit limit_refuse(struct policy_run *run, const struct policy *policy, struct str code)
{
	static struct http_field retry = { STR_INIT("Retry-After"), STR_INIT("1") };
	const struct policy_refusal refusal = {
		.status = 503, .code = code, .fields = &retry, .n_fields = 1
	};

	return policy_refuse(run, policy, &refusal);
}

static void limit_on_time_up(struct timer *timer)
{
	struct limit_wait *wait = container_of(timer, struct limit_wait, timer);

	if (limiter_withdraw(&wait->place))
		limit_refuse(wait->run, wait->run->of[POLICY_LIMIT], STR("queue_full"));
}

static void limit_on_granted(struct post *post)
{
	struct limit_wait *wait = container_of(post, struct limit_wait, post);

	timer_stop(&wait->timer);
	limiter_accept(&wait->place);
	policy_pass(wait->run);
}

/* On the thread that gave the place back. */
static void limit_on_grant(struct limiter_place *place)
{
	struct limit_wait *wait = container_of(place, struct limit_wait, place);

	loop_post(wait->run->request->worker->loop, &wait->post);
}

static enum admit limit_admit(struct policy_run *run, const struct policy *policy)
{
	const struct limit *limit = container_of(policy, struct limit, policy);
	struct limit_wait *wait = arena_zalloc(run->arena, sizeof(*wait));
	struct str key = STR_NONE;
	int r = !wait ? -ENOMEM : limit->has_key ? policy_key_read(&limit->key, run, &key) : 0;

	if (r < 0)
		return policy_refuse_errno(run, policy, r);
	wait->run = run;
	wait->post.run = limit_on_granted;
	timer_init(&wait->timer, run->request->worker->loop, limit_on_time_up);
	run->states[POLICY_LIMIT] = wait;
	switch (limiter_take(limit->limiter, key, &wait->place, limit_on_grant)) {
	case LIMITER_TAKEN:
		return ADMIT_PASS;
	case LIMITER_QUEUED:
		timer_start(&wait->timer, limit->wait_ms);
		return ADMIT_WAITS;
	case LIMITER_FULL:
		return limit_refuse(run, policy, STR("queue_full"));
	case LIMITER_NO_MEMORY:
		return limit_refuse(run, policy, STR("unavailable"));
	}
	unreachable();
}

static bool limit_leave(struct policy_run *run, const struct policy *policy)
{
	struct limit_wait *wait = run->states[POLICY_LIMIT];

	(void)policy;
	timer_stop(&wait->timer);
	return limiter_withdraw(&wait->place);
}

static void limit_end(struct policy_run *run, const struct policy *policy)
{
	struct limit_wait *wait = run->states[POLICY_LIMIT];

	(void)policy;
	if (!wait)
		return;
	timer_stop(&wait->timer);
	if (wait->place.state == LIMITER_HOLDS)
		limiter_release(&wait->place);
}

const struct policy_kind policy_limit = {
	.id = POLICY_LIMIT,
	.name = "limit",
	.compile = limit_compile,
	.admit = limit_admit,
	.leave = limit_leave,
	.end = limit_end,
	.destroy = limit_destroy,
};
