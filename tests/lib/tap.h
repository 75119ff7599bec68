/* tests/lib/tap.h: unit tests that print TAP; run by prove.
 *
 * A test is a function named as the sentence it proves; main() runs each by TEST(). A check that
 * fails is printed and counted, and the test goes on; checks may run in any thread. */
#pragma once
#include "core/base/check.h"
#include "core/base/str.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void tap_run(const char *name, void (*test)(void));
int tap_done(void); /* prints the plan; what main() returns */

#define TEST(test) tap_run(#test, test)

bool tap_ok(bool ok, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
bool tap_is_int(int64_t got, int64_t want, const char *file, int line, const char *what);
bool tap_is_str(struct str got, struct str want, const char *file, int line, const char *what);

#define is_true(cond) tap_ok((cond), __FILE__, __LINE__, "%s", #cond)
#define is_false(cond) tap_ok(!(cond), __FILE__, __LINE__, "not %s", #cond)
#define is_int(got, want) tap_is_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got)
#define is_str(got, want) tap_is_str((got), (want), __FILE__, __LINE__, #got)
#define is_text(got, want) tap_is_str(str_of(got), str_of(want), __FILE__, __LINE__, #got)
#define is_null(ptr) tap_ok((ptr) == NULL, __FILE__, __LINE__, "%s is NULL", #ptr)
#define is_ptr(got, want) tap_ok((got) == (want), __FILE__, __LINE__, "%s == %s", #got, #want)
