/* tests/modules/bad_tables.c: all that can be wrong in tables. */
#include <leat.h>

static void run(struct leat_call *call)
{
	(void)call;
}

static const struct leat_function functions[] = {
	{ "Not_a_name", "Help.", run, 0 }, { "helpless", NULL, run, 0 },
	{ "empty", "Help.", NULL, 0 },     { "twice", "Help.", run, 0 },
	{ "twice", "Help.", run, 0 },      LEAT_END,
};

static const char *const words[] = { "one", NULL };
static const struct leat_key keys[] = {
	{ "timeout", "A modifier.", LEAT_KEY_INT, 0, NULL, 0, 0, NULL },
	{ "get", "A verb.", LEAT_KEY_INT, 0, NULL, 0, 0, NULL },
	{ "queue", "What all have.", LEAT_KEY_INT, 0, NULL, 0, 0, NULL },
	{ "number", "A bad default.", LEAT_KEY_INT, 0, "many", 0, 0, NULL },
	{ "range", "A default out of range.", LEAT_KEY_INT, LEAT_EXPRESSION, "11", 1, 10, NULL },
	{ "choice", "No choices.", LEAT_KEY_CHOICE, 0, NULL, 0, 0, NULL },
	{ "choices", "Too many.", LEAT_KEY_TEXT, 0, NULL, 0, 0, words },
	{ "hidden", "A constant secret.", LEAT_KEY_TEXT, LEAT_SECRET, NULL, 0, 0, NULL },
	{ "flags", "No flags.", LEAT_KEY_TEXT, 64, NULL, 0, 0, NULL },
	{ "same", "Twice.", LEAT_KEY_TEXT, 0, NULL, 0, 0, NULL },
	{ "same", "Twice.", LEAT_KEY_TEXT, 0, NULL, 0, 0, NULL },
	LEAT_END,
};

static const struct leat_verb verbs[] = {
	{ "bad", "Neither.", NULL, keys, NULL, 0, NULL, 0 },
	{ "foreign", "Not its own.", NULL, NULL, run, 0, NULL, 0 },
	LEAT_END,
};

LEAT_MODULE("bad", functions, verbs, NULL, NULL);
