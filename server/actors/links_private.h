/* server/actors/links_private.h: between links.c and links_make.c. */
#pragma once
#include "server/actors/links.h"
#include "server/actors/private.h"

/* Who is told. */
struct link_owner {
	struct list links; /* of struct runtime_link.of_owner */
	size_t n_links;
	struct actor_group *group;
	struct actor_foreign *foreign; /* NULL: an actor of YAML, which is in links->owners */
	message_fn *handle;            /* of a foreign one */
	struct str name;               /* behind it */
};

/* Who is watched. The key is its name; of another host, with the address of what stands for that behind it. */
struct link_target {
	struct list links; /* of struct runtime_link.of_target */
	size_t n_links;
	const struct actor_remote *remote; /* NULL: of this process */
	void *host;                        /* a reference */
	struct str key, there;             /* behind it; `there` as that host calls it */
};

struct runtime_link {
	struct list of_owner, of_target, waiting;
	struct actors *actors;
	struct link_owner *owner;   /* NULL: nobody wants to be told any more */
	struct link_target *target; /* NULL: it is OWED */
	struct actor_loop *home;    /* of the owner */
	struct actor_group *group;  /* where it counts */
	enum actor_end end;         /* of one that is OWED */
	struct post post;
	struct timer retry; /* the home loop's */
	size_t size;
	char *handler;   /* empty: of a foreign one */
	struct str name; /* as it is told; behind it */
};

/* Goes, when it has no links. */
void link_owner_maybe_free(struct actor_links *links, struct link_owner *owner) HOLDS(links->lock);

/* The key of that name; of another process with its host. */
struct str link_target_key(struct str name, const void *host, char bytes[ACTOR_NAME_MAX + 32]);

/* Nobody waits for it any more; one that is OWED is freed by its post, or its timer. */
void link_leave(struct actor_links *links, struct runtime_link *link) HOLDS(links->lock);

/* It has ended: its post tells of it. */
void link_owe(struct actor_links *links, struct runtime_link *link, enum actor_end end)
	HOLDS(links->lock);
