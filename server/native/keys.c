/* server/native/keys.c
 *
 * A key without LEAT_EXPRESSION is a setting as any: conf/settings.h reads it. One with it keeps its
 * node, and its type is asked when there is a value: at load, when nothing in it can change, else
 * at each run. */
#include "server/native/keys.h"
#include "server/expr/number.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { COMPLAINT_MAX = sizeof(((struct expr_env *)0)->message) };

static bool key_is_expression(const struct leat_key *key)
{
	return key->flags & LEAT_EXPRESSION;
}

static enum setting_type key_setting_type(const struct leat_key *key)
{
	if (key_is_expression(key))
		return SETTING_VALUE;
	switch (key->type) {
	case LEAT_KEY_VALUE:
		return SETTING_VALUE;
	case LEAT_KEY_BOOL:
		return SETTING_BOOL;
	case LEAT_KEY_INT:
		return SETTING_INT;
	case LEAT_KEY_TEXT:
		return SETTING_TEXT;
	case LEAT_KEY_DURATION:
		return SETTING_DURATION;
	case LEAT_KEY_SIZE:
		return SETTING_SIZE;
	case LEAT_KEY_CHOICE:
		return SETTING_CHOICE;
	}
	unreachable();
}

struct setting native_setting(const struct leat_key *key, const char *name, size_t offset)
{
	bool ranged = key->type == LEAT_KEY_INT || key->type == LEAT_KEY_DURATION ||
		      key->type == LEAT_KEY_SIZE;

	return (struct setting){
		.key = name,
		.type = key_setting_type(key),
		.offset = offset,
		.value_default = key->value_default,
		.help = key->help,
		.min = ranged ? key->min : 0,
		.max = ranged ? key->max : 0,
		.choices = key->choices,
		.required = key->flags & LEAT_REQUIRED,
	};
}

/* ------------------------------------------------------------ a value, by its type */

static bool key_is_in_range(const struct leat_key *key, int64_t number)
{
	bool any = key->min == 0 && key->max == 0;
	bool bounded = key->max != INT64_MAX && (key->max != 0 || key->min < 0);

	return any || (number >= key->min && (!bounded || number <= key->max));
}

static bool key_take_int(const struct leat_key *key, struct value *value)
{
	struct number number;

	if (!number_is(*value) || number_of(*value, &number) < 0)
		return false;
	if (number.is_real && (number.real != trunc(number.real) || fabs(number.real) >= 0x1p63))
		return false;
	*value = value_int(number.is_real ? (int64_t)number.real : number.integer);
	return key_is_in_range(key, value->integer);
}

static bool key_take_unit(const struct leat_key *key, struct value *value)
{
	uint64_t number;
	int r;

	if (value->kind != VALUE_TEXT)
		return (key->type == LEAT_KEY_SIZE && key_take_int(key, value) &&
			value->integer >= 0) ||
		       (value->kind == VALUE_INT && value->integer == 0 && key_is_in_range(key, 0));
	r = key->type == LEAT_KEY_SIZE ? units_size(value_str(*value), &number)
				       : units_duration_ms(value_str(*value), &number);
	*value = value_int((int64_t)number);
	return r == 0 && number <= INT64_MAX && key_is_in_range(key, value->integer);
}

static bool key_take_choice(const struct leat_key *key, const struct value *value)
{
	for (size_t i = 0; value->kind == VALUE_TEXT && key->choices[i]; i++)
		if (str_eq(value_str(*value), str_of(key->choices[i])))
			return true;
	return false;
}

static bool key_take_text(struct arena *arena, struct value *value)
{
	struct buf text;

	if (value->kind == VALUE_TEXT)
		return true;
	if (value->kind == VALUE_LIST || value->kind == VALUE_OBJECT || value->kind == VALUE_JSON)
		return false;
	buf_init_arena(&text, arena);
	value_write_text(*value, &text);
	*value = value_text(buf_str(&text));
	return text.error == 0;
}

static bool key_take(const struct leat_key *key, struct arena *arena, struct value *value)
{
	if (value_is_null(*value))
		return !(key->flags & LEAT_REQUIRED) || key->type == LEAT_KEY_VALUE;
	switch (key->type) {
	case LEAT_KEY_VALUE:
		return true;
	case LEAT_KEY_BOOL:
		return value->kind == VALUE_BOOL;
	case LEAT_KEY_INT:
		return key_take_int(key, value);
	case LEAT_KEY_TEXT:
		return key_take_text(arena, value);
	case LEAT_KEY_DURATION:
	case LEAT_KEY_SIZE:
		return key_take_unit(key, value);
	case LEAT_KEY_CHOICE:
		return key_take_choice(key, value);
	}
	unreachable();
}

