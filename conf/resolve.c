/* conf/resolve.c: ${env.X} and ${secret.X} in settings that are constant. */
#include "conf/load.h"
#include "conf/scalar.h"
#include "core/base/buf.h"

/* One reference at the start of `text`; false when there is none. */
static bool resolve_read(struct str text, struct str *ret_kind, struct str *ret_name,
			 size_t *ret_size)
{
	ptrdiff_t end = str_find_char(text, '}');
	struct str inner, kind, name;
	ptrdiff_t dot;

	if (!str_starts_with(text, STR("${")) || end < 0)
		return false;
	inner = str_trim(str_skip(str_first(text, (size_t)end), 2));
	dot = str_find_char(inner, '.');
	kind = dot < 0 ? STR_NONE : str_first(inner, (size_t)dot);
	name = dot < 0 ? STR_NONE : str_skip(inner, (size_t)dot + 1);
	if (!str_eq(kind, STR("env")) && !str_eq(kind, STR("secret")))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!char_is_alpha(name.ptr[i]) && !char_is_digit(name.ptr[i]) &&
		    !strchr("_-.", name.ptr[i]))
			return false;
	*ret_kind = kind;
	*ret_name = name;
	*ret_size = (size_t)end + 1;
	return name.len > 0;
}

static void resolve_add(struct conf *conf, struct place place, struct str kind, struct str name,
			struct buf *out, struct diag *diag)
{
	bool env = str_eq(kind, STR("env"));
	struct str value = STR_NONE;

	if (env ? conf_env(conf, name, &value) : conf_secret(conf, name, &value))
		buf_add(out, value);
	else
		conf_missing(conf, diag, place, env ? "env" : "secret", name);
}

static void resolve_scalar(struct conf *conf, struct node *node, struct diag *diag)
{
	struct str text = node->text, kind, name;
	bool changed = false;
	struct buf out;
	size_t size;

	buf_init_arena(&out, &conf->arena);
	while (text.len) {
		if (resolve_read(text, &kind, &name, &size)) {
			resolve_add(conf, node->place, kind, name, &out, diag);
			text = str_skip(text, size);
			changed = true;
		} else {
			buf_add_char(&out, text.ptr[0]);
			text = str_skip(text, 1);
		}
	}
	if (!changed)
		return;
	buf_add_char(&out, '\0');
	node->text = (struct str){ out.data, out.len - 1 };
	if (node->text.len)
		scalar_resolve(node);
}

/* Depth is bounded by the reader (CONF_DEPTH_MAX). */
void conf_resolve(struct conf *conf, struct node *node, struct diag *diag)
{
	if (node->kind == NODE_TEXT && str_find(node->text, STR("${")) >= 0) {
		resolve_scalar(conf, node, diag);
		return;
	}
	if (node->kind != NODE_LIST && node->kind != NODE_MAP)
		return;
	for (size_t i = 0; i < node->n_entries; i++)
		conf_resolve(conf, node->entries[i].value, diag);
}
