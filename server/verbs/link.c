/* server/verbs/link.c: `link:` and `unlink:`: an actor is told of the end of another one. */
#include "server/actors/actors.h"
#include "server/actors/links.h"
#include "server/flow/context.h"
#include "server/flow/step.h"
#include "server/verbs/send.h"

struct link_config {
	struct template *name;
	struct str handler; /* empty: of unlink */
};

#define AT(field) offsetof(struct link_config, field)
static const struct setting link_keys[] = {
	{ "handler", SETTING_TEXT, AT(handler),
	  .help = "The handler of this actor that is told, once, by {actor, reason}.",
	  .required = true },
	SETTINGS_END
};
#undef AT

static bool link_compile_name(struct verb_compiler *compiler, const struct node *value,
			      struct link_config *config)
{
	const struct actor_spec *spec;

	if (!compiler->flow->actor) {
		diag_error(compiler->flow->diag, value->place,
			   "`%s` is for handlers of `actors:`, as it is their actor that is told; "
			   "write it in one of these, and send: a message to it from here",
			   compiler->step->verb->name);
		return false;
	}
	config->name = verb_public_actor(compiler, value, compiler->step->verb->name);
	return config->name && verb_check_actor(compiler, value, config->name, &spec);
}

static bool link_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	const struct actor_spec *self = compiler->flow->actor;
	struct link_config *own = config;

	if (!link_compile_name(compiler, value, own))
		return false;
	if (own->handler.len == 0 || actor_spec_declares(self, own->handler))
		return true; /* without one it was told */
	diag_error(compiler->flow->diag, value->place,
		   "a link names a handler of the actor that is told, and \"%.*s\" has no \"%.*s\"",
		   STR_ARG(self->name), STR_ARG(str_first(own->handler, 80)));
	return false;
}

static bool unlink_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	return link_compile_name(compiler, value, config);
}

static void link_start(struct step_run *run)
{
	const struct link_config *config = run->config;
	const struct context *context = run->run->context;
	enum error_code code;
	const char *detail = "";
	struct str name;
	int r = step_eval_name(run, config->name, &name);

	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	code = actor_link_yaml(context->actors, context->actor, config->handler, name, &detail);
	step_done(run, code, str_of(detail));
}

static void unlink_start(struct step_run *run)
{
	const struct link_config *config = run->config;
	const struct context *context = run->run->context;
	struct str name;
	int r = step_eval_name(run, config->name, &name);

	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	actor_unlink_yaml(context->actors, context->actor, name);
	step_done(run, ERROR_NONE, STR_NONE);
}

const struct verb verb_link = {
	.name = "link",
	.help = "From a handler: its actor is told, once, when that other one has ended.",
	.keys = link_keys,
	.config_size = sizeof(struct link_config),
	.is_idempotent = true,
	.acts = true,
	.compile = link_compile,
	.start = link_start,
	.field = step_field_none,
};

const struct verb verb_unlink = {
	.name = "unlink",
	.help = "Takes back a `link:` of this actor.",
	.config_size = sizeof(struct link_config),
	.is_idempotent = true,
	.acts = true,
	.compile = unlink_compile,
	.start = unlink_start,
	.field = step_field_none,
};
