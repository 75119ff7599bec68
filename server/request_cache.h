/* server/request_cache.h: a request whose answer may be kept (`cache:` of a route or of a proxy), or
 * has been.
 *
 *   begin() --> kept, and may be used ------------------------> it is answered
 *          \--> nobody has it: go(), which makes the answer --> finish() keeps it
 *          \--> somebody makes it: wait ----------------------> it is answered, or goes by itself
 *
 * The answer is kept as it is before policies change it, and they change it for each client anew.
 * One that makes it for others goes on when its client has left, and stays while its body is
 * collected. One that was answered with what is old makes a new one when that has been sent: the
 * request, with all that its key and its tasks read, is still there. */
#pragma once
#include "server/cache/cache.h"
#include "server/cache/collect.h"
#include "server/cache/remote.h"
#include "server/http/freshness.h"
#include "server/request.h"

typedef void request_go_fn(struct request *request);

/* In the request's arena. */
struct request_cache {
	struct request *request;
	const struct cache_spec *spec;
	request_go_fn *go;
	struct str key, full; /* of the request; of the variant that it would get */
	struct cache_entry
		*old; /* a reference: what is there, but has to be asked about; or NULL */
	struct cache_fill *fill;    /* while it makes the answer; or NULL */
	struct cache_wait *wait;    /* while it waits for it; or NULL */
	struct timer limit;         /* of waiting */
	struct cache_remote remote; /* while it is looked for in Redis */
	struct collect collect;
	struct ready end; /* of one that has only collected */
	const char *why;  /* it was forwarded (RFC 9211): "uri-miss"; NULL: it was not */
	int64_t asked;    /* wall clock, in seconds: when the upstream was */
	struct http_cache_control control; /* of the request */
	struct http_lifetime lifetime;     /* of what the upstream said, when it may be kept */
	uint8_t n_looks;
	bool by_rules;    /* of RFC 9111: a proxy's; else by what the spec says alone */
	bool may_keep;    /* `lifetime` is there */
	bool answered;    /* finish() was called, or it is answered with what was kept */
	bool collapsed;   /* it has waited */
	bool revalidates; /* a new one is to be made when this answer is sent */
	bool collects;    /* `collect` was made */
	bool lingers;     /* the request only collects: it ends with that */
	bool cancelled;
};

/* Leads to an answer, or to go(), now or later. The run must have been made (flow_run_init()). */
void request_cache_begin(struct request *request, const struct cache_spec *spec, bool by_rules,
			 request_go_fn *go);

/* Whether others may wait for the answer that this one makes: it is not stopped. */
static inline bool request_cache_fills(const struct request *request)
{
	const struct request_cache *cache = request->cache;

	return cache && cache->fill && !cache->cancelled;
}

/* ---- for request.c */

/* Every answer to it: the one to be sent. */
const struct reply *request_cache_finish(struct request *request, const struct reply *reply);

/* It cannot be made. True: the request is answered with what is old. */
bool request_cache_rescue(struct request *request, const struct failure *failure);

/* Its client has its answer, or has left. True: it is not over; request_destroy() comes again. */
bool request_cache_stays(struct request *request);
void request_cache_release(struct request *request);
void request_cache_cancel(struct request *request);

/* ---- for proxies */

/* "http://host/path?query", or what `key:` says. 0, or as template_eval(). */
int request_cache_key(struct request *request, const struct cache_spec *spec, struct str *ret_key);

/* What the upstream is asked by, of the answer that is there: at most two fields. */
size_t request_cache_validators(struct request *request, struct http_field fields[2]);

/* Whether an answer of that status would be passed on, and not what is there. */
bool request_cache_wants(const struct request *request, int status);

/* The head of the upstream's answer, whole, before request_reply(). True: it was 304, or an error,
 * and the request is answered with what is there. */
bool request_cache_on_head(struct request *request, int status, const struct http_field *fields,
			   size_t n_fields);

/* ---- request_forget.c */

/* Before an answer is sent: one to an unsafe method, unless it is an error, ends what proxies have kept
 * of its URI, and of those that its Location and Content-Location name, as far as they are of the same
 * origin (RFC 9111 §4.4); on whatever routes. One that a proxy keeps by a `key:` ends only with an
 * answer of the same route, whose parameters the key may name. */
void request_forget(struct request *request, const struct reply *reply);
