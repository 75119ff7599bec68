/* server/verbs/http_url.h: where a call goes: "users:/path" or "https://host/path", with templates.
 *
 * Scheme, host and port are constant, or the host is one of `hosts:` (DECISIONS 15), so that no
 * value from outside can choose whom leat talks to. */
#pragma once
#include "server/flow/flow.h"

struct client;
struct upstream;

struct http_url {
	struct upstream *upstream; /* of `http:`; NULL: an absolute URL */
	struct str authority;      /* of an absolute URL */
	bool secure;               /* it is https:// */
	struct template *host;     /* it, when it is a template; then one of `hosts` */
	struct setting_texts hosts;
	struct template *target; /* path and query */
	struct template *key;    /* that the upstream's calls are balanced by; NULL: none */
};

struct http_url_compiler {
	struct flow_compiler *flow;
	struct expr_compiler *expr;
	const char *key;                   /* at which the URL stands, for messages */
	const struct setting_texts *hosts; /* what `hosts:` says */
};

/* False with errors in the diag. */
bool http_url_compile(const struct http_url_compiler *compiler, const struct node *value,
		      struct http_url *url);

/* The upstream of an absolute URL, a reference that the caller gives back; NULL when it has a name:
 * then url->upstream is it. 0; -EUSERS: too many hosts are called; or as template_eval(). */
int http_url_reach(const struct http_url *url, struct client *client, struct expr_env *env,
		   struct upstream **ret_unnamed);

/* The hash of the upstream's key, for http_call_request; untouched when it has none. 0, or as
 * template_eval(). */
int http_url_hash(const struct http_url *url, struct expr_env *env, uint64_t *ret_hash);
