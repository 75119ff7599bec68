/* server/async/runs.h: what clients ask about the runs of their requests. Internal to async. */
#pragma once
#include "server/request.h"

route_native_fn async_run_tell, async_run_cancel;

/* What stands for /runs/TOKEN. In `arena`. */
struct str async_location(struct arena *arena, struct str token);
