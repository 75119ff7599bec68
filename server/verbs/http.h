/* server/verbs/http.h: the HTTP verbs: what one is compiled to, and one call of it. Internal to
 * them. */
#pragma once
#include "server/client/http_call.h"
#include "server/client/location.h"
#include "server/flow/step.h"
#include "server/verbs/all.h"
#include "server/verbs/http_url.h"

/* One entry of headers:, query: or form:. */
struct http_pair {
	struct str name;
	struct template *text;      /* headers: */
	struct template_tree *tree; /* query:, form: */
	bool secret;                /* headers: it may tell one */
};

struct http_pairs {
	struct http_pair *pairs;
	size_t n_pairs;
};

struct http_config {
	/* as the keys say */
	const struct node *headers_node, *query_node, *json_node, *form_node, *body_node,
		*hedge_node, *follow_node;
	struct setting_texts expect, hosts;
	uint64_t response_max;
	bool stream;
	struct str method;
	/* compiled */
	enum http_method method_id;
	struct http_url url;
	struct http_pairs headers, query, form;
	struct template_tree *json;
	struct template *body;
	bool has_content_type, has_request_id; /* among `headers` */
	struct statuses expected;
	struct upstream_hedge hedge; /* when there is a hedge_node */
	struct upstream_follow follow;
};

struct http_state {
	struct step_run *run;
	struct upstream *upstream; /* a reference, of an absolute URL */
	struct http_call call;
	struct http_trail *trail; /* in the arena; NULL: it was not redirected */
	bool cancelled;
	bool answered;              /* call.response is there */
	struct body_source *source; /* of its body, left open in the context */
	struct value body;
};

extern const struct setting http_keys[], http_method_keys[];

/* http.c */
void http_on_answered(struct task *task); /* of the call of a state */
enum error_code http_error_code(enum http_call_error error);

/* http_compile.c; what the connection is made of belongs to the client */
bool http_name_is_reserved(struct str name);
bool http_check_header(struct diag *diag, const struct node_entry *entry); /* of a request */
bool http_compile(struct verb_compiler *compiler, const struct node *value, void *config);

/* http_request.c: what to send. 0; -EINVAL, -EBADMSG, -ENOMEM as evaluations return them. */
int http_make_request(struct step_run *run, const struct http_config *config,
		      struct http_call_request *request);

/* http_redirect.c: the answer is a redirect that is followed: another call was started, or the task
 * has failed. False: it is not. */
bool http_follow(struct http_state *state);

/* http_answer.c: what came. */
void http_take_answer(struct step_run *run, struct http_state *state);
struct body_source *http_answer_source(struct step_run *run);
int http_answer_field(struct step_run *run, struct str name, struct value *ret);
