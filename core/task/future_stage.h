/* core/task/future_stage.h: what future.c and future_stage.c know of each other, and nobody else
 * does. */
#pragma once
#include "core/task/future.h"
#include <stdatomic.h>

struct stage;

struct future {
	struct loop *loop;
	_Atomic uint32_t refs;
	uint8_t state;      /* enum future_state; the loop's */
	uint8_t sent_state; /* by the promise; the loop's when `arrived` has come */
	int error;          /* so are these three */
	void *value;
	future_free_fn *free_value;
	struct future *source; /* whose value it shares, or NULL */
	struct list watches;
	struct ready ready;  /* watches are to be called; holds a handle */
	struct stage *stage; /* what will complete it, or NULL: a promise out there */
	struct list walk;    /* while a discard travels; holds a handle */
	struct future *next_dead;
	struct post arrived;
	_Atomic uint8_t told; /* enum told */
	promise_fn *on_discard;
	struct promise *promise; /* that listens; its loop's */
	struct loop *producer_loop;
	struct post tell; /* holds a handle */
};

/* On the future's loop, for a promise of a future that ended here: the value is that of `from`. */
void promise_share(struct promise *promise, struct future *from);

/* The stage stops waiting and is gone; the futures that it waited for are added to `walk`, to be
 * discarded. Its promise is moved to *ret_promise. */
void stage_abandon(struct stage *stage, struct list *walk, struct promise *ret_promise);

/* Adds a future to those that a discard has still to visit. */
void future_walk_add(struct list *walk, struct future *future);
