/* core/task/file_task.c */
#include "core/task/file_task.h"
#include <errno.h>

static void file_task_end(struct file_task *file, enum reason reason)
{
	file->reason = (uint8_t)reason;
	task_end(&file->task, reason_outcome(reason));
}

static void file_task_on_end(struct file_job *job)
{
	file_task_end(job->owner, REASON_NONE);
}

static void file_task_start(struct task *task)
{
	struct file_task *file = container_of(task, struct file_task, task);
	int r;

	if (file_job_now(file->job)) {
		file_task_end(file, REASON_NONE);
		return;
	}
	file->job->owner = file;
	r = file_io_start(file->io, file->job, file_task_on_end);
	if (r == 0)
		return;
	file_job_drop(take(&file->job));
	file_task_end(file, r == -EBUSY ? REASON_UNAVAILABLE : REASON_FULL);
}

static void file_task_cancel(struct task *task)
{
	struct file_task *file = container_of(task, struct file_task, task);

	file_job_leave(take(&file->job));
	file_task_end(file, REASON_CANCELLED);
}

static const struct task_ops file_task_ops = { "file", file_task_start, file_task_cancel };

void file_task_init(struct file_task *file, struct file_io *io, struct file_job *job,
		    task_fn *on_end)
{
	*file = (struct file_task){ .io = io, .job = job };
	task_init(&file->task, &file_task_ops, on_end);
}

void file_task_fini(struct file_task *file)
{
	check(file->task.state != TASK_STARTED);
	file_job_drop(take(&file->job));
}
