/* server/policy/policy.c: one request through its policies, and its answer back through them. */
#include "server/policy/policy.h"
#include "core/base/log.h"
#include "server/policy/policies.h"
#include "server/request.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { FIELDS_ROOM = 16 };

const struct policy policy_off;

/* The order in which requests are looked at. What is cheap and says no comes first; a preflight
 * is answered before auth, as it never carries credentials (Fetch §3.2.2); a rate limit holds
 * before auth, so that it also bounds the guessing of passwords, unless its key is of auth's;
 * a place among the concurrent ones is taken last, by those who may come in. */
static const struct policy_step {
	enum policy_id id;
	bool late;
} policy_steps[] = {
	{ POLICY_REQUEST_ID, false },     { POLICY_ALLOW, false },
	{ POLICY_DENY, false },           { POLICY_CORS, false },
	{ POLICY_REDIRECT_HTTPS, false }, { POLICY_RATE_LIMIT, false },
	{ POLICY_AUTH, false },           { POLICY_RATE_LIMIT, true },
	{ POLICY_LIMIT, false },
};

static _Atomic uint64_t refused[N_POLICIES];

uint64_t policy_n_refused(enum policy_id id)
{
	return atomic_load_explicit(&refused[id], memory_order_relaxed);
}

void policy_count_refused(enum policy_id id)
{
	atomic_fetch_add_explicit(&refused[id], 1, memory_order_relaxed);
}

/* ------------------------------------------------------------ coming in */

static void policy_on_leave(struct request *request)
{
	struct policy_run *run = request->policies;
	const struct policy *policy = run->waiting;

	request->on_cancel = NULL;
	if (policy->kind->leave && !policy->kind->leave(run, policy))
		return; /* it ends where it would have passed */
	run->waiting = NULL;
	request->native = NULL;
	request_destroy(request);
}

static void policy_wait(struct policy_run *run, const struct policy *policy)
{
	struct request *request = run->request;

	check(!request->replied);
	run->waiting = policy;
	request->native = run;
	request->on_cancel = policy_on_leave;
}

static void policy_go(struct policy_run *run)
{
	while (run->at < ARRAY_LEN(policy_steps)) {
		const struct policy_step *step = &policy_steps[run->at++];
		const struct policy *policy = run->of[step->id];

		if (!policy || !policy->kind->admit || policy->late != step->late)
			continue;
		run->begun |= UINT32_C(1) << step->id;
		switch (policy->kind->admit(run, policy)) {
		case ADMIT_PASS:
			break;
		case ADMIT_ANSWERED:
			return;
		case ADMIT_WAITS:
			policy_wait(run, policy);
			return;
		}
	}
	request_admitted(run->request);
}

void policy_admit(struct request *request)
{
	if (request->policies)
		policy_go(request->policies);
	else
		request_admitted(request);
}

void policy_pass(struct policy_run *run)
{
	struct request *request = run->request;

	check(run->waiting && !request->replied);
	run->waiting = NULL;
	request->native = NULL;
	request->on_cancel = NULL;
	if (request->owner)
		policy_go(run);
	else
		request_destroy(request);
}

enum admit policy_refuse(struct policy_run *run, const struct policy *policy,
			 const struct policy_refusal *refusal)
{
	struct request *request = run->request;
	struct reply reply = reply_problem(run->arena, refusal->status, refusal->code, STR_NONE,
					   request->context.id, refusal->detail);

	reply.fields = refusal->fields;
	reply.n_fields = refusal->n_fields;
	policy_count_refused(policy->kind->id);
	run->waiting = NULL;
	request_reply(request, &reply);
	return ADMIT_ANSWERED;
}

enum admit policy_refuse_errno(struct policy_run *run, const struct policy *policy, int error)
{
	static const struct policy_refusal short_of_memory = { .status = 503,
							       .code = STR_INIT("memory_limit") };
	static const struct policy_refusal wrong = { .status = 500,
						     .code = STR_INIT("expr_error") };

