/* server/reply.h: what `reply:`, `redirect:` and `on_error:` say, compiled, and the answers they
 * give. */
#pragma once
#include "conf/settings.h"
#include "core/io/stream.h"
#include "server/body_source.h"
#include "server/expr/template.h"
#include "server/flow/error.h"
#include "server/http/head.h"

enum {
	REPLY_FIELDS_MAX = 64,
	REPLY_CONSTANT_HEAD_MAX = 8192,
};

/* Bytes, and then a piece of the file. */
struct reply_part {
	struct str bytes;
	uint64_t from, len;
};

/* A body that is sent from a descriptor. */
struct reply_file {
	int fd;
	struct stream_gate *gate; /* asked before its bytes are sent; or NULL */
	uint64_t size;            /* of all parts together */
	size_t n_parts;
	const struct reply_part *parts;
};

/* One answer, independent of the protocol that carries it. What it points at lives until it is
 * sent. */
struct reply {
	int status;
	struct str content_type; /* empty: no body, or a type among the fields */
	struct str body;
	const struct reply_file *file; /* instead of `body`; or NULL */
	struct body_source *source;    /* instead of both; or NULL. The request's from then on */
	size_t n_fields;
	struct http_field *fields; /* checked: names are tokens, values have no controls */
	bool close;                /* the connection ends with this answer */
	bool switches; /* 101: from then on the source, and the request's intake, have the connection */
	bool endless; /* the source goes on for as long as there is a client: no request is waited for
			 that stands behind this one */
	bool constant; /* `head` is rendered already */
	struct str
		head; /* "HTTP/1.1 200 OK\r\n…Content-Length: 12\r\n": all but Date, Connection and the empty line */
};

struct reply_spec; /* compiled, immutable */

/* Compiles the node at `reply:` (a text, or a map of status headers json text html body). NULL
 * with errors in the compiler's diag. With compiler->may_stream `body` may be that of a task that
 * streams. */
struct reply_spec *reply_compile(struct expr_compiler *compiler, const struct node *node);

/* Compiles the node at `redirect:` (a text: 302, or a map of to and status). */
struct reply_spec *reply_compile_redirect(struct expr_compiler *compiler, const struct node *node);

/* The answer when it depends on nothing: rendered once, at load. NULL when it does. */
const struct reply *reply_constant(const struct reply_spec *spec);

/* Renders an answer into env->arena; its source, if there is one, is the caller's. 0, -EINVAL (expr_error), -EBADMSG (invalid_input), -ENOMEM. */
int reply_render(const struct reply_spec *spec, struct expr_env *env, struct reply *ret_reply);

/* Adds an ETag made of the body: the same bytes have the same one, on every machine. There must be
 * room for a field. False without memory. */
bool reply_add_tag(struct arena *arena, struct reply *reply);

/* Content-Length, Connection, …: the connection's to say. */
bool reply_header_is_ours(struct str name);

/* Whether an answer of that status has a body at all (RFC 9110 §6.4.1). */
static inline bool reply_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

uint64_t reply_size(const struct reply *reply); /* of the body, or BODY_SIZE_UNKNOWN */

/* "HTTP/1.1 200 OK\r\n" … "Content-Length: 12\r\n" of an answer. Sticky errors of `out` tell of
 * lack of memory. */
void reply_write_head(const struct reply *reply, struct buf *out);

/* application/problem+json (RFC 9457) with status, title, code, task, request_id (those that are
 * not empty), in the arena; without memory an answer without a body. */
struct reply reply_problem(struct arena *arena, int status, struct str code, struct str task,
			   struct str request_id, struct str detail);

/* The same of what a client sent: with the failure's detail and faults. */
struct reply reply_problem_of(struct arena *arena, const struct failure *failure,
			      struct str request_id);

/* The same without an arena, for what is refused before there is a request: constant texts by
 * status. */
const struct reply *reply_refusal(int status);
const struct reply *reply_plain_http(void); /* 400, to a request without TLS where it is needed */

extern const struct setting reply_keys[];
