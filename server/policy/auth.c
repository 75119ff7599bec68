/* server/policy/auth.c: `auth:`: one request is asked who sent it.
 *
 *   API_KEY --> JWT --> BASIC --> END        a step that finds who it is ends the asking (GOOD)
 *                |        |
 *                |        +-- waits for a thread that checks the password
 *                +-- waits for keys that are fetched, or for a thread that verifies
 *
 * What is cheap comes first. A step that waits is called again when that is over. Where nothing good
 * was shown the answer is 401, 503 when something could not be checked, or the request passes as
 * nobody's (`optional`). What was wrong stands in the log, not in the answer. */
#include "core/base/log.h"
#include "server/auth/api_keys.h"
#include "server/auth/asking.h"
#include "server/auth/logins.h"
#include "server/request.h"
#include <errno.h>

enum verdict asking_say(struct asking *asking, enum verdict verdict, const char *reason)
{
	asking->reason = reason;
	return verdict;
}

bool asking_shows(struct asking *asking, enum credential credential, enum verdict *ret_verdict)
{
	switch (credential) {
	case CREDENTIAL_NONE:
		*ret_verdict = VERDICT_NOTHING;
		return false;
	case CREDENTIAL_SEVERAL:
		*ret_verdict = asking_say(asking, VERDICT_BAD, "the field stands there twice");
		return false;
	case CREDENTIAL_FOUND:
		return true;
	}
	unreachable();
}

/* ------------------------------------------------------------ on the pool */

static void asking_on_computed(struct task *task)
{
	(void)task; /* on_empty goes on, when nothing looks at the scope any more */
}

static void asking_on_empty(struct scope *scope)
{
	struct asking *asking = container_of(scope, struct asking, scope);

	scope_fini(scope);
	asking_resume(asking);
}

enum verdict asking_compute(struct asking *asking, struct pool_queue *queue,
			    struct offload *offload)
{
	scope_init(&asking->scope, asking->run->request->worker->loop, asking_on_empty);
	compute_init(&asking->compute, queue, offload,
		     &(struct compute){ .wait_ms = LOGINS_WAIT_MS }, asking_on_computed);
	asking->computed = true;
	task_start(&asking->compute.task, &asking->scope);
	return VERDICT_WAITS;
}

void *asking_computed(struct asking *asking)
{
	if (asking->compute.task.outcome != OUTCOME_OK)
		return NULL;
	return offload_data(asking->compute.offload);
}

/* ------------------------------------------------------------ API keys */

enum verdict asking_api_key(struct asking *asking)
{
	const struct auth_api_key *api_key = asking->auth->api_key;
	struct request *request = asking->run->request;
	enum verdict verdict;
	struct str text, name;

	if (!api_key)
		return VERDICT_NOTHING;
	if (!asking_shows(asking, credential_find(request, &api_key->from, &text), &verdict))
		return verdict;
	name = api_keys_find(&api_key->keys, text);
	if (!name.ptr)
		return asking_say(asking, VERDICT_BAD, "no such key");
	asking->identity = (struct identity){ .kind = IDENTITY_API_KEY, .key = name };
	return VERDICT_GOOD;
}

/* ------------------------------------------------------------ the end */

static void asking_log(const struct asking *asking, int status)
{
	const struct request *request = asking->run->request;

	log_info("auth refused status=%d kind=%s reason=%s%s%s path=%s client=%s id=%.*s", status,
		 asking->kind ? asking->kind : "none",
		 LOG_QUOTE(str_of(asking->reason ? asking->reason : "nothing shown")),
		 asking->user.ptr ? " user=" : "", asking->user.ptr ? LOG_QUOTE(asking->user) : "",
		 LOG_QUOTE(request->head.path), LOG_QUOTE(request->client_addr),
		 STR_ARG(request->context.id));
}

static enum admit asking_refuse(struct asking *asking)
{
	const struct auth *auth = asking->auth;
	struct http_field *fields =
		asking->token_shown ? (struct http_field *)(uintptr_t)auth->refused_challenges
				    : (struct http_field *)(uintptr_t)auth->challenges;
	const struct policy_refusal refusal = { .status = 401,
						.code = STR("unauthorized"),
						.fields = fields,
						.n_fields = auth->n_challenges };

	asking_log(asking, 401);
	return policy_refuse(asking->run, &auth->policy, &refusal);
}

static enum admit asking_refuse_unable(struct asking *asking)
{
	static struct http_field retry = { STR_INIT("Retry-After"), STR_INIT("1") };
	static const struct policy_refusal refusal = {
		.status = 503, .code = STR_INIT("unavailable"), .fields = &retry, .n_fields = 1
	};

	asking_log(asking, 503);
	return policy_refuse(asking->run, &asking->auth->policy, &refusal);
}

static enum admit asking_forbid(struct asking *asking, const char *reason)
{
	const struct auth *auth = asking->auth;
	bool bearer = asking->run->request->identity &&
		      asking->run->request->identity->kind == IDENTITY_JWT;
	const struct policy_refusal refusal = {
		.status = 403,
		.code = STR("forbidden"),
		.fields = (struct http_field *)(uintptr_t)&auth->forbidden,
		.n_fields = bearer,
	};

