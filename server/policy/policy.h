/* server/policy/policy.h: what is demanded of a request before it comes in, and what is done to
 * its answer, whatever its route does: allow, deny, cors, rate_limit, auth, limit, headers, …
 *
 * Where policies stand and which of them hold is server/policy/policies.h; here is what one is.
 * A request that no policy holds for never gets here: it has no `policies` (NULL).
 *
 *   policies_begin()  which hold for this request? (request->policies)
 *   policy_admit()    between its head and its body, each in the order of the steps in policy.c:
 *                       ADMIT_PASS      the next one
 *                       ADMIT_ANSWERED  the policy has called policy_refuse() or request_reply()
 *                       ADMIT_WAITS     later, from the loop: policy_pass(), policy_refuse() or request_reply()
 *                     and behind the last one request_admitted()
 *   policy_finish()   every answer to it, whoever gave it, before it goes out
 *   policy_end()      the request is being freed
 *
 * To add a policy: write server/policy/NAME.c with a `const struct policy_kind policy_NAME`, name
 * it in enum policy_id (the order in which answers are changed), add its rows to policy_kinds[]
 * and policy_keys[] (policies.c) and its step to policy_steps[] (policy.c). Its compiled form
 * embeds struct policy as its first member and lives in the generation's arena; whatever must
 * survive a reload (counters, caches) is a counted object that compile() takes over from `before`,
 * which is there when the same place said the same text, and destroy() lets go of.
 *
 * Everything but compile() and destroy() runs on the request's loop. A compiled policy is
 * immutable and used by all loops. */
#pragma once
#include "conf/settings.h"
#include "core/base/cidr.h"
#include "server/expr/template.h"
#include "server/http/head.h"

struct conf;
struct policies;
struct policy;
struct policy_list;
struct policy_run;
struct reply;
struct request;
struct upstream_section;

enum policy_id {
	POLICY_REQUEST_ID,
	POLICY_ALLOW,
	POLICY_DENY,
	POLICY_CORS,
	POLICY_REDIRECT_HTTPS,
	POLICY_RATE_LIMIT,
	POLICY_AUTH,
	POLICY_LIMIT,
	POLICY_COMPRESS,
	POLICY_SERVER_TIMING,
	POLICY_HEADERS, /* the last: what it says holds */
	N_POLICIES,
};

enum admit { ADMIT_PASS, ADMIT_ANSWERED, ADMIT_WAITS };

/* What compiling needs. */
struct policy_compiler {
	struct arena *arena; /* required */
	struct diag *diag;
	struct conf *conf;                   /* for conf_path() of files that a policy names */
	const struct upstream_section *http; /* upstreams that a policy names */
	/* What ${…} may read at this place: the request and its client, never tasks nor a body;
	 * path parameters in a route only. */
	const struct expr_names *names;
	struct expr_names outer_names;    /* those outside of routes */
	const struct policies *place;     /* that is being compiled */
	struct policy_list *list;         /* what is compiled is added to it */
	const struct policy_list *before; /* of the generation at work, or NULL */
};

struct policy_kind {
	enum policy_id id;
	const char *name; /* the key */

	/* The node at the key, which is not `off`. Returns the compiled policy, of which the
	 * framework fills struct policy; NULL with errors in the compiler's diag. `before`: what
	 * the generation at work has at the same place with the same text, or NULL. */
	struct policy *(*compile)(struct policy_compiler *compiler, const struct node *node,
				  const struct policy *before);

	/* Each of these may be NULL. */

	/* It holds for this request, and no policy has been asked yet. */
	void (*begin)(struct policy_run *run, const struct policy *policy);
	enum admit (*admit)(struct policy_run *run, const struct policy *policy);

	/* It waits, and the client has left. True: it is over, nothing will be called any more.
	 * False: policy_pass() or an answer will come all the same, soon. */
	bool (*leave)(struct policy_run *run, const struct policy *policy);

	/* May change status, fields and body of the answer, by the functions below. */
	void (*finish)(struct policy_run *run, const struct policy *policy, struct reply *reply);

	/* The request is being freed: gives back what admit() took, also when another policy
	 * answered. Called when admit() was, once, after leave() if there was one. */
	void (*end)(struct policy_run *run, const struct policy *policy);

