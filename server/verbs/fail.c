/* server/verbs/fail.c: `fail: CODE`: ends the flow with a failure of one's own; with `when:` a
 * guard (DECISIONS 21). */
#include "server/flow/step.h"
#include "server/verbs/all.h"

struct fail_config {
	enum error_code code;
	struct str custom;
	int64_t status;
	const struct node *detail_node;
	struct template *detail;
};

#define AT(field) offsetof(struct fail_config, field)
static const struct setting fail_keys[] = {
	{ "status", SETTING_INT, AT(status), .help = "The status that the failure answers.",
	  .min = 400, .max = 599 },
	{ "detail", SETTING_TEMPLATE, AT(detail_node),
	  .help = "What is wrong, for the log and ${error.detail}." },
	SETTINGS_END
};
#undef AT

static bool fail_read_code(struct flow_compiler *compiler, const struct node *value,
			   struct fail_config *config)
{
	const char *nearest;

	if (!node_is_scalar(value) || !name_is_valid(value->text)) {
		diag_error(compiler->diag, value->place,
			   "`fail` takes a code: lower-case letters, digits and _, such as "
			   "not_found or out_of_stock; status and detail are keys beside it");
		return false;
	}
	if (error_code_find(value->text, &config->code)) {
		if (config->code != ERROR_CANCELLED)
			return true;
		diag_error(compiler->diag, value->place,
			   "\"cancelled\" means that the client has left; choose another code");
		return false;
	}
	/* a near miss would answer 500 for ever without anybody seeing why */
	nearest = diag_nearest(value->text, error_code_names);
	if (nearest) {
		diag_error(compiler->diag, value->place,
			   "unknown error code \"%s\"; did you mean \"%s\"?", value->text.ptr,
			   nearest);
		return false;
	}
	config->code = ERROR_CUSTOM;
	config->custom = value->text;
	return true;
}

static bool fail_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct fail_config *own = config;
	bool ok = fail_read_code(compiler->flow, value, own);

	if (own->detail_node) {
		own->detail = verb_public_text(compiler, own->detail_node, "detail");
		ok &= own->detail != NULL;
	}
	return ok;
}

static void fail_start(struct step_run *run)
{
	const struct fail_config *config = run->config;
	struct failure failure = { .code = config->code,
				   .custom_code = config->custom,
				   .status = (int)config->status };
	int r = 0;

	if (config->detail)
		r = template_eval(config->detail, step_env(run), &failure.detail);
	if (r < 0)
		step_done_errno(run, r);
	else
		step_fail(run, &failure);
}

const struct verb verb_fail = {
	.name = "fail",
	.help = "Fails with a code; other tasks start only when no such task has failed.",
	.keys = fail_keys,
	.config_size = sizeof(struct fail_config),
	.is_guard = true,
	.is_idempotent = true,
	.compile = fail_compile,
	.start = fail_start,
	.field = step_field_none,
};
