/* conf/setting.c: one value by its row: setting_read_value(). */
#include "conf/scan.h"
#include "conf/settings.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { SHOWN_MAX = 60 };

struct reading {
	const struct setting *setting;
	const struct node *node;
	void *field; /* where the value goes */
	struct arena *arena;
	struct diag *diag;
};

/* ------------------------------------------------------------------ messages */

static const char *setting_wants(enum setting_type type)
{
	switch (type) {
	case SETTING_BOOL:
		return "true or false";
	case SETTING_INT:
		return "a whole number";
	case SETTING_DURATION:
		return "a duration";
	case SETTING_SIZE:
		return "a size";
	case SETTING_CHOICE:
		return "one of its words";
	case SETTING_TEXT:
	case SETTING_TEMPLATE:
		return "text";
	case SETTING_TEXTS:
		return "text or a list of texts";
	case SETTING_CONDITION:
		return "a condition";
	case SETTING_MAP:
		return "a map";
	case SETTING_LIST:
		return "a list";
	case SETTING_VALUE:
	case SETTING_NODE:
		return "a value";
	}
	unreachable();
}

static const char *setting_example(const struct setting *setting)
{
	if (setting->value_default && setting->value_default[0])
		return setting->value_default;
	switch (setting->type) {
	case SETTING_BOOL:
		return "true";
	case SETTING_INT:
		return "10";
	case SETTING_DURATION:
		return "5s";
	case SETTING_SIZE:
		return "64k";
	case SETTING_CHOICE:
		return setting->choices[0];
	case SETTING_TEXT:
	case SETTING_TEMPLATE:
	case SETTING_VALUE:
	case SETTING_NODE:
		return "\"some text\"";
	case SETTING_TEXTS:
	case SETTING_LIST:
		return "[one, two]";
	case SETTING_CONDITION:
		return "query.x == \"1\"";
	case SETTING_MAP:
		return "{name: value}";
	}
	unreachable();
}

/* "the number 5", "the text "abc"", "a map". */
static struct str setting_found(const struct reading *r)
{
	struct str text = str_first(r->node->text, SHOWN_MAX);

	switch (r->node->kind) {
	case NODE_INT:
	case NODE_REAL:
		return arena_printf(r->arena, "the number %.*s", STR_ARG(text));
	case NODE_TEXT:
		return arena_printf(r->arena, "the text \"%.*s\"", STR_ARG(text));
	case NODE_BOOL:
		return text;
	case NODE_NULL:
	case NODE_LIST:
	case NODE_MAP:
		return str_of(node_kind_name(r->node));
	}
	unreachable();
}

static bool setting_refuse_type(const struct reading *r)
{
	struct str found = setting_found(r);

	diag_error(r->diag, r->node->place, "\"%s\" is %s, not %.*s; write for example %s: %s",
		   r->setting->key, setting_wants(r->setting->type), STR_ARG(found),
		   r->setting->key, setting_example(r->setting));
	return false;
}

/* A { or [ that was meant as text: jq's {a: .b}. */
static bool setting_refuse_collection(const struct reading *r)
{
	struct place place = r->node->place;
	size_t at = scan_offset(place);
	struct str text = place.source ? str_first(str_skip(place.source->text, at), place.len)
				       : STR_NONE;

	if (text.len < 2 || text.len > SHOWN_MAX || !strchr("[{", text.ptr[0]) ||
	    str_has(text, '\''))
		return setting_refuse_type(r);
	diag_error(r->diag, place,
		   "\"%s\" is %s, and this is %s; if it is meant as text, put it in quotes: "
		   "'%.*s'",
		   r->setting->key, setting_wants(r->setting->type), node_kind_name(r->node),
		   STR_ARG(text));
	return false;
}

static bool setting_refuse_null(const struct reading *r)
{
	diag_error(r->diag, r->node->place, "\"%s\" has no value; write for example %s: %s",
		   r->setting->key, r->setting->key, setting_example(r->setting));
	return false;
}

static bool setting_refuse_dollar(const struct reading *r)
{
	diag_error(r->diag, r->node->place,
		   "\"%s\" takes no ${}: it is read once, when the file is; write for example %s: "
		   "%s",
		   r->setting->key, r->setting->key, setting_example(r->setting));
	return false;
}

/* ------------------------------------------------------------------ numbers */

/* No upper bound is max == 0 or INT64_MAX. */
static bool setting_is_bounded(const struct setting *setting)
{
	return setting->max != INT64_MAX && (setting->max != 0 || setting->min < 0);
}

static bool setting_in_range(const struct setting *setting, int64_t number)
{
	bool any = setting->min == 0 && setting->max == 0;

	return any ||
	       (number >= setting->min && (!setting_is_bounded(setting) || number <= setting->max));
}

static void setting_write_number(char out[32], enum setting_type type, int64_t number)
{
	if (type == SETTING_DURATION)
		units_write_duration(out, (uint64_t)number);
	else if (type == SETTING_SIZE)
		units_write_size(out, (uint64_t)number);
	else
		snprintf(out, 32, "%" PRId64, number);
}

