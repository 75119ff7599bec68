/* server/verbs/message.h: values that travel between flows, and waits for them: for signal,
 * await, enqueue, dequeue. */
#pragma once
#include "server/flow/step.h"
#include "server/verbs/all.h"

enum { MESSAGE_WAIT_MAX_MS = 86400000 };

/* A constant or ${…} for the key `message:`; NULL stands for null. False when it is wrong. */
bool message_compile(struct verb_compiler *compiler, const struct node *node,
		     struct template_tree **ret_tree);

/* The value as one block; NULL for null. The caller's reference. 0 or as evaluations give it. */
int message_make(struct step_run *step, struct template_tree *tree, struct blob **ret_blob);

/* What was sent. 0 or -ENOMEM. */
int message_read(struct step_run *step, struct blob *blob, struct value *ret);

/* False, and the step has ended, when its context has nothing shared. */
bool message_has_homes(struct step_run *step);
