/* server/auth/logins.h: what a process knows of logins: the queue in which passwords are checked, and
 * those that were right a moment ago.
 *
 * A client sends its password with every request. Checking it costs 5 ms to a second of a thread of
 * the pool; one that was right is remembered for a while, by an HMAC of all that it depends on (name,
 * password and hash, so that another hash in the next configuration is another login) with a key that
 * nobody else knows. Wrong ones are not remembered. Any thread. */
#pragma once
#include "core/thread/pool.h"
#include "server/auth/digest_cache.h"
#include "server/auth/users.h"

enum {
	LOGINS_REMEMBERED = 8192, /* of all configurations together: 320 KiB */
	LOGINS_WAITING_MAX = 64,
	LOGINS_WAIT_MS = 10000, /* for a thread */
};

struct logins;

struct logins *logins_create(struct pool *pool);

/* After pool_destroy(), which closes its queues: what runs until then uses it. NULL is accepted. */
void logins_destroy(struct logins *logins);

/* Passwords wait here: so many that they take half of the threads at most. */
struct pool_queue *logins_queue(struct logins *logins);

/* Key sets are read, and slow signatures verified, here. */
struct pool_queue *logins_keys_queue(struct logins *logins);

/* Of a login of a user that is remembered for `ms`: a place that forgets sooner than another one
 * does not know what that one remembers. */
void login_digest(const struct logins *logins, const struct login *login, const struct user *user,
		  uint64_t ms, unsigned char out[DIGEST_SIZE]);
bool logins_know(struct logins *logins, const unsigned char digest[DIGEST_SIZE]);
void logins_remember(struct logins *logins, const unsigned char digest[DIGEST_SIZE], uint64_t ms);
