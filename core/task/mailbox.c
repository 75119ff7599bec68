/* core/task/mailbox.c */
#include "core/task/mailbox.h"

static void mailbox_start(struct task *task)
{
	if (container_of(task, struct mailbox_task, task)->has_message)
		task_end(task, OUTCOME_OK);
}

static void mailbox_cancel(struct task *task)
{
	task_end(task, OUTCOME_CANCELLED);
}

static const struct task_ops mailbox_ops = { "mailbox", mailbox_start, mailbox_cancel };

void mailbox_init(struct mailbox_task *mailbox, task_fn *on_end)
{
	task_init(&mailbox->task, &mailbox_ops, on_end);
	mailbox->message = NULL;
	mailbox->has_message = false;
}

bool mailbox_send(struct mailbox_task *mailbox, struct blob *message)
{
	if (mailbox->has_message || mailbox->task.state > TASK_STARTED)
		return false;
	mailbox->message = blob_ref(message);
	mailbox->has_message = true;
	if (mailbox->task.state == TASK_STARTED)
		task_end(&mailbox->task, OUTCOME_OK);
	return true;
}

void mailbox_fini(struct mailbox_task *mailbox)
{
	blob_unref(mailbox->message);
	mailbox->message = NULL;
}
