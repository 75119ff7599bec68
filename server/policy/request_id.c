/* server/policy/request_id.c: `request_id:`.
 *
 * Each request has an id, which its log lines, its problems and its calls to services carry. This
 * says under which name the client learns it, and whether a proxy in front may give one: only who
 * is among the listener's trusted_proxies can, or any client could forge lines of the log. */
#include "server/policy/request_id.h"
#include "conf/load.h"
#include "server/policy/policies.h"
#include "server/reply.h"
#include "server/request.h"

enum { REQUEST_ID_MAX = 128 };

struct request_id {
	struct policy policy;
	struct str header;
	bool trust, respond;
};

#define AT(field) offsetof(struct request_id, field)
const struct setting request_id_keys[] = {
	{ "header", SETTING_TEXT, AT(header), "X-Request-Id", "The name of the field." },
	{ "trust", SETTING_BOOL, AT(trust), "false",
	  "Whether an id is taken from a request that a trusted proxy sends." },
	{ "respond", SETTING_BOOL, AT(respond), "true", "Whether the answer says it." },
	SETTINGS_END
};
#undef AT

/* Whether any listener says whom it trusts. */
static bool request_id_has_proxies(const struct node *listen)
{
	bool found = listen && node_find(listen, "trusted_proxies");

	for (size_t i = 0; listen && listen->kind == NODE_LIST && !found && i < listen->n_entries;
	     i++)
		found = node_find(listen->entries[i].value, "trusted_proxies");
	return found;
}

static void request_id_check_trust(struct policy_compiler *compiler, const struct node *node)
{
	const struct node *trust = node_find(node, "trust");

	if (trust && !request_id_has_proxies(node_find(compiler->conf->root, "listen")))
		diag_warning(
			compiler->diag, trust->place,
			"no listener has trusted_proxies, so no id is ever taken; name them at "
			"a listener, or remove trust");
}

static struct policy *request_id_compile(struct policy_compiler *compiler, const struct node *node,
					 const struct policy *before)
{
	struct request_id *id = arena_zalloc(compiler->arena, sizeof(*id));
	const struct settings_part part = { request_id_keys, id };

	(void)before;
	if (node->kind == NODE_BOOL && node->boolean)
		settings_defaults(request_id_keys, id, compiler->arena);
	else if (policy_refuse_scalar(compiler, node, "request_id",
				      "true, off, or {header: X-Request-Id}") ||
		 settings_read(&part, 1, node, "request_id", compiler->arena, compiler->diag) > 0)
		return NULL;
	if (id->trust)
		request_id_check_trust(compiler, node);
	if (http_is_token(id->header) && !reply_header_is_ours(id->header))
		return &id->policy;
	diag_error(compiler->diag, node_find(node, "header")->place,
		   "\"%.*s\" cannot be the name of that field; write for example X-Request-Id",
		   STR_ARG(str_first(id->header, 80)));
	return NULL;
}

static bool request_id_is_good(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!char_is_alpha(id.ptr[i]) && !char_is_digit(id.ptr[i]) && id.ptr[i] != '.' &&
		    id.ptr[i] != '_' && id.ptr[i] != '-')
			return false;
	return id.len > 0 && id.len <= REQUEST_ID_MAX;
}

static enum admit request_id_admit(struct policy_run *run, const struct policy *policy)
{
	const struct request_id *id = container_of(policy, struct request_id, policy);
	struct request *request = run->request;
	const struct http_field *field = http_head_find(&request->head, id->header);

	if (id->trust && request->by_proxy && field && request_id_is_good(field->value))
		request->context.id = field->value;
	return ADMIT_PASS;
}

static void request_id_finish(struct policy_run *run, const struct policy *policy,
			      struct reply *reply)
{
	const struct request_id *id = container_of(policy, struct request_id, policy);

	if (id->respond)
		policy_reply_set(run, reply, id->header, run->request->context.id);
}

const struct policy_kind policy_request_id = {
	.id = POLICY_REQUEST_ID,
	.name = "request_id",
	.compile = request_id_compile,
	.admit = request_id_admit,
	.finish = request_id_finish,
};
