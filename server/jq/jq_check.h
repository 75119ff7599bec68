/* server/jq/jq_check.h: whether jq programs compile, asked while a configuration is loaded.
 *
 * Waits for a worker of its own: not on a loop. */
#pragma once
#include "core/base/arena.h"

struct jq_check;

/* One for a load; its worker is started with the first program. */
struct jq_check *jq_check_create(void);
void jq_check_destroy(struct jq_check *check); /* NULL is accepted */

/* `names` are those of the $variables that the program may use, a space between two. 0: it
 * compiles. 1: it does not: *ret_message, in the arena, is what jq says. A negative errno: that
 * cannot be known (-EPIPE: jq has crashed on it, -ETIMEDOUT). */
int jq_check_program(struct jq_check *check, struct str program, struct str names,
		     struct arena *arena, struct str *ret_message);
