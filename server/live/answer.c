/* server/live/answer.c */
#include "server/live/answer.h"
#include "core/base/base64.h"
#include <errno.h>
#include <stdio.h>

enum { REASON_MAX = FRAME_CONTROL_MAX - 2 };

struct answer_config {
	const struct node *text, *json, *binary, *close, *reason;
};

struct answer_spec {
	struct template *text, *binary, *close, *reason; /* each may be NULL */
	struct template_tree *json;
};

#define AT(field) offsetof(struct answer_config, field)
const struct setting answer_keys[] = {
	{ "text", SETTING_TEMPLATE, AT(text), .help = "A message of text; null sends none." },
	{ "json", SETTING_VALUE, AT(json), .help = "A message of text: the value as JSON." },
	{ "binary", SETTING_TEMPLATE, AT(binary),
	  .help = "A binary message, written in base64; null sends none." },
	{ "close", SETTING_TEMPLATE, AT(close),
	  .help = "Closes the connection with that code: 1000, 1008, or 3000 to 4999; null leaves "
		  "it "
		  "open." },
	{ "reason", SETTING_TEMPLATE, AT(reason), .help = "Why, with `close`: at most 123 bytes." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

static bool answer_compile_text(struct expr_compiler *compiler, const struct node *node,
				struct template **ret)
{
	if (!node)
		return true;
	*ret = template_compile(compiler, node, TEMPLATE_PLAIN);
	return *ret != NULL;
}

static bool answer_compile_map(struct expr_compiler *compiler, const struct node *node,
			       struct answer_spec *spec)
{
	struct answer_config config = { 0 };
	const struct settings_part part = { answer_keys, &config };
	bool ok;

	if (settings_read(&part, 1, node, "the reply of a handler", compiler->arena,
			  compiler->diag) > 0)
		return false;
	if (config.json && config.text) {
		diag_error(compiler->diag, config.json->place,
			   "a reply is one message; keep one of text and json");
		return false;
	}
	ok = answer_compile_text(compiler, config.text, &spec->text);
	ok &= answer_compile_text(compiler, config.binary, &spec->binary);
	ok &= answer_compile_text(compiler, config.close, &spec->close);
	ok &= answer_compile_text(compiler, config.reason, &spec->reason);
	if (config.json)
		spec->json = template_tree_compile(compiler, config.json);
	return ok && (!config.json || spec->json);
}

struct answer_spec *answer_compile(struct expr_compiler *compiler, const struct node *node)
{
	struct answer_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct expr_compiler inner = *compiler;
	struct expr_uses uses = { 0 };
	bool ok;

	inner.uses = &uses;
	ok = node_is_scalar(node) ? answer_compile_text(&inner, node, &spec->text)
				  : answer_compile_map(&inner, node, spec);
	if (uses.secrets) {
		diag_error(compiler->diag, node->place,
			   "a reply must not show a secret; remove ${secret.…}");
		ok = false;
	}
	if (compiler->uses)
		compiler->uses->roots |= uses.roots;
	return ok ? spec : NULL;
}

/* ------------------------------------------------------------ evaluating */

static int answer_fail(struct expr_env *env, int error, const char *message)
{
	snprintf(env->message, sizeof(env->message), "%s", message);
	return error;
}

/* False: null. */
static int answer_value(const struct template *template, struct expr_env *env, struct value *ret)
{
	*ret = value_null();
	return template ? template_eval_value(template, env, ret) : 0;
}

static int answer_write(struct expr_env *env, struct value value, bool as_json, struct str *ret)
{
	struct buf out;

	if (value.secret)
		return answer_fail(env, -EINVAL, "a reply must not show a secret");
	if (value.kind == VALUE_TEXT && !as_json) {
		*ret = value_str(value);
		return 0;
	}
	buf_init_arena(&out, env->arena);
	if (as_json)
		value_write_json(value, &out);
	else
		value_write_text(value, &out);
	*ret = buf_str(&out);
	return out.error ? -ENOMEM : 0;
}

static int answer_text(const struct answer_spec *spec, struct expr_env *env, struct answer *answer)
{
	struct value value;
	int r = spec->json ? template_tree_eval(spec->json, env, &value)
			   : answer_value(spec->text, env, &value);

	if (r < 0 || (!spec->json && value_is_null(value)))
		return r;
	r = answer_write(env, value, spec->json != NULL, &answer->message);
	if (r == 0 && !str_is_utf8(answer->message))
		r = answer_fail(env, -EBADMSG, "a message of text has to be UTF-8");
	answer->has_message = true;
	answer->opcode = FRAME_TEXT;
	return r;
}

static int answer_binary(const struct answer_spec *spec, struct expr_env *env,
			 struct answer *answer)
{
	struct value value;
	struct str digits;
	char *bytes;
	int r = answer_value(spec->binary, env, &value);

	if (r < 0 || value_is_null(value))
		return r;
	if (answer->has_message)
		return answer_fail(env, -EINVAL, "a reply is one message: text and binary are two");
	r = answer_write(env, value, false, &digits);
	if (r < 0)
		return r;
	if (!base64_strip_padding(&digits))
		return answer_fail(env, -EBADMSG, "a binary message is written in base64");
	bytes = arena_alloc(env->arena, base64_size(digits.len) + 1);
	if (!bytes)
		return -ENOMEM;
	if (!base64_decode(digits, BASE64_STANDARD, bytes))
		return answer_fail(env, -EBADMSG, "a binary message is written in base64");
	answer->message = (struct str){ bytes, base64_size(digits.len) };
	answer->has_message = true;
	answer->opcode = FRAME_BINARY;
	return 0;
}

/* Those that an application may say: 1000, 1001, 1008, 1011 and its own. */
static bool answer_code_is_good(uint64_t code)
{
	return code == 1000 || code == 1001 || code == 1008 || code == 1011 ||
	       (code >= 3000 && code <= 4999);
}

static int answer_close(const struct answer_spec *spec, struct expr_env *env, struct answer *answer)
{
	struct value value;
	struct str text;
	uint64_t code;
	int r = answer_value(spec->close, env, &value);

	if (r < 0 || value_is_null(value))
		return r;
	r = answer_write(env, value, false, &text);
	if (r == 0 && (str_to_u64(text, &code) < 0 || !answer_code_is_good(code)))
		r = answer_fail(env, -EINVAL,
				"no code to close with: write 1000, 1008 or 3000 to 4999");
	if (r < 0)
		return r;
	answer->close = (uint16_t)code;
	r = spec->reason ? template_eval(spec->reason, env, &answer->reason) : 0;
	if (r == 0 && (answer->reason.len > REASON_MAX || !str_is_utf8(answer->reason)))
		r = answer_fail(env, -EINVAL, "a reason is UTF-8 of at most 123 bytes");
	return r;
}

int answer_eval(const struct answer_spec *spec, struct expr_env *env, struct answer *ret_answer)
{
	int r;

	*ret_answer = (struct answer){ 0 };
	r = answer_text(spec, env, ret_answer);
	if (r == 0)
		r = answer_binary(spec, env, ret_answer);
	return r == 0 ? answer_close(spec, env, ret_answer) : r;
}
