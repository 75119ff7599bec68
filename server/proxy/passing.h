/* server/proxy/passing.h: what the parts of `proxy:` share: what it is compiled to, and one request
 * that is being passed on. Internal to server/proxy. */
#pragma once
#include "server/client/http_call.h"
#include "server/proxy/pipe.h"
#include "server/proxy/proxy.h"
#include "server/verbs/http_url.h"

struct reply;

enum proxy_forwarded { FORWARDED_X, FORWARDED_RFC7239, FORWARDED_BOTH, FORWARDED_OFF };

struct proxy_header {
	struct str name;
	struct template *value; /* NULL: it is not sent on */
};

struct proxy {
	/* as the keys say */
	const struct node *url_node, *headers_node, *cache_node;
	bool preserve_host;
	int forwarded; /* enum proxy_forwarded */
	uint64_t tunnel_ms;
	/* compiled */
	struct http_url url;
	bool appends; /* the path, or the rest of it, stands behind the URL */
	struct proxy_place place;
	size_t n_headers;
	struct proxy_header *headers;
	struct cache_spec *cache; /* NULL: nothing is kept */
};

/* In the request's arena. */
struct passing {
	const struct proxy *proxy;
	struct request *request;
	struct scope scope;
	struct http_call call;
	bool cached; /* it is made for the cache: whole, and unconditional but for its own */
	struct upstream *unnamed; /* a reference, of an absolute URL; or NULL */
	struct pipe *pipe;        /* of the request's body; or NULL */
	struct timer tunnel; /* after a switch of protocols: until nothing has passed for so long */
	uint64_t progress;   /* when it was started */
};

/* forward.c: what is asked of the upstream. 0, or as template_eval(). */
int passing_ask(struct passing *passing, struct http_call_request *ret_request);

/* Whether the upstream gets a field of that name from leat, and not from the client. */
bool passing_writes(const struct passing *passing, struct str name);

/* Whether the upstream is told by the client of another origin than leat knows (forwarded: off). */
bool passing_tells_other_origin(const struct passing *passing);

/* Whether trailers of the answer go on: not when it is made for the cache, which keeps none (RFC 9111
 * §3.1), or for a client that does not take them. */
bool passing_wants_trailers(const struct passing *passing);

/* answer.c: the answer of the upstream as one of ours. 0, -ENOMEM, or -EBADMSG: it names too many
 * fields in Connection. */
int passing_answer(struct passing *passing, struct reply *ret_reply);

enum { HOP_NAMES_MAX = 32 };

/* The fields that Connection names: they are for its neighbour only. */
struct hop_names {
	size_t n;
	struct str names[HOP_NAMES_MAX];
};

/* False: there are too many. The names are slices of the fields. */
bool hop_names_read(const struct http_field *fields, size_t n_fields, struct hop_names *ret_names);

/* Whether it is among them. */
bool hop_names_name(const struct hop_names *names, struct str name);

/* Whether a field is for the neighbour only (RFC 9110 §7.6.1), or about framing, which each
 * connection has its own of. Trailer is neither where `trailers` go on. */
bool hop_names_have(const struct hop_names *names, struct str name, bool trailers);
