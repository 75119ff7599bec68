/* server/native/natives.c */
#include "server/native/natives.h"
#include "server/client/upstream.h"
#include "server/native/call.h"
#include "server/native/verb.h"

/* ------------------------------------------------------------ loading */

static const struct library *natives_named(const struct natives *natives, const char *name)
{
	for (size_t i = 0; i < natives->n_libraries; i++)
		if (strcmp(natives->names[i], name) == 0)
			return natives->libraries[i];
	return NULL;
}

static bool natives_load_one(struct natives *natives, const struct node *node, struct conf *conf,
			     const struct natives *before, struct diag *diag)
{
	const struct library *other;
	struct library *library;

	if (node->kind != NODE_TEXT || node->text.len == 0) {
		diag_error(diag, node->place,
			   "`modules` is a list of files, and this is %s; write [hello.so]",
			   node_kind_name(node));
		return false;
	}
	library = library_open(conf_path(conf, node->place, node->text), node->place,
			       before ? before->libraries : NULL, before ? before->n_libraries : 0,
			       diag);
	if (!library)
		return false;
	other = natives_named(natives, library->module->name);
	if (other) {
		diag_error(diag, node->place,
			   "the module \"%s\" is there already: it is that of %s; remove or rename "
			   "one",
			   library->module->name, other->path);
		library_close(library);
		return false;
	}
	natives->names[natives->n_libraries] = library->module->name;
	natives->places[natives->n_libraries] = node->place;
	natives->libraries[natives->n_libraries++] = library;
	natives->names[natives->n_libraries] = NULL;
	return true;
}

/* A word has one meaning: no key of one module is a verb of another. */
static bool natives_check_words(const struct verb *const *all, struct str verb, struct place place,
				struct diag *diag)
{
	bool ok = true;

	for (size_t i = 0; all[i]; i++) {
		if (!all[i]->keys || !setting_find(all[i]->keys, verb))
			continue;
		diag_error(diag, place,
			   "the verb %.*s of this module is a key of the verb %s of another; leave "
			   "one of the modules out",
			   STR_ARG(verb), all[i]->name);
		ok = false;
	}
	return ok;
}

static bool natives_make_verbs(struct natives *natives, struct arena *arena, struct diag *diag)
{
	size_t n_own = 0, n_all;
	const struct verb **all;
	bool ok = true;

	while (verbs[n_own])
		n_own++;
	n_all = n_own;
	for (size_t i = 0; i < natives->n_libraries; i++)
		n_all += library_n_verbs(natives->libraries[i]);
	all = arena_alloc_array(arena, n_all + 1, sizeof(*all));
	memcpy(all, verbs, n_own * sizeof(*all));
	all[n_all] = NULL;
	n_all = n_own;
	for (size_t i = 0; i < natives->n_libraries; i++)
		for (size_t k = 0; k < library_n_verbs(natives->libraries[i]); k++)
			all[n_all++] = native_verb_make(natives->libraries[i], k, arena);
	for (size_t i = 0; i < natives->n_libraries; i++)
		for (size_t k = 0; k < library_n_verbs(natives->libraries[i]); k++)
			ok &= natives_check_words(
				all, str_of(natives->libraries[i]->module->verbs[k].name),
				natives->places[i], diag);
	natives->verbs = all;
	return ok;
}

bool natives_load(struct natives *natives, const struct node *section, struct conf *conf,
		  const struct natives *before, struct diag *diag)
{
	size_t n_nodes = !section || section->kind == NODE_NULL ? 0
			 : section->kind == NODE_LIST           ? section->n_entries
								: 1;
	bool ok = true;

	natives->libraries = arena_alloc_array(&conf->arena, n_nodes + 1, sizeof(struct library *));
	natives->places = arena_alloc_array(&conf->arena, n_nodes + 1, sizeof(struct place));
	natives->names = arena_alloc_array(&conf->arena, n_nodes + 1, sizeof(char *));
	natives->names[0] = NULL;
	natives->n_libraries = 0;
	for (size_t i = 0; i < n_nodes; i++)
		ok &= natives_load_one(
			natives, section->kind == NODE_LIST ? section->entries[i].value : section,
			conf, before, diag);
	return natives_make_verbs(natives, &conf->arena, diag) && ok;
}

