/* server/flow/shared.h: what `shared:` declares: pools of permits and message queues.
 *
 * A declaration is of one generation; the thing itself lives at its home (core/task/home.h)
 * under its name as long as the process, so that a reload with the same name finds its permits
 * held and its messages waiting. The latest bounds count. Locks and signals need no declaration. */
#pragma once
#include "conf/settings.h"
#include "core/task/message_queue.h"
#include "core/task/resource.h"

struct flow_compiler;

enum shared_kind {
	SHARED_POOL,  /* `permits:` */
	SHARED_QUEUE, /* `queue:` */
};

struct shared_thing {
	struct str name;
	enum shared_kind kind;
	uint32_t n_permits;
	uint32_t n_wait_max;     /* who may wait at once */
	size_t n_max, max_bytes; /* of a queue's messages */
	enum queue_policy full;
};

struct shared_things {
	size_t n_things;
	struct shared_thing *things;
	const char **names; /* NULL at the end, for suggestions */
};

/* For the schema: the keys of one entry. */
extern const struct setting shared_keys[];

/* Reads the section (NULL: nothing is declared) into the arena. False when there were errors. */
bool shared_compile(struct shared_things *things, const struct node *section, struct arena *arena,
		    struct diag *diag);

/* Their figures can be asked for from now on: before flows use them. */
void shared_watch(const struct shared_things *things, struct homes *homes);

/* The declared thing that `value` names. NULL: it is none of that kind, which was told. */
const struct shared_thing *shared_find(struct flow_compiler *compiler, const struct node *value,
				       enum shared_kind kind, const char *key);
