/* server/client/breaker.h: whether a server that fails is still asked. Knows no protocol.
 *
 *   CLOSED --(too many failures)--> OPEN --(open_ms passed)--> HALF_OPEN --(probes succeeded)--> CLOSED
 *                                     ^----------(one failed)------/
 *
 *   CLOSED     everybody may; failures are counted, in a row and as a share of a window
 *   OPEN       nobody may
 *   HALF_OPEN  `probes` may at a time; the others are refused as if it were open
 *
 * Who was let in reports once, with the ticket that he got; what began before the state changed
 * last is not counted any more. Any thread; a short lock, which nobody is called under. */
#pragma once
#include "core/thread/lock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_BUCKETS = 10 };

/* Those of 0 are not asked for; all 0 but open_ms: there is no breaker. */
struct breaker_settings {
	uint32_t failures;   /* in a row that open it */
	uint32_t error_rate; /* per cent of a window's calls that open it */
	uint32_t min_calls;  /* in the window, before its rate says anything */
	uint32_t probes;     /* at a time, and successes in a row that close it; at least 1 */
	uint64_t window_ms;
	uint64_t open_ms;
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

enum breaker_result {
	BREAKER_SUCCEEDED,
	BREAKER_FAILED,
	BREAKER_UNKNOWN, /* given up: it says nothing of the server */
};

struct breaker_bucket {
	uint64_t number; /* of the tenth of a window that it counts */
	uint32_t calls, failed;
};

struct breaker {
	_Atomic uint8_t state; /* written under the lock; also read without */
	struct lock lock;      /* guards the rest */
	uint32_t epoch;        /* counts the changes of state */
	uint32_t n_failures;   /* in a row */
	uint32_t n_probing, n_probed;
	uint64_t until_ns; /* OPEN: then it is half open */
	uint64_t n_opened; /* so far */
	struct breaker_bucket buckets[BREAKER_BUCKETS];
};

/* What was let in. 0: nothing, or there is no breaker. */
typedef uint64_t breaker_ticket;

void breaker_init(struct breaker *breaker);
void breaker_fini(struct breaker *breaker);

bool breaker_is_wanted(const struct breaker_settings *settings);

/* Whether breaker_enter() would let somebody in; changes nothing. */
bool breaker_admits(struct breaker *breaker, const struct breaker_settings *settings,
		    uint64_t now_ns);

/* False: refused. Else *ret_ticket is for breaker_report(). */
bool breaker_enter(struct breaker *breaker, const struct breaker_settings *settings,
		   uint64_t now_ns, breaker_ticket *ret_ticket);
void breaker_report(struct breaker *breaker, const struct breaker_settings *settings,
		    uint64_t now_ns, breaker_ticket ticket, enum breaker_result result);

/* As it is seen at `now_ns`: an OPEN one whose time has passed is HALF_OPEN. */
enum breaker_state breaker_state(struct breaker *breaker, uint64_t now_ns);
const char *breaker_state_name(enum breaker_state state);
