/* tests/modules/hang.c: a verb that holds its loop up for that many seconds, which a module must not do: for the
 * watchdog to see. */
#include <leat.h>
#include <unistd.h>

static void start(struct leat_call *call)
{
	int64_t seconds = 0;

	if (leat->integer(leat->input(call), &seconds))
		sleep((unsigned)seconds);
}

static const struct leat_verb verbs[] = {
	{ "hang", "Holds the loop up, in seconds.", NULL, NULL, NULL, 0, NULL, 0, start },
	LEAT_END,
};

LEAT_MODULE("hang", NULL, verbs, NULL, NULL);
