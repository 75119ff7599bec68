/* server/flow/error.h: why a task failed: the stable codes, and the status each answers by
 * default (DESIGN §1.6, DECISIONS 20). */
#pragma once
#include "core/base/str.h"

struct value;

enum error_code {
	ERROR_NONE,
	ERROR_TIMEOUT,
	ERROR_CONNECT_FAILED,
	ERROR_DNS_FAILED,
	ERROR_TLS_FAILED,
	ERROR_UPSTREAM_STATUS,
	ERROR_BAD_RESPONSE,
	ERROR_TOO_LARGE,
	ERROR_POOL_EXHAUSTED,
	ERROR_QUEUE_FULL,
	ERROR_BREAKER_OPEN,
	ERROR_RATE_LIMITED,
	ERROR_CANCELLED,
	ERROR_ABORTED,
	ERROR_INVALID_INPUT,
	ERROR_IO_ERROR,
	ERROR_NOT_FOUND,
	ERROR_SQL_ERROR,
	ERROR_REDIS_ERROR,
	ERROR_KAFKA_ERROR,
	ERROR_JQ_FAILED,
	ERROR_EXEC_FAILED,
	ERROR_GPU_FAILED,
	ERROR_EXPR_ERROR,
	ERROR_LOOP_LIMIT,
	ERROR_FLOW_DEPTH,
	ERROR_MEMORY_LIMIT,
	ERROR_UNAVAILABLE,
	ERROR_CUSTOM, /* a code of the user's own, by `fail:`; its name is with the failure */
	N_ERROR_CODES,
};

const char *error_code_name(
	enum error_code code);               /* "timeout"; "" for ERROR_NONE and ERROR_CUSTOM */
int error_code_status(enum error_code code); /* the status of an unmapped failure */
bool error_code_find(struct str name, enum error_code *ret_code);
extern const char
	*const error_code_names[]; /* all, NULL at the end: for suggestions and the schema */

/* One failure. The texts live as long as the run that it is of. */
struct failure {
	enum error_code code;
	struct str custom_code; /* for ERROR_CUSTOM */
	int status;             /* 0: that of the code */
	struct str task;   /* the name of the task, with its group: "g.a"; empty: the flow itself */
	struct str detail; /* for the log and ${error.detail}; never in an unmapped reply */
	struct str sqlstate;        /* of ERROR_SQL_ERROR: what the database says; or empty */
	struct str kafka;           /* of Kafka's errors: librdkafka's name of it; or empty */
	const char *errno_name;     /* "ENOSPC", of ERROR_IO_ERROR where there is one; or NULL */
	int upstream_status;        /* for ERROR_UPSTREAM_STATUS */
	const struct value *faults; /* of a body: a list of {pointer, keyword, detail}; or NULL */
};

/* What an evaluation has returned (template_eval() and its like): -EBADMSG invalid_input, -ENOMEM
 * memory_limit, else expr_error. */
enum error_code error_of_evaluation(int error);

struct str failure_code(const struct failure *failure);
int failure_status(const struct failure *failure);
