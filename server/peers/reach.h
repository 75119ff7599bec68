/* server/peers/reach.h: which of our actors a host may send to, and be linked to: all, or those that its
 * entry lists. A name stands for all its keys. */
#pragma once
#include "conf/settings.h"
#include "core/base/arena.h"

struct actor_section;

/* Where none is reached: the same whether there is such an actor or not. */
#define PEER_REACH_NONE "there is no such actor that this host may reach"

struct peer_reach {
	bool few; /* else all */
	size_t n_names;
	struct str *names;
};

/* `said`: the entry has the key; texts are copied. */
void peer_reach_read(struct peer_reach *reach, const struct setting_texts *texts, bool said,
		     struct arena *arena);
bool peer_reach_is_same(const struct peer_reach *a, const struct peer_reach *b);

/* `actor` is a whole name. */
bool peer_may_reach(const struct peer_reach *reach, struct str actor);

/* That there are the actors that the section `peers:` names. `node` may be NULL. */
void peer_section_check_reach(const struct node *node, const struct actor_section *actors,
			      struct diag *diag);
