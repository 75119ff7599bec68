/* server/trace/trace_conf.h: the section `trace:`. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/http/head.h"

struct upstream;
struct upstream_section;

enum trace_parent {
	TRACE_PARENT_ALWAYS,  /* a request's traceparent says whether it is sampled */
	TRACE_PARENT_TRUSTED, /* only that of a trusted proxy does; others begin anew */
	TRACE_PARENT_NEVER,
};

/* Fixed, in the arena of its generation. */
struct trace_conf {
	struct upstream *upstream; /* that spans go to, a reference; NULL: there is no section */
	struct str target;
	struct http_field *fields; /* with Content-Type */
	size_t n_fields;
	struct str before, after; /* of the spans, in what is sent */
	uint64_t share;           /* of 2^32: traces that begin here and are sampled */
	int parent;               /* enum trace_parent */
	size_t batch, queue;      /* spans of one loop */
	uint64_t interval_ms, timeout_ms;
};

/* Errors go to `diag`. `http` is compiled. */
void trace_conf_compile(struct trace_conf *trace, const struct node *node,
			const struct upstream_section *http, struct conf *conf, struct diag *diag);
void trace_conf_fini(struct trace_conf *trace);

extern const struct setting trace_keys[];
