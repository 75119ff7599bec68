/* tests/lib/tap.c
 *
 * Every check is one TAP test, so that the totals tell how much was looked at. */
#include "tests/lib/tap.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_checks, n_failed; /* guarded by lock */
static const char *test_now = "";   /* guarded by lock */

bool tap_ok(bool ok, const char *file, int line, const char *format, ...)
{
	va_list args;
	char what[512];

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	for (char *at = what; *at; at++)
		if (*at == '\n' || *at == '#')
			*at = ' ';
	pthread_mutex_lock(&lock);
	n_checks++;
	n_failed += !ok;
	printf("%sok %u - %s: %s\n", ok ? "" : "not ", n_checks, test_now, what);
	if (!ok)
		printf("# %s:%d\n", file, line);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
	return ok;
}

bool tap_is_int(int64_t got, int64_t want, const char *file, int line, const char *what)
{
	if (got == want)
		return tap_ok(true, file, line, "%s is %lld", what, (long long)want);
	return tap_ok(false, file, line, "%s is %lld, not %lld", what, (long long)got,
		      (long long)want);
}

bool tap_is_str(struct str got, struct str want, const char *file, int line, const char *what)
{
	if (str_eq(got, want))
		return tap_ok(true, file, line, "%s is \"%.*s\"", what,
			      STR_ARG(str_first(want, 100)));
	return tap_ok(false, file, line, "%s is \"%.*s\", not \"%.*s\"", what,
		      STR_ARG(str_first(got, 200)), STR_ARG(str_first(want, 200)));
}

void tap_run(const char *name, void (*test)(void))
{
	pthread_mutex_lock(&lock);
	test_now = name;
	pthread_mutex_unlock(&lock);
	test();
}

int tap_done(void)
{
	printf("1..%u\n", n_checks);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
