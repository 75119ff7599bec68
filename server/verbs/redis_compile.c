/* server/verbs/redis_compile.c: the keys of `redis:`.
 *
 * Connections are shared by tasks, so what would change one, or make it wait, is refused here. That
 * the names of commands, and the programs in them, are constant, makes sure that no request gets
 * around this. */
#include "server/redis/redis_section.h"
#include "server/verbs/redis.h"
#include <openssl/evp.h>
#include <stdio.h>

static const char *const binaries[] = { "error", "base64", NULL };

#define AT(field) offsetof(struct redis_verb_config, field)
const struct setting redis_verb_keys[] = {
	{ "command", SETTING_LIST, AT(command_node),
	  .help = "[NAME, ARGUMENT, …]: each element is one argument, whatever its value is." },
	{ "commands", SETTING_LIST, AT(commands_node),
	  .help = "Several of them, sent at once; the result is the list of their results." },
	{ "transaction", SETTING_BOOL, AT(transaction), "false",
	  "With `commands`: between MULTI and EXEC, so that nobody else's come between." },
	{ "script", SETTING_NODE, AT(script_node),
	  .help = "A Lua script, which the server keeps by its hash; ${} is not for it." },
	{ "keys", SETTING_LIST, AT(keys_node), .help = "KEYS of the script." },
	{ "args", SETTING_LIST, AT(args_node), .help = "ARGV of the script." },
	{ "binary", SETTING_CHOICE, AT(binary), "error",
	  "What becomes of a reply that is not UTF-8; with base64, every text of the reply is.",
	  .choices = binaries },
	{ "max_reply", SETTING_SIZE, AT(max_reply),
	  .help = "The largest reply of each command; as the entry says when not said.", .min = 1,
	  .max = INT64_C(1) << 30 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ one command */

static bool is_constant(const struct node *node)
{
	return node_is_scalar(node) && str_find(node->text, STR("${")) < 0;
}

static bool refuse_name(struct verb_compiler *compiler, const struct node *node)
{
	diag_error(compiler->flow->diag, node->place,
		   node_is_scalar(node) && node->kind != NODE_NULL && node->text.len
			   ? "the name of a command is constant, so that no request can choose it; "
			     "choose between tasks with `when`"
			   : "a command is a list of its name and its arguments; write [GET, "
			     "\"user:${path.id}\"]");
	return false;
}

static bool refuse_command(struct verb_compiler *compiler, const struct node *node, const char *why)
{
	diag_error(compiler->flow->diag, node->place, "%.*s cannot be sent here: %s",
		   STR_ARG(str_first(node->text, 40)), why);
	return false;
}

/* An argument that is a part of the command's name, or a program. */
static bool check_fixed(struct verb_compiler *compiler, const struct node *list, size_t arg,
			const char *message)
{
	if (arg >= list->n_entries || is_constant(list->entries[arg].value))
		return true;
	diag_error(compiler->flow->diag, list->entries[arg].value->place, "%s", message);
	return false;
}

static bool check_block(struct verb_compiler *compiler, const struct node *list)
{
	for (size_t i = 1; i < list->n_entries; i++) {
		const struct node *node = list->entries[i].value;

		if (!node_is_scalar(node) || str_eq_nocase(node->text, STR("streams")))
			break;
		if (str_eq_nocase(node->text, STR("block")))
			return refuse_command(compiler, node,
					      "it makes everybody wait who shares the connection; "
					      "leave it out, with `repeat` to ask again");
	}
	return true;
}

static bool check_command(struct verb_compiler *compiler, const struct node *list,
			  const struct command *known)
{
	const struct node *name = list->entries[0].value;
	const char *why;

	if (!known)
		return true;
	if (known->refused)
		return refuse_command(compiler, name, known->refused);
	if (known->flags & COMMAND_OPTIONS && !check_block(compiler, list))
		return false;
	if (known->code && !check_fixed(compiler, list, (size_t)known->code,
					"a program is constant, so that no value can become one; "
					"give it values by KEYS and ARGV"))
		return false;
	if (!(known->flags & COMMAND_HAS_SUB) || list->n_entries < 2)
		return true;
	if (!check_fixed(compiler, list, 1,
			 "the name of a command is constant, so that no request can choose it"))
		return false;
	why = command_refuse_sub(known, list->entries[1].value->text);
	return !why || refuse_command(compiler, list->entries[1].value, why);
}

/* In a cluster: keys that are all constant are looked at now. */
static bool check_slots(struct verb_compiler *compiler, const struct redis_verb_config *config,
			const struct redis_verb_command *command, const struct node *list)
{
	struct str *args;

	if (config->redis->mode != REDIS_CLUSTER)
		return true;
	args = arena_alloc_array(compiler->flow->arena, command->n_args, sizeof(*args));
	for (size_t i = 0; i < command->n_args; i++)
		if (!template_is_constant(command->args[i], &args[i]))
			return true;
	if (command_slot_of(command->known, args, command->n_args) != -2)
		return true;
	diag_error(compiler->flow->diag, list->place,
		   "CROSSSLOT: the keys are on different servers of the cluster; give them a "
		   "common part in braces, as in {user}:a and {user}:b");
	return false;
}

static bool compile_args(struct verb_compiler *compiler, struct redis_verb_command *command,
			 const struct node *list)
{
	bool ok = true;

	for (size_t i = 0; list && i < list->n_entries; i++) {
		struct template *arg =
			template_compile(compiler->expr, list->entries[i].value, TEMPLATE_PLAIN);

		command->args[command->n_args++] = arg;
		ok &= arg != NULL;
	}
	return ok;
}

static bool compile_command(struct verb_compiler *compiler, struct redis_verb_config *config,
			    const struct node *list)
{
	struct redis_verb_command *command = &config->commands[config->n_commands++];
	const struct node *name;

	if (list->kind != NODE_LIST || list->n_entries == 0)
		return refuse_name(compiler, list);
	name = list->entries[0].value;
	if (!is_constant(name) || name->kind == NODE_NULL || name->text.len == 0)
		return refuse_name(compiler, name);
	command->known = command_find(name->text);
	command->args =
		arena_alloc_array(compiler->flow->arena, list->n_entries, sizeof(*command->args));
	config->reads &= command->known && command->known->flags & COMMAND_READS;
	return check_command(compiler, list, command->known) &&
	       compile_args(compiler, command, list) &&
	       check_slots(compiler, config, command, list);
}

/* ------------------------------------------------------------ a script */

static bool script_hash(struct redis_verb_config *config)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_Digest(config->script.ptr, config->script.len, hash, &size, EVP_sha1(), NULL) != 1)
		return false;
	for (unsigned i = 0; i < 20; i++)
		snprintf(config->sha + 2 * (size_t)i, 3, "%02x", hash[i]);
	return true;
}