	/* The generation is gone. Main thread. */
	void (*destroy)(struct policy *policy);
};

struct policy {
	const struct policy_kind *kind;
	const struct policies *place; /* where it stands */
	struct place key_place;       /* of its key, in the file */
	struct policy *next;          /* of its generation */
	bool late;                    /* it admits in its second step (after auth) */
};

/* `off`: stands in a place for a policy that is switched off from there on inwards. */
extern const struct policy policy_off;

/* What holds for one request; in its arena. */
struct policy_run {
	struct request *request;
	struct arena *arena;
	const struct policy *of[N_POLICIES]; /* NULL: none (`off` too) */
	/* All places that say something, the innermost first; for policies that merge. */
	const struct policies *places[3];
	unsigned n_places;
	bool preflight; /* of CORS: its route is the one that it asks about */
	uint8_t at;     /* the next step */
	uint32_t begun; /* 1 << id of those whose admit() was called */
	const struct policy *waiting;
	void *states[N_POLICIES]; /* each kind's own, for admit(), finish() and end() */
	size_t n_room;            /* of the answer's fields, while it is finished */
	int error;                /* of finishing: the first negative errno */
	bool failing; /* the answer is about such an error: those that are left are left out */
	bool client_known, client_is_ip;
	struct ip client;
	struct expr_env env;
};

void policy_admit(struct request *request);

/* The policy that waited lets the request pass: the next one, or the body. */
void policy_pass(struct policy_run *run);

/* The answer that is to go out instead: the same one when nothing changes it, else a copy in the
 * request's arena. The source of its body has the same owner as before. */
const struct reply *policy_finish(struct request *request, const struct reply *reply);

/* A constant answer as the policies of these places make it, which must be such as
 * policies_bake() accepts: rendered, in the arena (which is required). NULL: it is too large. */
const struct reply *policy_finish_constant(const struct policies *const places[], unsigned n_places,
					   const struct reply *reply, struct arena *arena);
void policy_end(struct request *request);

/* ------------------------------------------------------------ for policies */

struct policy_refusal {
	int status;
	struct str code, detail;   /* as in DESIGN §1.6; may be empty */
	struct http_field *fields; /* static, or in the arena */
	size_t n_fields;
};

/* Answers with problem+json, and counts it. Always ADMIT_ANSWERED. */
enum admit policy_refuse(struct policy_run *run, const struct policy *policy,
			 const struct policy_refusal *refusal);

/* The same for -ENOMEM (503) and what went wrong in a ${…} (500). */
enum admit policy_refuse_errno(struct policy_run *run, const struct policy *policy, int error);

/* For finish(): a value cannot be made (-EINVAL, -EBADMSG, -ENOMEM). The answer will be another. */
void policy_fail(struct policy_run *run, int error);

/* For finish(): names without case; the texts must live as long as the request or longer.
 * Content-Type is a field like others. */
void policy_reply_add(struct policy_run *run, struct reply *reply, struct str name,
		      struct str value);
void policy_reply_set(struct policy_run *run, struct reply *reply, struct str name,
		      struct str value);
void policy_reply_remove(struct reply *reply, struct str name);
struct str policy_reply_find(const struct reply *reply, struct str name); /* .ptr NULL: none */
void policy_reply_vary(struct policy_run *run, struct reply *reply, struct str name);

/* The client's believed address; NULL: it came by a unix socket. */
const struct ip *policy_client_ip(struct policy_run *run);

/* For ${…} of a policy; fails as template_eval() does. */
struct expr_env *policy_env(struct policy_run *run);

/* How many requests a kind has answered itself since the start. Any thread. */
uint64_t policy_n_refused(enum policy_id id);
void policy_count_refused(enum policy_id id);

/* A scalar stands where only a map and some words may: says what to write. False: it is none. */
bool policy_refuse_scalar(struct policy_compiler *compiler, const struct node *node,
			  const char *key, const char *mend);

extern const struct policy_kind policy_allow, policy_auth, policy_compress, policy_cors,
	policy_deny, policy_headers, policy_limit, policy_rate_limit, policy_redirect_https,
	policy_request_id, policy_server_timing;
