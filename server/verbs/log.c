/* server/verbs/log.c: `log: TEXT`: a line for the operator. */
#include "core/base/log.h"
#include "server/flow/step.h"
#include "server/verbs/all.h"

enum { LOG_TEXT_MAX = 2048 };

struct log_config {
	struct template *text;
	int level; /* enum log_level */
};

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };

static const struct setting log_keys[] = { { "level", SETTING_CHOICE,
					     offsetof(struct log_config, level), "info",
					     "How important the line is.", .choices = log_levels },
					   SETTINGS_END };

static bool log_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct log_config *own = config;

	own->text = verb_public_text(compiler, value, "log");
	return own->text != NULL;
}

static void log_start(struct step_run *run)
{
	const struct log_config *config = run->config;
	char quoted[LOG_TEXT_MAX];
	struct str text;
	struct context *context = run->run->context;
	int r = template_eval(config->text, step_env(run), &text);

	if (r == 0 && context->ops->log)
		context->ops->log(context, text);
	if (r == 0)
		log_write((enum log_level)config->level, "task log task=%s text=%s id=%s",
			  run->step->name.ptr, log_quote(quoted, sizeof(quoted), text),
			  LOG_QUOTE(context->id));
	step_done_errno(run, r);
}

const struct verb verb_log = {
	.name = "log",
	.help = "Writes a line to the log.",
	.keys = log_keys,
	.config_size = sizeof(struct log_config),
	.is_idempotent = true,
	.compile = log_compile,
	.start = log_start,
	.field = step_field_none,
};
