/* server/request.h: a request that is being answered, whatever protocol brought it.
 *
 * Made when a request needs more than the hot path: tasks, a body, or an answer that depends on
 * it. It owns an arena, and pins the generation it began with. It ends in exactly one call of
 * its sink. */
#pragma once
#include "server/body_intake.h"
#include "server/body_source.h"
#include "server/route.h"
#include "server/worker.h"

struct cache_entry;
struct form_data;
struct request_cache;
struct request;
struct todo_run;

/* Who brought the request and takes the answer. */
struct request_sink {
	/* The answer; its memory lives until request_destroy(), which the sink calls when the
	 * last byte is sent (or cannot be sent). */
	void (*reply)(struct request *request, const struct reply *reply);

	/* Its policies let it pass: now its body may come. */
	void (*admitted)(struct request *request);

	/* The intake takes bytes again. */
	void (*resume_body)(struct request *request);

	/* Bytes of the answer that were taken from its source, and that the client has not taken yet. */
	size_t (*unsent)(const struct request *request);

	/* Something to be told before the answer (RFC 9110 §15.2), where that can be. The texts do not stay. */
	void (*interim)(struct request *request, int status, const struct http_field *fields,
			size_t n_fields);
};

struct request {
	struct context context;
	struct list link; /* in worker->live, or in worker->requests when free */
	struct worker *worker;
	struct generation *generation;
	struct arena arena;
	const struct request_sink *sink;
	void *owner; /* the sink's: its connection (or stream); NULL once the client has left */
	const struct route *route;
	const struct listen_spec
		*listen;             /* of its generation, that it came by; NULL: no more there */
	struct policy_run *policies; /* those that hold for it; NULL: none */
	struct http_head head;       /* all slices are in the arena */
	struct http_path path;
	struct router_match match;
	struct body_intake *intake;      /* that its body goes to; NULL: into `body` */
	struct body_source *source;      /* that the body of its answer comes from; or NULL */
	struct str body;                 /* whole, raw */
	struct form_data *form;          /* of a multipart body; or NULL */
	struct value body_value;         /* by its type; read when the body is whole */
	const struct identity *identity; /* who sent it (auth); NULL: nobody knows */
	struct str client_addr;          /* "127.0.0.1:4711" */
	struct tls_info *tls;            /* a reference; NULL: it came without */
	struct str peer_addr; /* of the other end of the socket; differs behind a proxy */
	bool by_proxy;        /* its peer is one of the listener's trusted_proxies */
	bool secure;          /* it came over TLS, or such a proxy says that it did */
	uint64_t started_ns;
	struct flow_run run;
	struct request_cache *cache;  /* whose answer may be kept, or was; or NULL */
	struct cache_entry *kept;     /* a reference: what the answer is made of; or NULL */
	struct file *file;            /* that the answer is made of; or NULL */
	bool is_form;                 /* by its Content-Type */
	bool running;                 /* the flow runs */
	bool started;                 /* request_start() was called */
	bool replied;                 /* sink->reply() was called */
	struct todo_run *replays;     /* that it runs for, out of the store; or NULL */
	const struct value *kept_tls; /* of such a one: what ${tls} is */
	void *native;                 /* of a native route: what is pending for it */
	void (*on_cancel)(struct request *request); /* of a native route: the client has left */
};

/* A copy of the head (and path, match) that the connection has parsed, in a new request's arena.
 * NULL without memory. */
struct request *request_create(struct worker *worker, const struct route *route,
			       const struct http_head *head, struct str head_bytes,
			       const struct http_path *path, const struct router_match *match);

/* It is there for the policies of a path that no route takes. */
static inline bool request_has_no_route(const struct request *request)
{
	return request->route == request->generation->no_route;
}

/* Its policies have let it pass: its body may come. Once, on its loop, also when its client has
 * left (then it destroys itself). */
void request_admitted(struct request *request);

/* After INTAKE_PAUSED, on its loop. Not after the intake was closed. */
void request_resume_body(struct request *request);

/* Bytes of its answer that are on their way, here or in the system. */
size_t request_unsent(const struct request *request);

/* Runs the route: when the body is whole, or, of a route that passes it on (route_is_early()), before
 * it comes. */
void request_start(struct request *request);

/* Runs the tasks of its route, whose run has been made. */
void request_run(struct request *request);

/* What body_ready() leads to: the tasks may run, or the answer is a refusal. */
void request_go_on(struct request *request);
void request_refuse_body(struct request *request, const struct reply *reply);

/* The answer of a failure: by on_error: where it has a rule, else the problem of its code. Once. The
 * run must have been made (flow_run_init()). */
void request_fail(struct request *request, const struct failure *failure);
/* The same by what an evaluation returned: -EINVAL, -EBADMSG, -ENOMEM, with the message of the run's
 * environment. */
void request_fail_errno(struct request *request, int error);
void request_count_failure(struct request *request); /* of its route */

/* The client has left: by on_disconnect the tasks are cancelled or go on; there will be no call
 * of the sink: the request destroys itself when it has ended. */
void request_abandon(struct request *request);
void request_destroy(struct request *request);
void request_cancel(
	struct request *request); /* its tasks are cancelled, whatever on_disconnect says */

/* Ends a native route's request. Once. */
void request_reply(struct request *request, const struct reply *reply);
void request_reply_json(struct request *request, int status,
			struct str json); /* json must be in the arena or static */

/* The value of a query parameter (decoded, in the arena); .ptr NULL when absent. */
struct str request_query(struct request *request, struct str name);
struct str request_param(const struct request *request, struct str name);
