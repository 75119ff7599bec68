/* server/jobs/attempt.h: what is told of each attempt, whether the clock or messages have brought
 * it: its figures and its span. Internal to jobs. */
#pragma once
#include "server/jobs/jobs.h"
#include "server/trace/span.h"

struct job_attempt {
	const struct job_spec *spec;
	const struct context *context;
	const struct failure *failure;
	const char *outcome;
	enum span_kind kind;
	unsigned number;
	uint64_t started_ns, took_ns;
};

void job_attempt_begin(const struct job_spec *spec);
void job_attempt_end(const struct job_attempt *attempt); /* once for each that was begun */
