/* server/flow/error.c */
#include "server/flow/error.h"
#include "core/base/check.h"
#include <errno.h>

const char *const error_code_names[] = {
	"timeout",         "connect_failed", "dns_failed",   "tls_failed",
	"upstream_status", "bad_response",   "too_large",    "pool_exhausted",
	"queue_full",      "breaker_open",   "rate_limited", "cancelled",
	"aborted",         "invalid_input",  "io_error",     "not_found",
	"sql_error",       "redis_error",    "kafka_error",  "jq_failed",
	"exec_failed",     "gpu_failed",     "expr_error",   "loop_limit",
	"flow_depth",      "memory_limit",   "unavailable",  NULL,
};

/* The first row is ERROR_TIMEOUT's, and none is missing but the user's own. */
_Static_assert(ARRAY_LEN(error_code_names) == ERROR_CUSTOM, "a name for each code");

const char *error_code_name(enum error_code code)
{
	check((unsigned)code < N_ERROR_CODES);
	if (code == ERROR_NONE || code == ERROR_CUSTOM)
		return "";
	return error_code_names[code - 1];
}

/* DECISIONS 20. */
int error_code_status(enum error_code code)
{
	switch (code) {
	case ERROR_INVALID_INPUT:
		return 400;
	case ERROR_NOT_FOUND:
		return 404;
	case ERROR_RATE_LIMITED:
		return 429;
	case ERROR_CANCELLED:
		return 499;
	case ERROR_TIMEOUT:
		return 504;
	case ERROR_CONNECT_FAILED:
	case ERROR_DNS_FAILED:
	case ERROR_TLS_FAILED:
	case ERROR_UPSTREAM_STATUS:
	case ERROR_BAD_RESPONSE:
	case ERROR_TOO_LARGE:
	case ERROR_SQL_ERROR:
	case ERROR_REDIS_ERROR:
	case ERROR_KAFKA_ERROR:
		return 502;
	case ERROR_POOL_EXHAUSTED:
	case ERROR_QUEUE_FULL:
	case ERROR_BREAKER_OPEN:
	case ERROR_UNAVAILABLE:
		return 503;
	case ERROR_NONE:
	case ERROR_ABORTED:
	case ERROR_IO_ERROR:
	case ERROR_JQ_FAILED:
	case ERROR_EXEC_FAILED:
	case ERROR_GPU_FAILED:
	case ERROR_EXPR_ERROR:
	case ERROR_LOOP_LIMIT:
	case ERROR_FLOW_DEPTH:
	case ERROR_MEMORY_LIMIT:
	case ERROR_CUSTOM:
	case N_ERROR_CODES:
		return 500;
	}
	unreachable();
}

bool error_code_find(struct str name, enum error_code *ret_code)
{
	for (unsigned i = 0; error_code_names[i]; i++) {
		if (!str_eq(name, str_of(error_code_names[i])))
			continue;
		*ret_code = (enum error_code)(i + 1);
		return true;
	}
	return false;
}

enum error_code error_of_evaluation(int error)
{
	return error == -ENOMEM    ? ERROR_MEMORY_LIMIT
	       : error == -EBADMSG ? ERROR_INVALID_INPUT
				   : ERROR_EXPR_ERROR;
}

struct str failure_code(const struct failure *failure)
{
	if (failure->code == ERROR_CUSTOM)
		return failure->custom_code;
	return str_of(error_code_name(failure->code));
}

int failure_status(const struct failure *failure)
{
	return failure->status ? failure->status : error_code_status(failure->code);
}
