/* server/native/handler.h: a call that runs on its loop (a verb with start()), from its first task
 * to its last.
 *
 * It is a module of the core (core/task/module.h) in the flow's scope: it ends when nothing of it is
 * live any more, and is cancelled as a whole. */
#pragma once
#include "server/native/verb.h"

/* The call was filled; it is the handler's from now on, and the step ends with it. */
void handler_start(struct step_run *run, struct leat_call *call);
/* The call, with its loop and what belongs to that, as a module that is about to be started. False: it has failed for
 * want of memory. */
bool handler_launch(struct leat_call *call, task_fn *on_end);
void handler_fini(struct leat_call *call);
void handler_cancel(struct leat_call *call);

/* The call has failed: what is live is cancelled, and it ends. */
void handler_end(struct leat_call *call);
