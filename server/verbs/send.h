/* server/verbs/send.h: names of actors in tasks. */
#pragma once
#include "server/verbs/verb.h"

struct actor_spec;

/* What is known at load of the actor that `name`, compiled of `value`, says: that it is in `actors:`, with as many
 * keys, or its host in `peers:`. False: it cannot be right, which was told. *ret_spec is NULL when it is of another
 * host, or will be known only then. */
bool verb_check_actor(struct verb_compiler *compiler, const struct node *value,
		      const struct template *name, const struct actor_spec **ret_spec);