/* "`width` takes a whole number from 1 to 4096, not text" */
static void key_complain(const struct native_key *key, struct value value, char out[COMPLAINT_MAX])
{
	static const char *const wants[] = {
		[LEAT_KEY_VALUE] = "a value",
		[LEAT_KEY_BOOL] = "true or false",
		[LEAT_KEY_INT] = "a whole number",
		[LEAT_KEY_TEXT] = "a text",
		[LEAT_KEY_DURATION] = "a duration such as 200ms or 5s",
		[LEAT_KEY_SIZE] = "a size such as 512 or 64k",
		[LEAT_KEY_CHOICE] = "one of its words",
	};
	const struct leat_key *row = key->row;
	char range[64] = "";

	if (row->type == LEAT_KEY_INT && (row->min || row->max))
		snprintf(range, sizeof(range), " from %" PRId64 " to %" PRId64, row->min,
			 row->max ? row->max : INT64_MAX);
	snprintf(out, COMPLAINT_MAX, "`%s` takes %s%s, not this %s", key->name, wants[row->type],
		 range, value_kind_name(value));
}

/* ------------------------------------------------------------ at load */

bool native_default_is_valid(const struct leat_key *key)
{
	const struct setting setting = native_setting(key, "default", 0);
	struct native_key compiled = { .row = key, .name = "default" };
	struct diag diag;
	struct arena arena;
	union native_slot slot;
	bool valid;

	arena_init_required(&arena);
	diag_init(&diag);
	valid = settings_default_is_valid(&setting, &slot, &arena, &diag);
	if (valid && key_setting_type(key) == SETTING_VALUE) {
		struct expr_names names = { 0 };
		struct expr_uses uses = { 0 };
		struct expr_compiler expr = { &arena, &diag, &names, &uses };

		compiled.tree = template_tree_compile(&expr, slot.node);
		valid = compiled.tree &&
			template_tree_is_constant(compiled.tree, &compiled.constant) &&
			key_take(key, &arena, &compiled.constant);
	}
	diag_fini(&diag);
	arena_fini(&arena);
	return valid;
}

static struct value key_constant(const struct leat_key *row, const union native_slot *slot)
{
	switch (row->type) {
	case LEAT_KEY_BOOL:
		return value_bool(slot->boolean);
	case LEAT_KEY_INT:
		return value_int(slot->integer);
	case LEAT_KEY_DURATION:
	case LEAT_KEY_SIZE:
		return value_int((int64_t)MIN(slot->number, (uint64_t)INT64_MAX));
	case LEAT_KEY_TEXT:
		return value_text(slot->text);
	case LEAT_KEY_CHOICE:
		return value_text(str_of(row->choices[slot->choice]));
	case LEAT_KEY_VALUE:
		return value_null();
	}
	unreachable();
}

static struct place key_place(const struct verb_compiler *compiler, const struct node *node)
{
	return node->place.source ? node->place : compiler->step->place;
}

static bool key_compile_tree(struct verb_compiler *compiler, struct native_key *key,
			     const struct node *node)
{
	char complaint[COMPLAINT_MAX];
	struct value value;

	key->tree = key->row->flags & LEAT_SECRET ? template_tree_compile(compiler->expr, node)
						  : verb_public_tree(compiler, node, key->name);
	if (!key->tree)
		return false;
	if (!template_tree_is_constant(key->tree, &key->constant)) {
		if (key_is_expression(key->row))
			return true;
		diag_error(compiler->flow->diag, key_place(compiler, node),
			   "`%s` takes no ${}: it is constant", key->name);
		return false;
	}
	value = key->constant;
	if (key_take(key->row, compiler->flow->arena, &key->constant)) {
		key->tree = NULL;
		return true;
	}
	key_complain(key, value, complaint);
	diag_error(compiler->flow->diag, key_place(compiler, node), "%s", complaint);
	return false;
}

bool native_key_compile(struct verb_compiler *compiler, struct native_key *key,
			const union native_slot *slot, const struct node *node)
{
	if (key_setting_type(key->row) == SETTING_VALUE)
		return !slot->node || key_compile_tree(compiler, key, slot->node);
	if (node || key->row->value_default)
		key->constant = key_constant(key->row, slot);
	return true;
}

/* ------------------------------------------------------------ at run time */

int native_key_eval(const struct native_key *key, struct step_run *run, struct value *ret)
{
	struct value value;
	int r;

	*ret = key->constant;
	if (!key->tree)
		return 0;
	r = template_tree_eval(key->tree, step_env(run), &value);
	if (r < 0)
		return r;
	*ret = value;
	if (key_take(key->row, step_arena(run), ret))
		return 0;
	key_complain(key, value, step_env(run)->message);
	return -EBADMSG;
}
