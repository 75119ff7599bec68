/* server/actors/spec.c: an entry of `actors:` becomes a struct actor_spec. */
#include "server/actors/private.h"
#include "server/flow/step.h"
#include "server/peers/peers.h"
#include <stdio.h>
#include <stdlib.h>

#define ACTOR_ROOTS                                                                                \
	(ROOT_BIT(ROOT_MESSAGE) | ROOT_BIT(ROOT_STATE) | ROOT_BIT(ROOT_SENDER) |                   \
	 ROOT_BIT(ROOT_PATH) | ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET))
#define STATE_ROOTS (ROOT_BIT(ROOT_PATH) | ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET))

enum { IDLE_DEFAULT_MS = 600000 }; /* of actors with a key */

struct actor_config {
	const struct node *state, *init, *handlers, *mailbox, *links;
	int restart;
	uint64_t idle_ms;
	int64_t n_max;
	bool expose, persist;
	struct str help;
};

struct mailbox_config {
	int64_t messages, waiting;
	uint64_t bytes;
	int full;
};

struct handler_config {
	const struct node *tasks, *set, *reply;
	uint64_t timeout_ms;
	int method;
	bool expose;
	struct str help;
};

struct reply_config {
	const struct node *json, *text, *status;
};

static const char *const restart_choices[] = { "keep", "reset", "stop", NULL };
static const char *const full_choices[] = { "reject", "wait", "drop_oldest", "drop_newest", NULL };
static const char *const method_choices[] = { "POST", "GET", NULL };

#define AT(field) offsetof(struct mailbox_config, field)
static const struct setting mailbox_keys[] = {
	{ "messages", SETTING_INT, AT(messages), "1000", "How many messages wait in it.", 1,
	  1000000 },
	{ "bytes", SETTING_SIZE, AT(bytes), "16m", "What they take together.", 1024,
	  INT64_C(1) << 40 },
	{ "full", SETTING_CHOICE, AT(full), "reject",
	  "What happens to a message for a full mailbox.", .choices = full_choices },
	{ "waiting", SETTING_INT, AT(waiting), "1000",
	  "How many messages may wait for room, with full: wait.", 1, 1000000 },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct reply_config, field)
static const struct setting actor_reply_keys[] = {
	{ "json", SETTING_VALUE, AT(json), .help = "The reply, as a value." },
	{ "text", SETTING_TEMPLATE, AT(text), .help = "The reply, as a text." },
	{ "status", SETTING_TEMPLATE, AT(status),
	  .help = "The status that it is answered with over HTTP." },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct handler_config, field)
const struct setting actor_handler_keys[] = {
	{ "tasks", SETTING_MAP, AT(tasks),
	  .help = "What to do, by name; the order follows from the references." },
	{ "set", SETTING_VALUE, AT(set),
	  .help = "What the state is when the handler has succeeded." },
	{ "reply", SETTING_NODE, AT(reply),
	  .help = "What who asks is answered: a text, or json or text; ${state} is the new one.",
	  .keys = actor_reply_keys },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "30s", "The deadline of one message.",
	  .min = 1, .max = INT64_C(86400000) },
	{ "method", SETTING_CHOICE, AT(method), "POST",
	  "How it is reached over HTTP, where it is exposed. With GET the message is the query.",
	  .choices = method_choices },
	{ "expose", SETTING_BOOL, AT(expose), "true",
	  "Whether it is reached over HTTP, where its actor is." },
	{ "help", SETTING_TEXT, AT(help), .help = "One sentence, for GET /help/NAME." },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct actor_config, field)
