/* server/verbs/file.h: what the verbs on files share: paths, the job as a task, its failures. */
#pragma once
#include "core/io/file_tree.h"
#include "core/task/file_task.h"
#include "server/files_root.h"
#include "server/flow/step.h"
#include "server/verbs/all.h"

/* A path as it is compiled, beneath files_root. */
struct file_path {
	const struct data_root *root;
	struct template *text;
};

struct file_state;
typedef void file_end_fn(struct file_state *state, struct file_job *job);

/* The first field of the state of each verb. */
struct file_state {
	struct file_task task;
	struct step_run *step;
	file_end_fn *on_end; /* the job has succeeded; ends the step */
	struct str path;     /* for messages */
	bool missing_ok;     /* that nothing is there is a success, with job NULL */
};

/* `what` is the key or verb. `root_too`: "." may be said. False, with an error told. */
bool file_path_compile(struct verb_compiler *compiler, const struct node *node, const char *what,
		       bool root_too, struct file_path *ret_path);

/* True with the place; else the step has ended. */
bool file_path_eval(struct step_run *step, const struct file_path *path,
		    struct file_place *ret_place);

/* A text as it is, nothing for null, other values as JSON. 0, or as evaluations give it. */
int file_eval_bytes(struct step_run *step, struct template_tree *from, struct str *ret_bytes);

/* A whole number from 0 up; `otherwise` where the template is NULL or gives null. */
int file_eval_number(struct step_run *step, struct template *number, uint64_t otherwise,
		     const char *what, uint64_t *ret);

/* Starts it; NULL: there was no memory for it. */
void file_run(struct step_run *step, struct file_job *job, struct str path, file_end_fn *on_end);
void file_cancel(struct step_run *step);

/* Ends the step for `error`, which `call` gave. */
void file_fail(struct step_run *step, int error, enum file_call_kind call, struct str path);

struct arena_budget *file_budget(struct step_run *step);

const char *file_type_name(mode_t mode); /* "file" */
/* RFC 3339, UTC, to the second. .ptr NULL without memory. */
struct str file_time(struct arena *arena, int64_t seconds);
struct str file_mode_text(struct arena *arena, mode_t mode); /* "0644" */

/* `mode: "0644"`; FILE_MODE_DEFAULT when it is not said. */
bool file_mode_compile(struct verb_compiler *compiler, struct str text, int *ret_mode);

/* read_stream.c: the body of a file; takes the descriptor. NULL without memory. */
struct body_source *file_stream_create(struct step_run *step, int fd, uint64_t at, uint64_t size,
				       struct str path);