	log_warning("policy failed policy=%s error=%s detail=%s id=%.*s", policy->kind->name,
		    strerrorname_np(-error), LOG_QUOTE(str_of(run->env.message)),
		    STR_ARG(run->request->context.id));
	return policy_refuse(run, policy, error == -ENOMEM ? &short_of_memory : &wrong);
}

void policy_end(struct request *request)
{
	struct policy_run *run = take(&request->policies);

	for (unsigned id = 0; run && id < N_POLICIES; id++)
		if (run->begun >> id & 1 && run->of[id]->kind->end)
			run->of[id]->kind->end(run, run->of[id]);
}

/* Of a client that has gone already nothing is known: it is no unix client, and has the address
 * that nobody has. */
const struct ip *policy_client_ip(struct policy_run *run)
{
	struct str text = run->request->client_addr;
	struct net_addr addr;

	if (!run->client_known) {
		run->client_known = true;
		run->client_is_ip = !str_starts_with(text, STR("unix:"));
		if (net_addr_parse(text, &addr) == 0)
			net_addr_ip(&addr, &run->client);
	}
	return run->client_is_ip ? &run->client : NULL;
}

/* ------------------------------------------------------------ going out */

void policy_fail(struct policy_run *run, int error)
{
	if (run->error == 0 && !(run->failing && error != -ENOMEM))
		run->error = error;
}

/* A copy whose fields have room for more. */
static bool policy_copy_reply(struct policy_run *run, const struct reply *from, struct reply *to)
{
	*to = *from;
	to->constant = false;
	run->n_room = from->n_fields + FIELDS_ROOM;
	to->fields = arena_alloc_array(run->arena, run->n_room, sizeof(*to->fields));
	if (!to->fields)
		return false;
	if (from->n_fields)
		memcpy(to->fields, from->fields, from->n_fields * sizeof(*to->fields));
	return true;
}

static int policy_finish_copy(struct policy_run *run, const struct reply *from, struct reply *to)
{
	run->error = 0;
	if (!policy_copy_reply(run, from, to))
		return -ENOMEM;
	for (unsigned id = 0; id < N_POLICIES; id++)
		if (run->of[id] && run->of[id]->kind->finish)
			run->of[id]->kind->finish(run, run->of[id], to);
	return run->error;
}

/* A field that should be there cannot be: the answer says so, with all fields that can. */
static const struct reply *policy_finish_failed(struct policy_run *run, struct reply *own,
						int error)
{
	struct request *request = run->request;
	bool bad_value = error == -EBADMSG;
	struct reply problem;

	log_write(bad_value ? LOG_INFO : LOG_WARNING,
		  "answer not finished route=%s error=%s detail=%s id=%.*s",
		  LOG_QUOTE(request->route->pattern.text), strerrorname_np(-error),
		  LOG_QUOTE(str_of(run->env.message)), STR_ARG(request->context.id));
	if (error != -ENOMEM) {
		problem = reply_problem(run->arena, bad_value ? 400 : 500,
					bad_value ? STR("invalid_input") : STR("expr_error"),
					STR_NONE, request->context.id, STR_NONE);
		run->failing = true;
		if (policy_finish_copy(run, &problem, own) == 0)
			return own;
	}
	return reply_refusal(500);
}

const struct reply *policy_finish(struct request *request, const struct reply *reply)
{
	struct policy_run *run = request->policies;
	struct reply *own;
	int r;

	if (!run)
		return reply;
	own = arena_alloc(run->arena, sizeof(*own));
	if (!own) {
		body_source_close(reply->source);
		return reply_refusal(500);
	}
	own->source = reply->source;
	r = policy_finish_copy(run, reply, own);
	if (r == 0)
		return own;
	body_source_close(own->source);
	return policy_finish_failed(run, own, r);
}