const struct setting actor_keys[] = {
	{ "state", SETTING_VALUE, AT(state), .help = "What ${state} is at first." },
	{ "init", SETTING_MAP, AT(init),
	  .help = "A handler that runs before the first message: tasks and set.",
	  .keys = actor_handler_keys },
	{ "handlers", SETTING_MAP, AT(handlers),
	  .help = "By name: what a message does. One runs at a time.", .required = true,
	  .keys = actor_handler_keys },
	{ "mailbox", SETTING_MAP, AT(mailbox), .help = "Bounds of the messages that wait.",
	  .keys = mailbox_keys },
	{ "restart", SETTING_CHOICE, AT(restart), "keep",
	  "What a handler that fails does to the actor: keep its state, reset it, or stop.",
	  .choices = restart_choices },
	{ "idle", SETTING_DURATION, AT(idle_ms),
	  .help = "How long without a message before it goes; 10m for one with a key, else never.",
	  .min = 1, .max = INT64_C(86400000) * 365 },
	{ "max", SETTING_INT, AT(n_max), "10000", "How many with a key live at once.", 1,
	  10000000 },
	{ "persist", SETTING_BOOL, AT(persist), "false",
	  "Whether its state is in the store, with each message, and outlives the process." },
	{ "links", SETTING_MAP, AT(links),
	  .help = "Actors (also of other hosts, NAME@HOST), and the handler that is told when one "
		  "of them has ended or failed." },
	{ "expose", SETTING_BOOL, AT(expose), "false",
	  "Whether POST /NAME/HANDLER reaches it, without a route." },
	{ "help", SETTING_TEXT, AT(help), .help = "One sentence, for GET /help." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ the section */

struct actor_spec *actor_section_add(struct actor_section *section, struct flow_compiler *compiler,
				     const struct node_entry *entry)
{
	struct actor_spec *spec = &section->specs[section->n_specs];
	bool ok;

	*spec = (struct actor_spec){ .node = entry->value };
	ok = actor_spec_read_name(compiler, entry, spec);
	if (ok && actor_spec_find(section, spec->name)) {
		diag_error(compiler->diag, spec->place,
			   "there is an actor \"%s\" already; two cannot have one name",
			   spec->name.ptr);
		ok = false;
	}
	section->names[section->n_specs++] = spec->name.ptr;
	section->names[section->n_specs] = NULL;
	return ok ? spec : NULL;
}

void actor_section_declare(struct actor_section *section, struct flow_compiler *compiler,
			   const struct node *node, size_t n_foreign)
{
	size_t n_entries = node && node->kind == NODE_MAP ? node->n_entries : 0;
	size_t n = n_entries + n_foreign + 1;

	section->specs = arena_alloc_array(compiler->arena, n, sizeof(*section->specs));
	section->names = arena_alloc_array(compiler->arena, n, sizeof(char *));
	section->names[0] = NULL;
	for (size_t i = 0; i < n_entries; i++)
		actor_section_add(section, compiler, &node->entries[i]);
	section->n_own = section->n_specs;
}

const struct actor_spec *actor_spec_find(const struct actor_section *section, struct str name)
{
	for (size_t i = 0; i < section->n_specs; i++)
		if (str_eq(section->specs[i].name, name))
			return &section->specs[i];
	return NULL;
}

const struct actor_handler *actor_handler_find(const struct actor_spec *spec, struct str name)
{
	for (size_t i = 0; i < spec->n_handlers; i++)
		if (str_eq(spec->handlers[i].name, name))
			return &spec->handlers[i];
	return NULL;
}

bool actor_spec_takes(const struct actor_spec *spec, struct str name)
{
	size_t n_keys = 0;

	for (size_t i = 0; i < name.len; i++)
		n_keys += name.ptr[i] == '/';
	return n_keys == spec->n_keys;
}

bool actor_spec_declares(const struct actor_spec *spec, struct str handler)
{
	const struct node *handlers = spec->foreign ? NULL : node_find(spec->node, "handlers");

	if (spec->foreign)
		return actor_handler_find(spec, handler);
	for (size_t i = 0; handlers && handlers->kind == NODE_MAP && i < handlers->n_entries; i++)
		if (str_eq(handlers->entries[i].key, handler))
			return true;
	return false;
}

const char *actor_spec_nearest(const struct actor_spec *spec, struct str handler,
			       struct arena *arena)
{
	const struct node *map = spec->foreign ? NULL : node_find(spec->node, "handlers");
	size_t n = spec->foreign                  ? spec->n_handlers
		   : map && map->kind == NODE_MAP ? map->n_entries
						  : 0;
	const char **names = arena_alloc_array(arena, n + 1, sizeof(*names));

	for (size_t i = 0; i < n; i++) {
		struct str name = spec->foreign ? spec->handlers[i].name : map->entries[i].key;

		names[i] = arena_printf(arena, "%.*s", STR_ARG(name)).ptr;
	}
	names[n] = NULL;
	return diag_nearest(handler, names);
}

/* ------------------------------------------------------------ handlers */

static struct template_tree *actor_compile_tree(struct expr_compiler *expr, const struct node *node,
						const char *what)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler own = *expr;
	struct template_tree *tree;

	own.uses = &uses;
	tree = template_tree_compile(&own, node);
	if (tree && uses.secrets) {
		diag_error(expr->diag, node->place,
			   "a secret cannot be in `%s`, where it could be seen; use it where it is "
			   "needed",
			   what);
		return NULL;
	}
	return tree;
}

static bool actor_compile_status(struct flow_compiler *compiler, const struct node *node,
				 struct actor_handler *handler)
{
	uint64_t status;

	if (!node)
		return true;
	handler->status = node->text;
	if (node_is_scalar(node) && str_to_u64(node->text, &status) == 0 && status >= 200 &&
	    status <= 599)
		return true;
	diag_error(compiler->diag, node->place, "the status of a handler is a number, 200 to 599");
	return false;
}

static bool actor_compile_reply(struct flow_compiler *compiler, struct expr_compiler *expr,
				const struct node *node, struct actor_handler *handler)
{
	struct reply_config config = { 0 };
	const struct settings_part part = { actor_reply_keys, &config };

	if (!node)
		return true;
	if (node_is_scalar(node))
		config.text = node;
	else if (settings_read(&part, 1, node, "the reply of a handler", compiler->arena,
			       compiler->diag) > 0)
		return false;
	if (config.json && config.text) {
		diag_error(compiler->diag, config.text->place,
			   "a handler has one reply; keep one of json and text");
		return false;
	}
	if (config.json && !(handler->reply = actor_compile_tree(expr, config.json, "reply")))
		return false;
	if (config.text && !(handler->text = template_compile(expr, config.text, TEMPLATE_PLAIN)))
		return false;
	return actor_compile_status(compiler, config.status, handler);
}

static bool actor_compile_handler(struct flow_compiler *compiler, const struct actor_spec *spec,
				  const struct node_entry *entry, bool exposed,
				  struct actor_handler *handler)
{
	struct handler_config config = { 0 };
	const struct settings_part part = { actor_handler_keys, &config };
	uint64_t roots = spec->n_keys ? ACTOR_ROOTS : ACTOR_ROOTS & ~ROOT_BIT(ROOT_PATH);
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = { .arena = compiler->arena,
				      .diag = compiler->diag,
				      .uses = &uses };
	bool ok;

	*handler = (struct actor_handler){ .name = entry->key };
	if (settings_read(&part, 1, entry->value, "a handler", compiler->arena, compiler->diag) > 0)
		return false;
	handler->help = config.help;
	handler->timeout_ms = config.timeout_ms;
	handler->gets = config.method == 1;
	handler->exposed = exposed && config.expose;
	handler->flow = flow_declare(
		compiler, arena_printf(compiler->arena, "%s.%s", spec->name.ptr, entry->key.ptr));
	ok = flow_compile(compiler, handler->flow, config.tasks, NULL, roots);
	expr.names = flow_names(handler->flow);
	if (config.set)
		ok &= (handler->set = actor_compile_tree(&expr, config.set, "set")) != NULL;
	ok &= actor_compile_reply(compiler, &expr, config.reply, handler);
	if (ok && uses.secrets) {
		diag_error(compiler->diag, config.reply->place, "a secret cannot be in a reply");
		return false;
	}
	return ok;
}

static void actor_compile_handlers(struct flow_compiler *compiler, struct actor_spec *spec,
				   const struct actor_config *config)
{
	size_t n_entries = config->handlers ? config->handlers->n_entries : 0;

	spec->handlers = arena_alloc_array(compiler->arena, n_entries + 1, sizeof(*spec->handlers));
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &config->handlers->entries[i];

		if (!name_is_valid(entry->key)) {
			diag_error(compiler->diag, entry->key_place,
				   "\"%.*s\" cannot be the name of a handler; write lower-case "
				   "letters, digits and _",
				   STR_ARG(str_first(entry->key, 80)));
			continue;
		}
		if (actor_compile_handler(compiler, spec, entry, config->expose,
					  &spec->handlers[spec->n_handlers]))
			spec->n_handlers++;
	}
}

