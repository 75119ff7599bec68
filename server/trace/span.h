/* server/trace/span.h: what is told of a part of a trace: when it was, and what came of it. */
#pragma once
#include "core/base/buf.h"
#include "server/trace/traceparent.h"

struct trace;

/* The numbers are OTLP's. */
enum span_kind {
	SPAN_INTERNAL = 1, /* a task, a run of a job */
	SPAN_SERVER = 2,   /* a request of a client */
	SPAN_CLIENT = 3,   /* a try of a call to an upstream */
	SPAN_CONSUMER = 5, /* a run of a job that messages have brought */
};

enum { SPAN_FACTS_MAX = 16, SPAN_TEXT_MAX = 512 /* bytes of a value; more are cut */ };

struct span_fact {
	const char *key;
	struct str text; /* .ptr NULL: `number` */
	int64_t number;
};

struct span {
	const struct trace *trace;
	enum span_kind kind;
	uint64_t id, parent;           /* parent 0: none */
	uint64_t started_ns, ended_ns; /* monotonic */
	struct str name;
	bool failed;
	struct str problem; /* why; may be empty */
	size_t n_facts;
	struct span_fact facts[SPAN_FACTS_MAX];
};

/* An empty text is left out. */
void span_add_text(struct span *span, const char *key, struct str text);
void span_add_number(struct span *span, const char *key, int64_t number);

/* Appends the span as OTLP's JSON. */
void span_write(const struct span *span, struct buf *out);

/* Appends {"key":KEY,"value":…}. */
void span_write_fact(const struct span_fact *fact, struct buf *out);
