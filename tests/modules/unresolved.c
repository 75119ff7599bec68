/* tests/modules/unresolved.c: it needs what nobody has. */
#include <leat.h>

void this_is_nowhere(void);

static void run(struct leat_call *call)
{
	(void)call;
	this_is_nowhere();
}

static const struct leat_function functions[] = { { "run", "Runs.", run, 0 }, LEAT_END };

LEAT_MODULE("unresolved", functions, NULL, NULL, NULL);