/* It has neither a message nor somebody who asked. */
static void actor_compile_init(struct flow_compiler *compiler, struct actor_spec *spec,
			       const struct node *node)
{
	static const char *const not_here[] = { "reply", "method", "expose" };
	struct node_entry entry = { .key = STR("init"), .value = (struct node *)(uintptr_t)node };

	for (size_t i = 0; i < ARRAY_LEN(not_here); i++) {
		const struct node_entry *wrong = node_entry_find(node, not_here[i]);

		if (wrong)
			diag_error(compiler->diag, wrong->key_place,
				   "nobody asks for init; remove `%s`", not_here[i]);
	}
	entry.key_place = node->place;
	spec->init = arena_zalloc(compiler->arena, sizeof(*spec->init));
	actor_compile_handler(compiler, spec, &entry, false, spec->init);
}

/* ------------------------------------------------------------ the rest */

static void actor_compile_mailbox(struct flow_compiler *compiler, struct actor_spec *spec,
				  const struct node *node)
{
	struct mailbox_config config = { 0 };
	const struct settings_part part = { mailbox_keys, &config };

	if (node)
		settings_read(&part, 1, node, "a mailbox", compiler->arena, compiler->diag);
	else
		settings_defaults(mailbox_keys, &config, compiler->arena);
	spec->mailbox = (struct mailbox_limits){ .n_max = (uint32_t)config.messages,
						 .wait_max = (uint32_t)config.waiting,
						 .max_bytes = (size_t)config.bytes,
						 .full = (enum mailbox_policy)config.full };
}

