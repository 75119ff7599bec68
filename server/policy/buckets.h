/* server/policy/buckets.h: token buckets by key, for all loops.
 *
 * A bucket holds `burst` tokens, gets a new one each interval, and is full at first. It is kept as
 * one moment, that at which it will be full (the generic cell rate algorithm): what is full needs
 * no memory, and time needs no timer.
 *
 * How many keys are remembered is bounded. When there is no room for one more, the one among its
 * neighbours that is nearest to being full is forgotten: it gains the least by it, and whoever has
 * used up a bucket is remembered the longest, however many keys an attacker invents. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUCKETS_MAX = 131072 }; /* keys: 2 MiB */

struct buckets;

struct bucket_rate {
	uint64_t interval_ns; /* of one token */
	uint64_t burst;       /* burst * interval_ns is at most INT64_MAX */
};

struct bucket_state {
	uint64_t remaining; /* tokens that are left */
	uint64_t retry_ns;  /* until there is one; 0: there was one, and it was taken */
	uint64_t full_ns;   /* until all are back */
};

struct buckets *buckets_create(void);
struct buckets *buckets_ref(struct buckets *buckets);
void buckets_unref(struct buckets *buckets); /* NULL is accepted */

/* Takes a token of a key, which is given by its hash (str_hash(): nobody can choose keys that
 * collide). Any thread. True when there was one. */
bool buckets_take(struct buckets *buckets, const struct bucket_rate *rate, uint64_t hash,
		  uint64_t now_ns, struct bucket_state *ret_state);

size_t buckets_n_keys(struct buckets *buckets); /* places in use; for tests */