static bool setting_refuse_range(const struct reading *r)
{
	const struct setting *setting = r->setting;
	struct str text = str_first(r->node->text, SHOWN_MAX);
	char min[32], max[32];

	setting_write_number(min, setting->type, setting->min);
	setting_write_number(max, setting->type, setting->max);
	if (setting_is_bounded(setting))
		diag_error(r->diag, r->node->place,
			   "\"%s\" is from %s to %s, not %.*s; write a value in that range",
			   setting->key, min, max, STR_ARG(text));
	else
		diag_error(r->diag, r->node->place,
			   "\"%s\" is at least %s, not %.*s; write a larger value", setting->key,
			   min, STR_ARG(text));
	return false;
}

/* What does not even fit the type; `limit` is "most N" or "least N". */
static bool setting_refuse_beyond(const struct reading *r, const char *limit)
{
	diag_error(r->diag, r->node->place, "\"%s\" is at %s, not %.*s; write a %s value",
		   r->setting->key, limit, STR_ARG(str_first(r->node->text, SHOWN_MAX)),
		   limit[0] == 'm' ? "smaller" : "larger");
	return false;
}

static bool setting_read_int(const struct reading *r)
{
	int64_t number;

	if (r->node->kind == NODE_TEXT && str_to_i64(r->node->text, &number) == 0) {
		diag_error(r->diag, r->node->place,
			   "\"%s\" is a whole number, and this is text; write %" PRId64
			   ", without quotes and leading zeros",
			   r->setting->key, number);
		return false;
	}
	if (r->node->kind == NODE_REAL && !strpbrk(r->node->text.ptr, ".eE"))
		return setting_refuse_beyond(r, r->node->real > 0 ? "most 9223372036854775807"
								  : "least -9223372036854775808");
	if (r->node->kind != NODE_INT)
		return setting_refuse_type(r);
	if (!setting_in_range(r->setting, r->node->integer))
		return setting_refuse_range(r);
	*(int64_t *)r->field = r->node->integer;
	return true;
}

static bool setting_refuse_duration(const struct reading *r)
{
	struct str text = str_first(r->node->text, SHOWN_MAX);
	uint64_t number;

	if (str_to_u64(r->node->text, &number) == 0)
		diag_error(r->diag, r->node->place,
			   "a bare number is not a duration; write %.*ss for seconds, or %.*sms "
			   "for milliseconds",
			   STR_ARG(text), STR_ARG(text));
	else
		diag_error(r->diag, r->node->place,
			   "\"%.*s\" is not a duration; write 200ms, 5s, 10m, 3h, 2d or 1m30s",
			   STR_ARG(text));
	return false;
}

static bool setting_read_duration(const struct reading *r)
{
	uint64_t ms;
	int error = units_duration_ms(r->node->text, &ms);

	if (error == -ERANGE)
		return setting_refuse_beyond(r, "most 10000d");
	if (error)
		return setting_refuse_duration(r);
	if (!setting_in_range(r->setting, (int64_t)ms))
		return setting_refuse_range(r);
	*(uint64_t *)r->field = ms;
	return true;
}

static bool setting_read_size(const struct reading *r)
{
	uint64_t bytes;
	int error = units_size(r->node->text, &bytes);

	if (error == -ERANGE)
		return setting_refuse_beyond(r, "most 8589934591g");
	if (error) {
		diag_error(r->diag, r->node->place,
			   "\"%.*s\" is not a size; write 512, 64k, 8m or 1g",
			   STR_ARG(str_first(r->node->text, SHOWN_MAX)));
		return false;
	}
	if (!setting_in_range(r->setting, (int64_t)bytes))
		return setting_refuse_range(r);
	*(uint64_t *)r->field = bytes;
	return true;
}

/* ------------------------------------------------------------------ words and texts */

static bool setting_read_bool(const struct reading *r)
{
	static const char *const trues[] = { "true", "yes", "on", "y", "1" };
	static const char *const falses[] = { "false", "no", "off", "n", "0" };
	const char *meant = NULL;

	if (r->node->kind == NODE_BOOL) {
		*(bool *)r->field = r->node->boolean;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(trues); i++) {
		if (str_eq_nocase(r->node->text, str_of(trues[i])))
			meant = "true";
		if (str_eq_nocase(r->node->text, str_of(falses[i])))
			meant = "false";
	}
	if (!meant)
		return setting_refuse_type(r);
	diag_error(r->diag, r->node->place,
		   "\"%s\" is true or false, not \"%.*s\"; write %s, without quotes",
		   r->setting->key, STR_ARG(r->node->text), meant);
	return false;
}

/* "a, b or c" */
static struct str setting_list_choices(const struct reading *r)
{
	const char *const *choices = r->setting->choices;
	struct str list = str_of(choices[0]);

	for (size_t i = 1; choices[i]; i++)
		list = arena_printf(r->arena, "%.*s%s%s", STR_ARG(list),
				    choices[i + 1] ? ", " : " or ", choices[i]);
	return list;
}

