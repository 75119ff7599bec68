/* core/task/home_private.h: between home.c and ask.c. All on the home's loop, but what is said
 * to be for any thread. */
#pragma once
#include "core/task/ask.h"
#include <stdatomic.h>

struct home;

struct home *home_of(struct homes *homes, struct str name); /* any thread */
struct loop *home_loop(const struct home *home);            /* any thread */
void homes_count_message(struct homes *homes, bool more);   /* any thread */

void home_ask(struct home *home, const struct thing_ops *ops, struct str name, struct ask *ask);
void home_withdraw(struct ask *ask); /* one that waits */

/* What was granted comes back; the thing of that name may have been freed meanwhile. */
void home_give_back(struct home *home, const struct thing_ops *ops, struct str name,
		    struct ask *ask);
void home_give_back_held(struct ask *ask); /* the same for a hold: the thing is there */