	asking->reason = reason;
	asking_log(asking, 403);
	return policy_refuse(asking->run, &auth->policy, &refusal);
}

/* Also of nobody: `require` may ask for somebody where `optional` does not. */
static enum admit asking_require(struct asking *asking)
{
	struct expr_env *env;
	bool holds = false;
	int r;

	if (!asking->auth->require)
		return ADMIT_PASS;
	env = policy_env(asking->run);
	r = expr_eval_bool(asking->auth->require, env, &holds);
	if (r < 0)
		return asking_forbid(asking, r == -ENOMEM ? "no memory for require" : env->message);
	return holds ? ADMIT_PASS : asking_forbid(asking, "require is false");
}

static enum admit asking_accept(struct asking *asking)
{
	asking->run->request->identity = &asking->identity;
	return asking_require(asking);
}

static enum admit asking_end(struct asking *asking)
{
	if (asking->unable)
		return asking_refuse_unable(asking);
	if (asking->shown || !asking->auth->optional)
		return asking_refuse(asking);
	return asking_require(asking);
}

static enum verdict asking_step(struct asking *asking)
{
	switch (asking->step) {
	case STEP_API_KEY:
		return asking_api_key(asking);
	case STEP_JWT:
		return asking_jwt(asking);
	case STEP_BASIC:
		return asking_basic(asking);
	case STEP_END:
		break;
	}
	unreachable();
}

static enum admit asking_go(struct asking *asking)
{
	static const char *const kinds[] = {
		[STEP_API_KEY] = "api_key", [STEP_JWT] = "jwt", [STEP_BASIC] = "basic"
	};

	while (asking->step != STEP_END) {
		enum verdict verdict = asking_step(asking);

		if (verdict == VERDICT_WAITS)
			return ADMIT_WAITS;
		if (verdict != VERDICT_NOTHING)
			asking->kind = kinds[asking->step];
		if (verdict == VERDICT_GOOD)
			return asking_accept(asking);
		asking->shown |= verdict == VERDICT_BAD;
		asking->unable |= verdict == VERDICT_UNABLE;
		asking->again = false;
		if (asking->computed)
			compute_fini(&asking->compute);
		asking->computed = false;
		asking->step++;
	}
	return asking_end(asking);
}

void asking_resume(struct asking *asking)
{
	struct policy_run *run = asking->run;

	asking->again = true;
	if (!run->request->owner || asking_go(asking) == ADMIT_PASS)
		policy_pass(run);
}

/* ------------------------------------------------------------ the policy */

static enum admit auth_admit(struct policy_run *run, const struct policy *policy)
{
	struct asking *asking = arena_zalloc(&run->request->arena, sizeof(*asking));
	static const struct policy_refusal refusal = { .status = 500,
						       .code = STR_INIT("memory_limit") };

	if (!asking)
		return policy_refuse(run, policy, &refusal);
	asking->run = run;
	asking->auth = container_of(policy, const struct auth, policy);
	run->states[POLICY_AUTH] = asking;
	return asking_go(asking);
}

/* Work that waits for a thread is taken back. What runs already is waited for, and ends soon: left
 * behind it would count as a thread that is stuck (DECISIONS 4), and anybody could have all of them
 * counted by sending passwords and leaving. */
static bool auth_leave(struct policy_run *run, const struct policy *policy)
{
	struct asking *asking = run->states[POLICY_AUTH];

	(void)policy;
	if (asking->waits_for_keys)
		return key_wait_leave(asking->auth->jwt->source, &asking->wait);
	if (!compute_has_begun(&asking->compute))
		scope_cancel(&asking->scope);
	return false;
}

static void auth_end(struct policy_run *run, const struct policy *policy)
{
	struct asking *asking = run->states[POLICY_AUTH];

	(void)policy;
	if (!asking)
		return;
	jwks_unref(take(&asking->jwks));
	if (asking->computed)
		compute_fini(&asking->compute);
	run->request->identity = NULL;
}

static void auth_hide(struct policy_run *run, const struct credential_place *place)
{
	if (place->from == CREDENTIAL_QUERY)
		credential_hide(run->request, place->name);
}

/* What the query shows is for no log, also when another policy answers or the client leaves before
 * anybody has looked at it. */
static void auth_begin(struct policy_run *run, const struct policy *policy)
{
	const struct auth *auth = container_of(policy, struct auth, policy);

	if (auth->api_key)
		auth_hide(run, &auth->api_key->from);
	if (auth->jwt)
		auth_hide(run, &auth->jwt->from);
}

static struct policy *auth_policy_compile(struct policy_compiler *compiler, const struct node *node,
					  const struct policy *before)
{
	struct auth *auth = auth_compile(compiler, node);

	(void)before; /* what outlives a generation is found by its URL, wherever it stands */
	return auth ? &auth->policy : NULL;
}

static void auth_policy_destroy(struct policy *policy)
{
	auth_fini(container_of(policy, struct auth, policy));
}

const struct policy_kind policy_auth = {
	.id = POLICY_AUTH,
	.name = "auth",
	.compile = auth_policy_compile,
	.begin = auth_begin,
	.admit = auth_admit,
	.leave = auth_leave,
	.end = auth_end,
	.destroy = auth_policy_destroy,
};
