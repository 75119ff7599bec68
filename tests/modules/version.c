/* tests/modules/version.c: a module that knows which one it is, so that a test sees which is
 * loaded; it counts its runs, and says when it comes and goes. */
#include <leat.h>
#include <stdatomic.h>
#include <string.h>

/* A test writes another number here, in a copy of the file. */
static const char number[] = "version=1";
static atomic_int n_runs;

static const char *init(void)
{
	leat->log(&leat_module, LEAT_INFO, "init of %s", number);
	return NULL;
}

static void fini(void)
{
	leat->log(&leat_module, LEAT_INFO, "fini of %s", number);
}

static void tell(struct leat_call *call)
{
	struct leat_json *json = leat->result(call);

	leat->json_list(json);
	leat->json_text(json, number, strlen(number));
	leat->json_int(json, atomic_fetch_add(&n_runs, 1) + 1);
	leat->json_end(json);
}

/* Its own code has to be there until it returns. */
static void wait(struct leat_call *call)
{
	while (!leat->is_cancelled(call))
		;
	leat->log(&leat_module, LEAT_INFO, "the end of a run of %s", number);
}

static const struct leat_function functions[] = {
	{ "tell", "Which version, and how often it ran.", tell, 0 },
	{ "wait", "Runs until it is cancelled.", wait, 0 },
	LEAT_END,
};

LEAT_MODULE("version", functions, NULL, init, fini);