const struct reply *policy_finish_constant(const struct policies *const places[], unsigned n_places,
					   const struct reply *reply, struct arena *arena)
{
	struct policy_run run = { .arena = arena, .n_places = n_places };
	struct reply *own = arena_alloc(arena, sizeof(*own));
	struct buf head;

	memcpy(run.places, places, n_places * sizeof(*places));
	run.of[POLICY_HEADERS] = policies_innermost(places, n_places, POLICY_HEADERS);
	check(policy_finish_copy(&run, reply, own) == 0);
	buf_init_arena(&head, arena);
	reply_write_head(own, &head);
	own->head = buf_str(&head);
	own->constant = true;
	return head.len <= REPLY_CONSTANT_HEAD_MAX ? own : NULL;
}

static void policy_reply_grow(struct policy_run *run, struct reply *reply)
{
	size_t n_room = run->n_room * 2;
	struct http_field *fields = arena_alloc_array(run->arena, n_room, sizeof(*fields));

	if (!fields) {
		policy_fail(run, -ENOMEM);
		return;
	}
	memcpy(fields, reply->fields, reply->n_fields * sizeof(*fields));
	reply->fields = fields;
	run->n_room = n_room;
}

void policy_reply_add(struct policy_run *run, struct reply *reply, struct str name,
		      struct str value)
{
	if (reply->n_fields == run->n_room)
		policy_reply_grow(run, reply);
	if (reply->n_fields == run->n_room)
		return;
	reply->fields[reply->n_fields++] = (struct http_field){ name, value };
}

void policy_reply_remove(struct reply *reply, struct str name)
{
	size_t n_kept = 0;

	if (str_eq_nocase(name, STR("content-type")))
		reply->content_type = STR_NONE;
	for (size_t i = 0; i < reply->n_fields; i++)
		if (!str_eq_nocase(reply->fields[i].name, name))
			reply->fields[n_kept++] = reply->fields[i];
	reply->n_fields = n_kept;
}

void policy_reply_set(struct policy_run *run, struct reply *reply, struct str name,
		      struct str value)
{
	policy_reply_remove(reply, name);
	if (str_eq_nocase(name, STR("content-type")) && reply_has_body(reply->status))
		reply->content_type = value;
	else
		policy_reply_add(run, reply, name, value);
}

struct str policy_reply_find(const struct reply *reply, struct str name)
{
	if (str_eq_nocase(name, STR("content-type")) && reply->content_type.len)
		return reply->content_type;
	for (size_t i = 0; i < reply->n_fields; i++)
		if (str_eq_nocase(reply->fields[i].name, name))
			return reply->fields[i].value;
	return STR_NONE;
}

static bool policy_names_field(struct str list, struct str name)
{
	struct str rest = list, part;

	while (str_next_part(&rest, ',', &part)) {
		part = str_trim(part);
		if (str_eq_nocase(part, name) || str_eq(part, STR("*")))
			return true;
	}
	return false;
}

void policy_reply_vary(struct policy_run *run, struct reply *reply, struct str name)
{
	for (size_t i = 0; i < reply->n_fields; i++)
		if (str_eq_nocase(reply->fields[i].name, STR("vary")) &&
		    policy_names_field(reply->fields[i].value, name))
			return;
	policy_reply_add(run, reply, STR("Vary"), name);
}

/* ------------------------------------------------------------ expressions */

static int policy_root(struct expr_env *env, enum expr_root root, struct str key, struct value *ret)
{
	struct policy_run *run = container_of(env, struct policy_run, env);
	struct context *context = &run->request->context;

	return context->ops->root(context, root, key, ret);
}

struct expr_env *policy_env(struct policy_run *run)
{
	run->env.arena = run->arena;
	run->env.root = policy_root;
	run->env.message[0] = '\0';
	return &run->env;
}

/* ------------------------------------------------------------ compiling */

bool policy_refuse_scalar(struct policy_compiler *compiler, const struct node *node,
			  const char *key, const char *mend)
{
	if (!node_is_scalar(node))
		return false;
	diag_error(compiler->diag, node->place, "\"%s\" cannot be \"%.*s\"; write %s", key,
		   STR_ARG(str_first(node->text, 80)), mend);
	return true;
}
