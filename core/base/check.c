/* core/base/check.c */
#include "core/base/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *what, const char *file, int line, const char *func)
{
	fprintf(stderr, "check failed: %s at %s:%d in %s()\n", what, file, line, func);
	abort();
}

void check_failed_with(const char *what, const char *file, int line, const char *func,
		       const char *format, ...)
{
	va_list args;

	fprintf(stderr, "check failed: %s at %s:%d in %s(): ", what, file, line, func);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}
