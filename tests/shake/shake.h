/* tests/shake/shake.h: read before all else where SHAKE=yes. Threads pause at random after what they hand
 * over: each window of a few instructions, in which another thread may free what this one still reads, becomes
 * one of up to a millisecond, which the tests hit. */
#pragma once
#pragma GCC system_header /* its macros nest, and shadow their own names */
#include <stdatomic.h>

/* Once in so many calls it sleeps, for at most so long. Any thread. */
void pause_at_random(unsigned one_in, unsigned microseconds_max);

enum { SHAKE_STORE = 60, SHAKE_STORE_US = 500, SHAKE_PUBLISH = 8, SHAKE_PUBLISH_US = 900 };

#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_store
#undef atomic_store_explicit

#define SHAKE_AFTER(operation)                                                                     \
	({                                                                                         \
		__auto_type shake_result = (operation);                                            \
		pause_at_random(SHAKE_STORE, SHAKE_STORE_US);                                      \
		shake_result;                                                                      \
	})
#define SHAKE_EXCHANGE(object, value, order)                                                       \
	({                                                                                         \
		__auto_type shake_object = (object);                                               \
		__typeof__((void)0, *shake_object) shake_new = (value), shake_old;                 \
		__atomic_exchange(shake_object, &shake_new, &shake_old, (order));                  \
		pause_at_random(SHAKE_STORE, SHAKE_STORE_US);                                      \
		shake_old;                                                                         \
	})
#define SHAKE_ASSIGN(object, value, order)                                                         \
	({                                                                                         \
		__auto_type shake_object = (object);                                               \
		__typeof__((void)0, *shake_object) shake_new = (value);                            \
		__atomic_store(shake_object, &shake_new, (order));                                 \
		pause_at_random(SHAKE_STORE, SHAKE_STORE_US);                                      \
	})
/* loop_post() and its like publish by it. */
#define SHAKE_COMPARE(object, expected, value, weak)                                               \
	({                                                                                         \
		__auto_type shake_object = (object);                                               \
		__typeof__((void)0, *shake_object) shake_new = (value);                            \
		_Bool shake_done = __atomic_compare_exchange(shake_object, (expected), &shake_new, \
							     (weak), __ATOMIC_SEQ_CST,             \
							     __ATOMIC_SEQ_CST);                    \
		if (shake_done)                                                                    \
			pause_at_random(SHAKE_PUBLISH, SHAKE_PUBLISH_US);                          \
		shake_done;                                                                        \
	})

#define atomic_compare_exchange_strong(object, expected, value)                                    \
	SHAKE_COMPARE(object, expected, value, 0)
#define atomic_compare_exchange_weak(object, expected, value)                                      \
	SHAKE_COMPARE(object, expected, value, 1)
#define atomic_exchange(object, value) SHAKE_EXCHANGE(object, value, __ATOMIC_SEQ_CST)
#define atomic_exchange_explicit(object, value, order) SHAKE_EXCHANGE(object, value, order)
#define atomic_fetch_sub(object, value)                                                            \
	SHAKE_AFTER(__atomic_fetch_sub(object, value, __ATOMIC_SEQ_CST))
#define atomic_fetch_sub_explicit(object, value, order)                                            \
	SHAKE_AFTER(__atomic_fetch_sub(object, value, order))
#define atomic_store(object, value) SHAKE_ASSIGN(object, value, __ATOMIC_SEQ_CST)
#define atomic_store_explicit(object, value, order) SHAKE_ASSIGN(object, value, order)
