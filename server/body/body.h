/* server/body/body.h: what a route demands of a request's body, and what becomes of it.
 *
 *   body_begin()   the head has come in: is a body like that taken? (type, coding, size)
 *   [the intake]   it comes: codings are taken off, files of a form go to the disk
 *   body_ready()   it is whole: JSON is checked, a schema is asked
 *
 * Each may refuse: with 400, 413, 415, 422, 503 or 507, as problem+json that lists what is wrong, or
 * as the route's on_error: says. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/expr/value.h"
#include "server/flow/error.h"

struct reply;
struct request;
struct schema;
struct schema_loader;
struct settings;

enum body_type { BODY_ANY, BODY_JSON, BODY_FORM, BODY_MULTIPART, BODY_TEXT };

/* `body:` of a route, compiled. */
struct body_spec {
	enum body_type type;
	uint64_t max;    /* of the bytes that come */
	int undecodable; /* the status of one whose coding cannot be taken off; 0: 400 */
	bool max_said;   /* by the route: then it holds for the bytes without their coding, too */
	const struct schema *schema; /* or NULL */
	uint32_t files_max;
	uint64_t file_max;
};

extern const struct setting body_keys[];

/* `node` is NULL when the route says nothing. False with errors in the diag. */
bool body_compile(struct conf *conf, struct schema_loader *schemas, const struct settings *settings,
		  const struct node *node, struct body_spec *ret, struct diag *diag);

/* Before the body comes; sets the request's intake where one is needed. The answer that refuses it,
 * or NULL. */
const struct reply *body_begin(struct request *request);

/* The body is whole. Leads to exactly one request_go_on() or request_refuse_body(), now or later,
 * on the request's loop. */
void body_ready(struct request *request);

/* What is wrong with a body. */
struct body_refusal {
	int status;
	struct str detail;          /* for people: no internals */
	const struct value *faults; /* a list of {pointer, keyword, detail}; or NULL */
	struct http_field *fields;  /* of the answer; or NULL */
	size_t n_fields;
	enum error_code code; /* ERROR_NONE: by the status */
};

/* The answer for it, in the request's arena, by the route's on_error:. */
const struct reply *body_refuse(struct request *request, const struct body_refusal *refusal);

/* Memory is gone. 413 when the request has come to its own ceiling, or would with `size` bytes that
 * came; 503 when it is all of leat that has none. */
const struct reply *body_refuse_memory(struct request *request, uint64_t size);

/* It is larger than the route lets it be, as its head says or as it has turned out. */
const struct reply *body_refuse_size(struct request *request);

/* The same with nothing but a status. */
const struct reply *body_refuse_status(struct request *request, int status);
