/* server/native/verb.h: the verbs of modules, as verbs like any other; and `native:` itself. */
#pragma once
#include "core/task/compute.h"
#include "server/native/call.h"
#include "server/native/keys.h"

/* How many verbs the module has; and its n-th, in the arena. */
size_t library_n_verbs(const struct library *library);
const struct verb *native_verb_make(struct library *library, size_t number, struct arena *arena);

/* What a task with a module's code is compiled to. */
struct native_config {
	const struct node *queue_node;
	const struct node *with_node; /* of `native` */
	const struct compute_queue *queue;
	const struct natives *natives;
	struct native_target target;
	struct native_key input; /* what stands at the verb, or `with` */
	size_t n_keys;
	struct native_key *keys;
	union native_slot slots[]; /* of a module's verb: one a key */
};

extern const struct setting native_keys[];
bool native_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config);

/* run.c */
struct native_state {
	struct compute_task compute; /* of a call on the pool */
	struct leat_call *call;      /* of one on the loop; NULL: it has ended */
	struct step_run *step;
	struct value result;
};
/* What came of a call that has ended is the end of the step. */
void native_finish(struct step_run *run, struct leat_call *call);
void native_start(struct step_run *run);
void native_cancel(struct step_run *run);
int native_field(struct step_run *run, struct str name, struct value *ret);
extern const char *const native_fields[];
