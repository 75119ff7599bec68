/* core/base/check.h: what must hold, and the few macros that C lacks.
 *
 * check() stays on in production. It states what the code relies on; when that is false the
 * program says where, and aborts: going on would corrupt what is not yet corrupt. It is for
 * mistakes in this program, never for what a user, a file or a peer may send. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define likely(cond) __builtin_expect(!!(cond), 1)
#define unlikely(cond) __builtin_expect(!!(cond), 0)

#define check(cond) (likely(cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))

/* As check(), and prints what was found: check_that(n < max, "n=%zu max=%zu", n, max). */
#define check_that(cond, ...)                                                                      \
	(likely(cond) ? (void)0                                                                    \
		      : check_failed_with(#cond, __FILE__, __LINE__, __func__, __VA_ARGS__))

#define unreachable() check_failed("reached what cannot be reached", __FILE__, __LINE__, __func__)

_Noreturn void check_failed(const char *what, const char *file, int line, const char *func);
_Noreturn void check_failed_with(const char *what, const char *file, int line, const char *func,
				 const char *format, ...) __attribute__((format(printf, 5, 6)));

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that embeds `member`, from a pointer to the member. */
#define container_of(ptr, type, member)                                                            \
	((type *)(void *)((char *)(uintptr_t)(ptr)-offsetof(type, member)))

/* The variable is cleaned up by `fn(&variable)` on every way out of its block. */
#define scoped(fn) __attribute__((cleanup(fn)))

/* Moves a pointer out of a scoped variable, which is NULL afterwards. */
/* clang-format off */
#define take(ptr_addr)                                                                             \
	({ __typeof__(ptr_addr) take_addr = (ptr_addr);                                            \
	   __typeof__(*take_addr) taken = *take_addr;                                              \
	   *take_addr = NULL;                                                                      \
	   taken; })

/* clang-format on */

/* Nestable, and each argument is evaluated once. */
#define MIN(a, b) PICK(a, b, <, __COUNTER__)
#define MAX(a, b) PICK(a, b, >, __COUNTER__)
#define PICK(a, b, is, id) PICK_ID(a, b, is, id)
/* clang-format off */
#ifdef __cppcheck__ /* cannot read statement expressions */
#define PICK_ID(a, b, is, id) ((a) is (b) ? (a) : (b))
#else
#define PICK_ID(a, b, is, id)                                                                    \
	({ __typeof__(a) pick_a##id = (a);                                                       \
	   __typeof__(b) pick_b##id = (b);                                                       \
	   pick_a##id is pick_b##id ? pick_a##id : pick_b##id; })
#endif
/* clang-format on */
