/* core/task/reason.h: why a task that waited for something did not get it.
 *
 * The outcome says how a task ended, the reason what to tell whoever asked: each is one of the
 * codes of a task's errors (queue_full, timeout, too_large, unavailable, cancelled). */
#pragma once
#include "core/task/task.h"

enum reason {
	REASON_NONE,        /* it got what it asked for (OUTCOME_OK) */
	REASON_FULL,        /* there was no room, or too many wait already (OUTCOME_FAILED) */
	REASON_TOO_LARGE,   /* the value or the name can never fit (OUTCOME_FAILED) */
	REASON_UNAVAILABLE, /* the service is stuck: try later (OUTCOME_FAILED) */
	REASON_EXPIRED,     /* the wait's or the work's own limit passed (OUTCOME_TIMED_OUT) */
	REASON_CANCELLED,   /* the task or its scope was cancelled (OUTCOME_CANCELLED) */
};

const char *reason_name(enum reason reason);
enum outcome reason_outcome(enum reason reason);
