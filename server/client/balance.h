/* server/client/balance.h: which server of a roster a call goes to. Knows no protocol.
 *
 * Whatever the policy: a server that was tried already, whose breaker is open or that is not
 * healthy is not chosen. Of the others, one that could not be reached lately (or that the caller
 * would rather avoid) is chosen only when there is nobody else. A backup is chosen only when
 * nobody else of its group can be; who begins anew stays in its group while it can. */
#pragma once
#include "server/client/roster.h"

enum balance_policy {
	BALANCE_ROUND_ROBIN, /* in turn; weights count, smoothly: a b a c a, not a a a b c */
	BALANCE_LEAST_CONN,  /* the fewest calls in work for its weight */
	BALANCE_RANDOM_TWO,  /* two at random, by weight; of them the less busy one */
	BALANCE_HASH,        /* by a key: the same one as long as it can be called */
};

enum balance_refusal {
	BALANCE_FOUND,
	BALANCE_NOBODY, /* there are no servers, or all were tried */
	BALANCE_OPEN,   /* all that is left has an open breaker */
	BALANCE_UNHEALTHY,
};

struct balance_ask {
	enum balance_policy policy;
	const uint32_t *tried; /* ids of peers that are not asked again */
	size_t n_tried;
	const uint32_t *avoided; /* of those that are asked again only when there is nobody else */
	size_t n_avoided;
	int group;     /* that of the first try; -1: any */
	uint64_t hash; /* of the key */
	uint64_t now_ns;
	const struct breaker_settings *breaker;
	bool healthy;  /* only those that are not down by their checks */
	uint32_t only; /* the id of the one that is asked, whatever is known of it; 0: none */
};

/* One loop's turns. */
struct balance {
	struct roster *roster; /* a reference, or NULL */
	int64_t *turns;        /* of each seat */
};

void balance_init(struct balance *balance);
void balance_fini(struct balance *balance);

/* Takes the reference; turns go on where they were for servers that stay. */
void balance_set(struct balance *balance, struct roster *roster);

/* The number of the seat, or -1. */
int balance_choose(struct balance *balance, const struct balance_ask *ask,
		   enum balance_refusal *ret_refusal);
