/* server/auth/asking.h: one request that is asked who sent it (server/policy/auth.c), and the kinds
 * of answers that it may have.
 *
 * A kind looks at what the request shows and gives its verdict. One that cannot say at once waits, and
 * is called again, with `again`, when that is over. */
#pragma once
#include "core/task/compute.h"
#include "server/auth/credentials.h"
#include "server/auth/digest_cache.h"
#include "server/auth/identity.h"
#include "server/auth/rules.h"

enum asking_step { STEP_API_KEY, STEP_JWT, STEP_BASIC, STEP_END };

enum verdict {
	VERDICT_NOTHING, /* nothing of that kind was shown */
	VERDICT_GOOD,    /* `identity` says who it is */
	VERDICT_BAD,
	VERDICT_WAITS,
	VERDICT_UNABLE, /* it cannot be checked now */
};

/* In the request's arena. */
struct asking {
	struct policy_run *run;
	const struct auth *auth;
	enum asking_step step;
	bool again;       /* the step has waited, and that is over */
	bool shown;       /* something was shown that was not good */
	bool unable;      /* something could not be checked */
	bool token_shown; /* a token was among it */
	const char *kind; /* what was shown last, and why it was not good: for the log */
	const char *reason;
	struct str user; /* a known one whose password was wrong */
	struct identity identity;
	/* tokens */
	struct jwt jwt;
	struct jwks *jwks; /* a reference, while they are needed */
	bool fetched;      /* it has waited for keys already */
	unsigned char digest[DIGEST_SIZE];
	struct key_wait wait;
	bool waits_for_keys;
	/* what runs on the pool */
	struct scope scope;
	struct compute_task compute;
	bool computed; /* `compute` was begun */
};

/* ------------------------------------------------------------ the kinds */

enum verdict asking_api_key(struct asking *asking);
enum verdict asking_jwt(struct asking *asking);
enum verdict asking_basic(struct asking *asking);

/* ------------------------------------------------------------ for them */

/* The verdict, and for the log its reason (static). */
enum verdict asking_say(struct asking *asking, enum verdict verdict, const char *reason);

/* Whether there is something to look at; false with the verdict when there is not. */
bool asking_shows(struct asking *asking, enum credential credential, enum verdict *ret_verdict);

/* It waits for the offload. */
enum verdict asking_compute(struct asking *asking, struct pool_queue *queue,
			    struct offload *offload);

/* The data of the offload that has ended; NULL when it did not get to run. */
void *asking_computed(struct asking *asking);

/* What was waited for is there, or will not come. The request may be gone afterwards. */
void asking_resume(struct asking *asking);
