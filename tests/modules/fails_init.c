/* tests/modules/fails_init.c: it cannot be started. */
#include <leat.h>

static const char *init(void)
{
	return "the moon is not full";
}

static void run(struct leat_call *call)
{
	(void)call;
}

static const struct leat_function functions[] = { { "run", "Runs.", run, 0 }, LEAT_END };

LEAT_MODULE("fails_init", functions, NULL, init, NULL);
