/* server/native/library_check.c: what a module's tables must be, before anything trusts them. Its
 * author reads the messages. */
#include "conf/settings.h"
#include "server/flow/step.h"
#include "server/native/keys.h"
#include "server/native/library.h"

struct checking {
	const struct leat_module *module;
	struct place place;
	struct diag *diag;
	bool ok;
};

static void checking_refuse(struct checking *checking, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void checking_refuse(struct checking *checking, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	diag_error(checking->diag, checking->place, "the module %s is wrong: %s",
		   checking->module->name, text);
	checking->ok = false;
}

static bool checking_name(struct checking *checking, const char *what, const char *name,
			  const char *help)
{
	if (!name_is_valid(str_of(name)) || name[0] == '_') {
		checking_refuse(checking,
				"\"%.80s\" cannot be the name of a %s; write lower-case letters, "
				"digits and _, at most 64",
				name, what);
		return false;
	}
	if (!help || !help[0])
		checking_refuse(checking, "the %s %s has no help", what, name);
	return true;
}

static void checking_functions(struct checking *checking, const struct leat_function *rows)
{
	for (size_t i = 0; rows && rows[i].name; i++) {
		if (i == LIBRARY_ROWS_MAX) {
			checking_refuse(checking, "its table of functions has no end; write "
						  "LEAT_END");
			return;
		}
		checking_name(checking, "function", rows[i].name, rows[i].help);
		if (!rows[i].run)
			checking_refuse(checking, "the function %s has no run()", rows[i].name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(rows[i].name, rows[j].name) == 0)
				checking_refuse(checking, "it has two functions %s", rows[i].name);
	}
}

/* ------------------------------------------------------------ verbs */

static void checking_key(struct checking *checking, const char *verb, const struct leat_key *key,
			 const char *name)
{
	const unsigned known = LEAT_REQUIRED | LEAT_EXPRESSION | LEAT_SECRET;
	bool has_choices = key->choices && key->choices[0];

	if (!key->help || !key->help[0])
		checking_refuse(checking, "%s of the verb %s has no help", name, verb);
	if ((unsigned)key->type > LEAT_KEY_CHOICE || key->flags & ~known)
		checking_refuse(checking, "%s of the verb %s has a type or a flag that is none",
				name, verb);
	else if (has_choices != (key->type == LEAT_KEY_CHOICE))
		checking_refuse(checking, "%s of the verb %s: choices belong to LEAT_KEY_CHOICE",
				name, verb);
	else if (key->flags & LEAT_SECRET && !(key->flags & LEAT_EXPRESSION))
		checking_refuse(checking,
				"%s of the verb %s: LEAT_SECRET belongs to LEAT_EXPRESSION", name,
				verb);
	else if (key->value_default && !native_default_is_valid(key))
		checking_refuse(checking,
				"%s of the verb %s has the default \"%s\", which it does "
				"not take itself",
				name, verb, key->value_default);
}

static void checking_keys(struct checking *checking, const struct leat_verb *verb)
{
	const struct leat_key *keys = verb->keys;

	if (verb->value)
		checking_key(checking, verb->name, verb->value, "the value");
	for (size_t i = 0; keys && keys[i].name; i++) {
		if (i == LIBRARY_ROWS_MAX) {
			checking_refuse(checking,
					"the table of keys of the verb %s has no end; "
					"write LEAT_END",
					verb->name);
			return;
		}
		if (!checking_name(checking, "key", keys[i].name, keys[i].help))
			continue;
		checking_key(checking, verb->name, &keys[i], keys[i].name);
		if (setting_find(modifier_keys, str_of(keys[i].name)) ||
		    verb_find(str_of(keys[i].name)) || strcmp(keys[i].name, "queue") == 0)
			checking_refuse(checking,
					"the key %s of the verb %s means something else in every "
					"task; choose another name",
					keys[i].name, verb->name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(keys[i].name, keys[j].name) == 0)
				checking_refuse(checking, "the verb %s has two keys %s", verb->name,
						keys[i].name);
	}
}

static bool checking_verb_name(const struct leat_module *module, const char *name)
{
	struct str rest = str_of(name), own = str_of(module->name);

	if (!str_starts_with(rest, own))
		return false;
	rest = str_skip(rest, own.len);
	return rest.len == 0 || (rest.ptr[0] == '_' && rest.len > 1);
}

/* Leat's own words cannot be taken: a module called "get" has no verb "get". */
static bool checking_is_taken(struct str name)
{
	if (verb_find(name) || setting_find(modifier_keys, name) || str_eq(name, STR("queue")))
		return true;
	for (size_t i = 0; verbs[i]; i++)
		if (verbs[i]->keys && setting_find(verbs[i]->keys, name))
			return true;
	return false;
}

static void checking_verb(struct checking *checking, const struct leat_verb *verb)
{
	if (!checking_name(checking, "verb", verb->name, verb->help))
		return;
	if (!checking_verb_name(checking->module, verb->name))
		checking_refuse(checking,
				"the verb %s is not called %s, or %s_ and something: so no other "
				"module and no later leat can have it",
				verb->name, checking->module->name, checking->module->name);
	else if (checking_is_taken(str_of(verb->name)))
		checking_refuse(checking, "the verb %s has the name of a word of leat's own",
				verb->name);
	if (!verb->run == !verb->start)
		checking_refuse(checking,
				"the verb %s needs one of run() and start(), and not both",
				verb->name);
	checking_keys(checking, verb);
}

static void checking_verbs(struct checking *checking, const struct leat_verb *rows)
{
	for (size_t i = 0; rows && rows[i].name; i++) {
		if (i == LIBRARY_ROWS_MAX) {
			checking_refuse(checking, "its table of verbs has no end; write LEAT_END");
			return;
		}
		checking_verb(checking, &rows[i]);
		for (size_t j = 0; j < i; j++)
			if (strcmp(rows[i].name, rows[j].name) == 0)
				checking_refuse(checking, "it has two verbs %s", rows[i].name);
	}
}

/* ------------------------------------------------------------ kinds of actors */

static void checking_handlers(struct checking *checking, const struct leat_kind *kind)
{
	const struct leat_handler *rows = kind->handlers;

	if (!rows || !rows[0].name)
		checking_refuse(checking, "the kind %s has no handlers", kind->name);
	for (size_t i = 0; rows && rows[i].name; i++) {
		if (i == LIBRARY_ROWS_MAX) {
			checking_refuse(checking,
					"the handlers of the kind %s have no end; write LEAT_END",
					kind->name);
			return;
		}
		checking_name(checking, "handler", rows[i].name, rows[i].help);
		if (!rows[i].run || rows[i].flags & ~(unsigned)LEAT_GET)
			checking_refuse(
				checking,
				"the handler %s of the kind %s has no run(), or a flag that is "
				"none",
				rows[i].name, kind->name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(rows[i].name, rows[j].name) == 0)
				checking_refuse(checking, "the kind %s has two handlers %s",
						kind->name, rows[i].name);
	}
}

/* That its name is one is said where it becomes that of an actor. */
static void checking_kinds(struct checking *checking, const struct leat_kind *rows)
{
	for (size_t i = 0; rows && rows[i].name; i++) {
		if (i == LIBRARY_ROWS_MAX) {
			checking_refuse(checking, "its table of kinds has no end; write LEAT_END");
			return;
		}
		if (!rows[i].help || !rows[i].help[0])
			checking_refuse(checking, "the kind %s has no help", rows[i].name);
		if (rows[i].flags & ~(unsigned)(LEAT_ON_POOL | LEAT_EXPOSE) ||
		    (unsigned)rows[i].full > LEAT_DROP_NEWEST)
			checking_refuse(checking, "the kind %s has a flag or a policy that is none",
					rows[i].name);
		checking_handlers(checking, &rows[i]);
	}
}

bool library_check(const struct leat_module *module, struct place place, struct diag *diag)
{
	struct checking checking = { module, place, diag, true };

	if (!module->leat || !module->name || !name_is_valid(str_of(module->name))) {
		diag_error(diag, place,
			   "the module has no name that can be written before a point; write "
			   "LEAT_MODULE(\"name\", …) with lower-case letters, digits and _");
		return false;
	}
	checking_functions(&checking, module->functions);
	checking_verbs(&checking, module->verbs);
	checking_kinds(&checking, library_kinds(module));
	return checking.ok;
}
