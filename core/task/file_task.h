/* core/task/file_task.h: a file job (core/io/file_io.h) as a task.
 *
 * 	file_task_init(&task, io, job, on_end);
 * 	task_start(&task.task, scope);
 * 	… on_end: OUTCOME_OK: the job is over, task.job->error tells how; then file_task_fini().
 *
 * Cancelled, it ends at once and leaves the job, which goes on without it until the kernel is done.
 * Too much under way: REASON_FULL; a disk that does not answer: REASON_UNAVAILABLE. */
#pragma once
#include "core/io/file_io.h"
#include "core/task/reason.h"

struct file_task {
	struct task task;
	struct file_io *io;
	struct file_job
		*job; /* after OUTCOME_OK: ended, until file_task_fini(); else NULL after its end */
	uint8_t reason; /* enum reason */
};

/* The job is the task's from now on; job->owner too. */
void file_task_init(struct file_task *file, struct file_io *io, struct file_job *job,
		    task_fn *on_end);
void file_task_fini(struct file_task *file); /* once it is IDLE or has ended */