static void actor_compile_state(struct flow_compiler *compiler, struct actor_spec *spec,
				const struct node *node)
{
	const struct expr_names names = { .roots = STATE_ROOTS,
					  .path_names = spec->keys,
					  .constant = compiler->constant };
	struct expr_compiler expr = { compiler->arena, compiler->diag, &names, NULL, false };

	if (node)
		spec->state = actor_compile_tree(&expr, node, "state");
}

/* To all actors of that name there, whatever their keys. */
static void actor_compile_remote_link(struct flow_compiler *compiler,
				      const struct node_entry *entry, struct actor_link *link)
{
	struct str host;

	if (!peer_section_check(compiler->peers, link->actor, entry->key_place, compiler->diag))
		return;
	peer_address_split(link->actor, &link->remote, &host);
	link->peer = peer_section_find(compiler->peers, host)->conf.name;
	if (!name_is_valid(link->remote))
		diag_error(compiler->diag, entry->key_place,
			   "a link is to the name of an actor, without keys: NAME@%.*s",
			   STR_ARG(host));
}

static void actor_compile_link(struct actor_section *section, struct flow_compiler *compiler,
			       struct actor_spec *spec, const struct node_entry *entry)
{
	struct actor_link *link = &spec->links[spec->n_links++];
	const char *nearest;