static struct template *constant_arg(struct verb_compiler *compiler, struct str text)
{
	return template_compile_text(compiler->expr, text, compiler->step->place, TEMPLATE_PLAIN);
}

/* EVALSHA sha n KEYS… ARGV… */
static bool compile_script(struct verb_compiler *compiler, struct redis_verb_config *config)
{
	const struct node *node = config->script_node;
	size_t n_keys = config->keys_node ? config->keys_node->n_entries : 0;
	size_t n_args = config->args_node ? config->args_node->n_entries : 0;
	struct arena *arena = compiler->flow->arena;
	struct redis_verb_command *command = &config->commands[config->n_commands++];

	if (!is_constant(node) || node->text.len == 0) {
		diag_error(compiler->flow->diag, node->place,
			   "a script is a constant text, so that no value can become a program; "
			   "give it values by `keys` and `args`");
		return false;
	}
	config->script = node->text;
	if (!script_hash(config)) {
		diag_error(compiler->flow->diag, node->place,
			   "OpenSSL has no SHA-1 here, by which the server knows scripts");
		return false;
	}
	command->known = command_find(STR("evalsha"));
	command->args = arena_alloc_array(arena, 3 + n_keys + n_args, sizeof(*command->args));
	command->args[command->n_args++] = constant_arg(compiler, STR("EVALSHA"));
	command->args[command->n_args++] = constant_arg(compiler, str_of(config->sha));
	command->args[command->n_args++] =
		constant_arg(compiler, arena_printf(arena, "%zu", n_keys));
	config->reads = false;
	return compile_args(compiler, command, config->keys_node) &&
	       compile_args(compiler, command, config->args_node) &&
	       check_slots(compiler, config, command, node);
}

/* ------------------------------------------------------------ the verb */

static bool check_keys(struct verb_compiler *compiler, const struct redis_verb_config *config)
{
	const char *wrong = NULL;

	if (!!config->command_node + !!config->commands_node + !!config->script_node != 1)
		wrong = "`redis` needs one of command, commands and script";
	else if (config->transaction && !config->commands_node)
		wrong = "transaction is for `commands`";
	else if (!config->script_node && (config->keys_node || config->args_node))
		wrong = "keys and args are for a `script`; write a command's arguments behind its "
			"name";
	else if (config->commands_node && config->commands_node->n_entries == 0)
		wrong = "`commands` is empty";
	else if (config->commands_node && config->commands_node->n_entries > REDIS_COMMANDS_MAX)
		wrong = "`commands` has more than 1000 commands";
	if (wrong)
		diag_error(compiler->flow->diag, compiler->step->place, "%s", wrong);
	return !wrong;
}

static bool compile_all(struct verb_compiler *compiler, struct redis_verb_config *config)
{
	const struct node *list = config->commands_node;
	size_t n_commands = list ? list->n_entries : 1;
	bool ok = true;

	config->commands =
		arena_zalloc(compiler->flow->arena, n_commands * sizeof(*config->commands));
	if (config->script_node)
		return compile_script(compiler, config);
	if (!list)
		return compile_command(compiler, config, config->command_node);
	config->many = true;
	for (size_t i = 0; i < n_commands; i++)
		ok &= compile_command(compiler, config, list->entries[i].value);
	return ok;
}

bool redis_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct redis_verb_config *config = config_ptr;

	config->redis = redis_section_need(compiler->flow->redis, value, compiler->flow->diag);
	config->reads = true;
	if (!config->redis || !check_keys(compiler, config) || !compile_all(compiler, config))
		return false;
	compiler->step->idempotent = config->reads;
	return true;
}
