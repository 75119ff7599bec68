/* core/task/reason.c */
#include "core/task/reason.h"

const char *reason_name(enum reason reason)
{
	static const char *const names[] = { "none",        "full",    "too_large",
					     "unavailable", "expired", "cancelled" };

	return names[reason];
}

enum outcome reason_outcome(enum reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return OUTCOME_OK;
	case REASON_FULL:
	case REASON_TOO_LARGE:
	case REASON_UNAVAILABLE:
		return OUTCOME_FAILED;
	case REASON_EXPIRED:
		return OUTCOME_TIMED_OUT;
	case REASON_CANCELLED:
		return OUTCOME_CANCELLED;
	}
	unreachable();
}