bool natives_start(const struct natives *natives, const struct native_host *host, struct diag *diag)
{
	bool ok = true;

	if (natives->n_libraries)
		client_usual_tls(); /* which reads files, and may be asked for on a loop */
	for (size_t i = 0; i < natives->n_libraries && ok; i++)
		ok = library_start(natives->libraries[i], host, natives->places[i], diag);
	return ok;
}

void natives_fini(struct natives *natives)
{
	for (size_t i = 0; i < natives->n_libraries; i++)
		library_close(natives->libraries[i]);
	natives->n_libraries = 0;
}

struct upstream *natives_upstream(const struct natives *natives, struct str name)
{
	for (size_t i = 0; i < natives->n_upstreams; i++)
		if (str_eq(natives->upstreams[i]->name, name))
			return natives->upstreams[i];
	return NULL;
}

/* ------------------------------------------------------------ native: MODULE.FUNCTION */

static void natives_refuse_module(const struct flow_compiler *compiler, const struct node *value,
				  struct str name)
{
	const struct natives *natives = compiler->natives;
	const char *nearest = natives ? diag_nearest(name, natives->names) : NULL;

	if (nearest)
		diag_error(compiler->diag, value->place,
			   "there is no module \"%.*s\"; did you mean \"%s\"?",
			   STR_ARG(str_first(name, 80)), nearest);
	else
		diag_error(compiler->diag, value->place,
			   "there is no module \"%.*s\"; name its file: modules: [%.*s.so]",
			   STR_ARG(str_first(name, 80)), STR_ARG(str_first(name, 80)));
}

static void natives_refuse_function(const struct flow_compiler *compiler, const struct node *value,
				    const struct library *library, struct str name)
{
	const struct leat_function *rows = library->module->functions;
	const char *names[LIBRARY_ROWS_MAX + 1] = { NULL }, *nearest;
	struct str list = STR("");

	for (size_t i = 0; rows && rows[i].name; i++) {
		names[i] = rows[i].name;
		list = arena_printf(compiler->arena, "%.*s%s%s", STR_ARG(list), i ? ", " : "",
				    rows[i].name);
	}
	nearest = diag_nearest(name, names);
	if (nearest)
		diag_error(compiler->diag, value->place,
			   "the module %s has no function \"%.*s\"; did you mean \"%s\"?",
			   library->module->name, STR_ARG(str_first(name, 80)), nearest);
	else
		diag_error(compiler->diag, value->place,
			   "the module %s has no function \"%.*s\"; it has %.*s",
			   library->module->name, STR_ARG(str_first(name, 80)),
			   STR_ARG(list.len ? list : STR("none")));
}

bool natives_find(const struct flow_compiler *compiler, const struct node *value,
		  struct native_target *ret_target)
{
	ptrdiff_t point = node_is_scalar(value) ? str_find_char(value->text, '.') : -1;
	const struct leat_function *function;
	struct library *library = NULL;
	struct str module, name;

	if (point <= 0) {
		diag_error(compiler->diag, value->place,
			   "`native` takes a function of a module: native: MODULE.FUNCTION");
		return false;
	}
	module = str_first(value->text, (size_t)point);
	name = str_skip(value->text, (size_t)point + 1);
	for (size_t i = 0; compiler->natives && i < compiler->natives->n_libraries; i++)
		if (str_eq(module, str_of(compiler->natives->names[i])))
			library = compiler->natives->libraries[i];
	if (!library) {
		natives_refuse_module(compiler, value, module);
		return false;
	}
	function = library_function(library, name);
	if (!function) {
		natives_refuse_function(compiler, value, library, name);
		return false;
	}
	*ret_target = (struct native_target){ .library = library,
					      .name = function->name,
					      .fn = function->run,
					      .is_idempotent = function->flags & LEAT_IDEMPOTENT };
	return true;
}