	*link = (struct actor_link){ .actor = entry->key };
	if (node_is_scalar(entry->value))
		link->handler = entry->value->text;
	if (!actor_handler_find(spec, link->handler))
		diag_error(compiler->diag, entry->value->place,
			   "a link names a handler of the actor that is told: %s: HANDLER",
			   entry->key.ptr);
	if (str_has(link->actor, '@')) {
		actor_compile_remote_link(compiler, entry, link);
		return;
	}
	if (actor_spec_find(section, link->actor))
		return;
	nearest = diag_nearest(link->actor, section->names);
	diag_error(compiler->diag, entry->key_place, "there is no actor \"%.*s\"%s%s%s",
		   STR_ARG(str_first(link->actor, 80)), nearest ? "; did you mean \"" : "",
		   nearest ? nearest : "", nearest ? "\"?" : "");
}

static void actor_compile_links(struct actor_section *section, struct flow_compiler *compiler,
				struct actor_spec *spec, const struct node *node)
{
	if (!node)
		return;
	if (spec->n_keys) {
		diag_error(compiler->diag, node->place,
			   "only an actor without a key can be told of others; remove links");
		return;
	}
	spec->links = arena_alloc_array(compiler->arena, node->n_entries + 1, sizeof(*spec->links));
	for (size_t i = 0; i < node->n_entries; i++)
		actor_compile_link(section, compiler, spec, &node->entries[i]);
}

/* The map without `on:`, which people know from other systems. Nothing is lost by its absence. */
static const struct node *actor_refuse_on(struct flow_compiler *compiler, const struct node *node)
{
	const struct node_entry *on = node_entry_find(node, "on");
	struct node *rest;

	if (!on)
		return node;
	diag_error(compiler->diag, on->key_place,
		   "an actor has no `on`: remove it. Handlers run on a loop, and their tasks that "
		   "compute (jq, native, exec, sort, …) on the pool by themselves");
	rest = arena_zalloc(compiler->arena, sizeof(*rest));
	*rest = *node;
	rest->entries = arena_alloc_array(compiler->arena, node->n_entries, sizeof(*rest->entries));
	rest->n_entries = 0;
	for (size_t i = 0; i < node->n_entries; i++)
		if (&node->entries[i] != on)
			rest->entries[rest->n_entries++] = node->entries[i];
	return rest;
}

static void actor_compile(struct actor_section *section, struct flow_compiler *compiler,
			  struct actor_spec *spec, const struct node_entry *entry)
{
	struct actor_config config = { 0 };
	const struct settings_part part = { actor_keys, &config };
	char what[128];

	snprintf(what, sizeof(what), "actor \"%.*s\"", STR_ARG(str_first(entry->key, 100)));
	if (settings_read(&part, 1, actor_refuse_on(compiler, entry->value), what, compiler->arena,
			  compiler->diag) > 0)
		return;
	spec->help = config.help;
	spec->persists = config.persist;
	spec->restart = (enum actor_restart)config.restart;
	spec->idle_ms = config.idle_ms ? config.idle_ms : spec->n_keys ? IDLE_DEFAULT_MS : 0;
	spec->n_max = (size_t)config.n_max;
	compiler->path_names = spec->keys;
	compiler->actor = spec;
	actor_compile_mailbox(compiler, spec, config.mailbox);
	actor_compile_state(compiler, spec, config.state);
	actor_compile_handlers(compiler, spec, &config);
	if (config.init)
		actor_compile_init(compiler, spec, config.init);
	compiler->path_names = NULL;
	compiler->actor = NULL;
	actor_compile_links(section, compiler, spec, config.links);
}

void actor_section_compile(struct actor_section *section, struct flow_compiler *compiler,
			   const struct node *node)
{
	for (size_t i = 0; i < section->n_own; i++)
		actor_compile(section, compiler, &section->specs[i], &node->entries[i]);
}