static bool setting_read_choice(const struct reading *r)
{
	const char *const *choices = r->setting->choices;
	const char *nearest;
	struct str list, found;

	for (int i = 0; choices[i]; i++) {
		if (!str_eq(r->node->text, str_of(choices[i])))
			continue;
		*(int *)r->field = i;
		return true;
	}
	list = setting_list_choices(r);
	found = setting_found(r);
	nearest = diag_nearest(r->node->text, choices);
	diag_error(r->diag, r->node->place, "\"%s\" is %.*s, not %.*s; %s%s%s", r->setting->key,
		   STR_ARG(list), STR_ARG(found), nearest ? "did you mean \"" : "",
		   nearest ? nearest : "write one of these", nearest ? "\"?" : "");
	return false;
}

static bool setting_is_text(const struct reading *r)
{
	switch (r->node->kind) {
	case NODE_TEXT:
	case NODE_INT: /* a number is taken as it is written */
	case NODE_REAL:
		return true;
	case NODE_NULL:
		return setting_refuse_null(r);
	case NODE_BOOL:
		diag_error(r->diag, r->node->place,
			   "\"%s\" is text, and this is true or false; put it in quotes: \"%.*s\"",
			   r->setting->key, STR_ARG(r->node->text));
		return false;
	case NODE_LIST:
	case NODE_MAP:
		return setting_refuse_collection(r);
	}
	unreachable();
}

static bool setting_read_text(const struct reading *r)
{
	if (!setting_is_text(r))
		return false;
	*(struct str *)r->field = r->node->text;
	return true;
}

static bool setting_read_texts(const struct reading *r)
{
	struct setting_texts *texts = r->field;
	bool is_list = r->node->kind == NODE_LIST, good = true;
	size_t n_texts = is_list ? r->node->n_entries : 1;
	struct str *strs = arena_alloc_array(r->arena, n_texts, sizeof(*strs));
	const struct node **nodes = arena_alloc_array(r->arena, n_texts, sizeof(*nodes));

	check(strs && nodes);
	for (size_t i = 0; i < n_texts; i++) {
		struct reading item = *r;

		item.node = nodes[i] = is_list ? r->node->entries[i].value : r->node;
		item.field = &strs[i];
		good = setting_read_text(&item) && good;
	}
	if (good)
		*texts = (struct setting_texts){ strs, nodes, n_texts };
	return good;
}

static bool setting_read_node(const struct reading *r, bool fits)
{
	bool wants_scalar = r->setting->type == SETTING_TEMPLATE ||
			    r->setting->type == SETTING_CONDITION;

	if (!fits && wants_scalar)
		return setting_refuse_collection(r);
	if (!fits)
		return setting_refuse_type(r);
	*(const struct node **)r->field = r->node;
	return true;
}

/* ------------------------------------------------------------------ all together */

/* A section whose entries are all comments is null; it is as if it were not there. */
static bool setting_takes_null(const struct setting *setting)
{
	enum setting_type type = setting->type;

	return type == SETTING_VALUE || type == SETTING_NODE ||
	       (!setting->required && (type == SETTING_MAP || type == SETTING_LIST));
}

static bool setting_is_constant(enum setting_type type)
{
	return type == SETTING_BOOL || type == SETTING_INT || type == SETTING_DURATION ||
	       type == SETTING_SIZE || type == SETTING_CHOICE;
}

static bool setting_read(const struct reading *r)
{
	const struct node *node = r->node;

	switch (r->setting->type) {
	case SETTING_BOOL:
		return setting_read_bool(r);
	case SETTING_INT:
		return setting_read_int(r);
	case SETTING_DURATION:
		return setting_read_duration(r);
	case SETTING_SIZE:
		return setting_read_size(r);
	case SETTING_CHOICE:
		return setting_read_choice(r);
	case SETTING_TEXT:
		return setting_read_text(r);
	case SETTING_TEXTS:
		return setting_read_texts(r);
	case SETTING_TEMPLATE:
	case SETTING_CONDITION:
		return setting_read_node(r, node_is_scalar(node));
	case SETTING_MAP:
		return node->kind == NODE_NULL || setting_read_node(r, node->kind == NODE_MAP);
	case SETTING_LIST:
		return node->kind == NODE_NULL || setting_read_node(r, node->kind == NODE_LIST);
	case SETTING_VALUE:
	case SETTING_NODE:
		return setting_read_node(r, true);
	}
	unreachable();
}

bool setting_read_value(const struct setting *setting, const struct node *node, void *target,
			struct arena *arena, struct diag *diag)
{
	struct reading r = { setting, node, (char *)target + setting->offset, arena, diag };
	enum setting_type type = setting->type;

	if (node->kind == NODE_NULL && !setting_takes_null(setting))
		return setting_refuse_null(&r);
	if (setting_is_constant(type) && !node_is_scalar(node))
		return setting_refuse_type(&r);
	if (setting_is_constant(type) && str_find(node->text, STR("${")) >= 0)
		return setting_refuse_dollar(&r);
	return setting_read(&r);
}
