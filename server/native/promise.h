/* server/native/promise.h: the promises of one library, and how they end. */
#pragma once
#include "core/base/list.h"
#include "core/leat.h"
#include "core/thread/lock.h"
#include "server/flow/error.h"
#include <stddef.h>

struct library;
struct native_deferred;

struct promises {
	struct lock lock;
	struct list open; /* of struct leat_promise; guarded by lock */
};

void promises_init(struct promises *promises);

/* When nothing of the module runs any more. Returns how many were not completed. */
size_t promises_fini(struct promises *promises);

/* How a promise ends. */
struct delivery {
	enum error_code code; /* ERROR_NONE: there is a value */
	char *custom_code, *detail;
	char *json;
	size_t json_len;
	void *data;
	leat_free_fn *free_data;
};

/* A promise whose end is a message: task_future.c. */
struct leat_promise *promise_defer(struct library *library, struct native_deferred *deferred);

/* The message of one: defer.c. */
bool deferred_is_wanted(const struct native_deferred *deferred);
void deferred_send(struct native_deferred *deferred,
		   const struct delivery *delivery);  /* takes it */
void deferred_free(struct native_deferred *deferred); /* NULL is accepted */
