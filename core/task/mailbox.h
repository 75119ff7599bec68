/* core/task/mailbox.h: a task that a message completes.
 *
 * The first message, sent before the start or after it, is the task's result; later ones are
 * dropped. On one loop; from other loops, and by name, it is an await of one value
 * (condition.h). */
#pragma once
#include "core/base/blob.h"
#include "core/task/task.h"

struct mailbox_task {
	struct task task;
	struct blob *message; /* NULL until it came; may stay NULL for an empty one */
	bool has_message;
};

void mailbox_init(struct mailbox_task *mailbox, task_fn *on_end);

/* False when there was one already, or the task has ended: `message` (may be NULL) is dropped.
 * Takes a reference of its own. */
bool mailbox_send(struct mailbox_task *mailbox, struct blob *message);
void mailbox_fini(struct mailbox_task *mailbox); /* drops the message */
