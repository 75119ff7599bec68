/* server/policy/redirect_https.c: `redirect_https:`. */
#include "server/policy/redirect_https.h"
#include "server/policy/policies.h"
#include "server/reply.h"
#include "server/request.h"

enum { HTTPS_PORT = 443 };

struct redirect_https {
	struct policy policy;
	int64_t port;
	int status;
};

struct redirect_https_config {
	int64_t port, status;
};

#define AT(field) offsetof(struct redirect_https_config, field)
const struct setting redirect_https_keys[] = {
	{ "port", SETTING_INT, AT(port), "443", "The port of https.", 1, 65535 },
	{ "status", SETTING_INT, AT(status), "308", "301, 302, 307 or 308.", 301, 308 },
	SETTINGS_END
};
#undef AT

static struct policy *redirect_https_compile(struct policy_compiler *compiler,
					     const struct node *node, const struct policy *before)
{
	struct redirect_https *redirect = arena_zalloc(compiler->arena, sizeof(*redirect));
	struct redirect_https_config config = { 0 };
	const struct settings_part part = { redirect_https_keys, &config };
	bool is_true = node->kind == NODE_BOOL && node->boolean;

	(void)before;
	if (is_true)
		settings_defaults(redirect_https_keys, &config, compiler->arena);
	else if (policy_refuse_scalar(compiler, node, "redirect_https",
				      "true, off, or {port: 8443}") ||
		 settings_read(&part, 1, node, "redirect_https", compiler->arena, compiler->diag) >
			 0)
		return NULL;
	if (config.status > 302 && config.status < 307) {
		diag_error(compiler->diag, node_find(node, "status")->place,
			   "\"status\" is 301, 302, 307 or 308; 308 keeps the method");
		return NULL;
	}
	redirect->port = config.port;
	redirect->status = (int)config.status;
	return &redirect->policy;
}

/* The same host, path and query. */
static struct str redirect_https_url(struct policy_run *run, int64_t port)
{
	const struct http_head *head = &run->request->head;
	struct buf url;

	buf_init_arena(&url, run->arena);
	buf_printf(&url, "https://%.*s", STR_ARG(head->host));
	if (port != HTTPS_PORT)
		buf_printf(&url, ":%d", (int)port);
	buf_add(&url, head->path);
	if (head->query.ptr) {
		buf_add_char(&url, '?');
		buf_add(&url, head->query);
	}
	return url.error ? STR_NONE : buf_str(&url);
}

static enum admit redirect_https_admit(struct policy_run *run, const struct policy *policy)
{
	static const struct policy_refusal no_host = { .status = 400,
						       .code = STR_INIT("invalid_input"),
						       .detail = STR_INIT("no host is named") };
	const struct redirect_https *redirect = container_of(policy, struct redirect_https, policy);
	const struct request *request = run->request;
	struct http_field location = { STR("Location"), STR_NONE };
	const struct reply reply = { .status = redirect->status,
				     .fields = &location,
				     .n_fields = 1 };

	if (request->secure)
		return ADMIT_PASS;
	if (request->head.host.len == 0)
		return policy_refuse(run, policy, &no_host);
	location.value = redirect_https_url(run, redirect->port);
	if (!location.value.ptr)
		return policy_refuse(run, policy, &(struct policy_refusal){ .status = 503 });
	policy_count_refused(POLICY_REDIRECT_HTTPS);
	request_reply(run->request, &reply);
	return ADMIT_ANSWERED;
}

const struct policy_kind policy_redirect_https = {
	.id = POLICY_REDIRECT_HTTPS,
	.name = "redirect_https",
	.compile = redirect_https_compile,
	.admit = redirect_https_admit,
};
