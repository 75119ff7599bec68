/* server/policy/rate_limit.c: `rate_limit:`.
 *
 * What a place says is one set of buckets for all that it holds for: two routes beneath a prefix
 * share those of the prefix. They outlive a reload that leaves the text of the policy as it is. */
#include "server/policy/rate_limit.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "server/policy/key.h"
#include "server/policy/policies.h"
#include "server/request.h"
#include <errno.h>

struct rate_limit {
	struct policy policy;
	struct bucket_rate rate;
	struct policy_key key;
	int status;
	struct buckets *buckets;
	struct str limit; /* the burst, as text */
};

struct rate_limit_config {
	struct str rate;
	int64_t burst, status;
	const struct node *key;
};

#define AT(field) offsetof(struct rate_limit_config, field)
const struct setting rate_limit_keys[] = {
	{ "rate", SETTING_TEXT, AT(rate), .help = "How many in which time: 10/s, 100/m, 1000/h.",
	  .required = true },
	{ "burst", SETTING_INT, AT(burst),
	  .help = "How many at once, when there were none before; the number of the rate when not "
		  "said.",
	  .min = 1, .max = 1000000000 },
	{ "key", SETTING_TEMPLATE, AT(key),
	  .help = "By what clients are told apart: ip (the default; IPv6 by its first 64 bits), "
		  "header:NAME, or a text with ${…}." },
	{ "status", SETTING_INT, AT(status), "429", "The status of a refusal.", 400, 599 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

int rate_parse(struct str text, uint64_t *ret_interval_ns, uint64_t *ret_n)
{
	static const struct {
		struct str text;
		uint64_t seconds;
	} units[] = {
		{ STR_INIT("s"), 1 },
		{ STR_INIT("m"), 60 },
		{ STR_INIT("h"), 3600 },
		{ STR_INIT("d"), 86400 },
	};
	ptrdiff_t slash = str_find_char(text, '/');
	uint64_t n;

	if (slash < 0 || str_to_u64(str_first(text, (size_t)slash), &n) < 0 || n == 0 ||
	    n > NS_PER_S)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_eq(str_skip(text, (size_t)slash + 1), units[i].text))
			continue;
		*ret_interval_ns = units[i].seconds * NS_PER_S / n;
		*ret_n = n;
		return 0;
	}
	return -EINVAL;
}

static bool rate_limit_compile_rate(struct policy_compiler *compiler, const struct node *node,
				    const struct rate_limit_config *config,
				    struct rate_limit *limit)
{
	struct bucket_rate *rate = &limit->rate;
	const struct node *named = node_find(node, "rate");
	int64_t all_ns;

	if (rate_parse(config->rate, &rate->interval_ns, &rate->burst) < 0) {
		diag_error(compiler->diag, named ? named->place : node->place,
			   "\"%.*s\" is not a rate; write 10/s, 100/m, 1000/h or 1/d",
			   STR_ARG(str_first(config->rate, 80)));
		return false;
	}
	if (config->burst)
		rate->burst = (uint64_t)config->burst;
	if (!__builtin_mul_overflow(rate->interval_ns, rate->burst, &all_ns))
		return true;
	diag_error(compiler->diag, node_find(node, "burst")->place,
		   "so many would take centuries to come back; write a smaller burst");
	return false;
}

static struct policy *rate_limit_compile(struct policy_compiler *compiler, const struct node *node,
					 const struct policy *before)
{
	struct rate_limit *limit = arena_zalloc(compiler->arena, sizeof(*limit));
	struct rate_limit_config config = { 0 };
	const struct settings_part part = { rate_limit_keys, &config };

	settings_defaults(rate_limit_keys, &config, compiler->arena);
	if (node->kind == NODE_TEXT)
		config.rate = node->text;
	else if (policy_refuse_scalar(compiler, node, "rate_limit", "100/s, or {rate: 100/s}") ||
		 settings_read(&part, 1, node, "rate_limit", compiler->arena, compiler->diag) > 0)
		return NULL;
	if (!rate_limit_compile_rate(compiler, node, &config, limit) ||
	    !policy_key_compile(compiler, config.key, &limit->key))
		return NULL;
	limit->policy.late = limit->key.reads_auth;
	limit->status = (int)config.status;
	limit->limit = arena_printf(compiler->arena, "%llu", (unsigned long long)limit->rate.burst);
	limit->buckets =
		before ? buckets_ref(container_of(before, struct rate_limit, policy)->buckets)
		       : buckets_create();
	return &limit->policy;
}

static void rate_limit_destroy(struct policy *policy)
{
	buckets_unref(container_of(policy, struct rate_limit, policy)->buckets);
}

/* ------------------------------------------------------------ at work */

static struct str rate_limit_seconds(struct policy_run *run, uint64_t ns)
{
	return arena_printf(run->arena, "%llu",
			    (unsigned long long)((ns + NS_PER_S - 1) / NS_PER_S));
}

static enum admit rate_limit_refuse(struct policy_run *run, const struct rate_limit *limit,
				    const struct bucket_state *state)
{
	struct http_field retry = { STR("Retry-After"), rate_limit_seconds(run, state->retry_ns) };
	const struct policy_refusal refusal = { .status = limit->status,
						.code = STR("rate_limited"),
						.fields = &retry,
						.n_fields = 1 };

	return policy_refuse(run, &limit->policy, &refusal);
}

static enum admit rate_limit_admit(struct policy_run *run, const struct policy *policy)
{
	const struct rate_limit *limit = container_of(policy, struct rate_limit, policy);
	struct bucket_state *state = arena_zalloc(run->arena, sizeof(*state));
	struct str key;
	int r = state ? policy_key_read(&limit->key, run, &key) : -ENOMEM;

	if (r < 0)
		return policy_refuse_errno(run, policy, r);
	run->states[POLICY_RATE_LIMIT] = state;
	if (buckets_take(limit->buckets, &limit->rate, str_hash(key),
			 loop_now_ns(run->request->worker->loop), state))
		return ADMIT_PASS;
	return rate_limit_refuse(run, limit, state);
}

static void rate_limit_finish(struct policy_run *run, const struct policy *policy,
			      struct reply *reply)
{
	const struct rate_limit *limit = container_of(policy, struct rate_limit, policy);
	const struct bucket_state *state = run->states[POLICY_RATE_LIMIT];

	if (!state)
		return;
	policy_reply_set(run, reply, STR("RateLimit-Limit"), limit->limit);
	policy_reply_set(run, reply, STR("RateLimit-Remaining"),
			 arena_printf(run->arena, "%llu", (unsigned long long)state->remaining));
	policy_reply_set(run, reply, STR("RateLimit-Reset"),
			 rate_limit_seconds(run, state->full_ns));
}

const struct policy_kind policy_rate_limit = {
	.id = POLICY_RATE_LIMIT,
	.name = "rate_limit",
	.compile = rate_limit_compile,
	.admit = rate_limit_admit,
	.finish = rate_limit_finish,
	.destroy = rate_limit_destroy,
};
