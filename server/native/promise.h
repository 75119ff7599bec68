/* server/native/promise.h: the promises of one library. */
#pragma once
#include "core/base/list.h"
#include "core/thread/lock.h"
#include <stddef.h>

struct promises {
	struct lock lock;
	struct list open; /* of struct leat_promise; guarded by lock */
};

void promises_init(struct promises *promises);

/* When nothing of the module runs any more. Returns how many were not completed. */
size_t promises_fini(struct promises *promises);
