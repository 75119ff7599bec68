/* server/expr/template_escape.c
 *
 * In a URL every value is percent-encoded whole, so it is one segment, or one name or value of the
 * query. What encoding cannot help are the segments "", "." and "..", which would move the path to
 * another place: those that a value is part of are refused. Upstreams decode before they remove dot
 * segments, so %2e counts as a dot. */
#include "server/expr/template_escape.h"
#include "server/expr/percent.h"
#include <errno.h>

void escape_init(struct escape *escape, enum template_context context, struct arena *arena)
{
	*escape = (struct escape){ .context = context };
	buf_init_arena(&escape->out, arena);
}

bool escape_has_controls(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static bool segment_moves(struct str segment)
{
	size_t n_dots = 0;

	while (segment.len) {
		size_t len = str_eq_nocase(str_first(segment, 3), STR("%2e")) ? 3 : 1;

		if (len == 1 && segment.ptr[0] != '.')
			return false;
		segment = str_skip(segment, len);
		n_dots++;
	}
	return n_dots <= 2;
}

static void segment_end(struct escape *escape)
{
	struct str segment = str_skip(buf_str(&escape->out), escape->segment_start);

	if (escape->segment_made && !escape->in_query && !escape->out.error)
		escape->bad_segment |= segment_moves(segment);
	escape->segment_made = false;
}

static void escape_url_literal(struct escape *escape, struct str literal)
{
	for (size_t i = 0; i < literal.len; i++) {
		char c = literal.ptr[i];

		if (!escape->in_query && (c == '/' || c == '?'))
			segment_end(escape);
		buf_add_char(&escape->out, c);
		if (c == '/')
			escape->segment_start = escape->out.len;
		escape->in_query |= c == '?';
	}
}

void escape_literal(struct escape *escape, struct str literal)
{
	if (escape->context == TEMPLATE_URL) {
		escape_url_literal(escape, literal);
		return;
	}
	escape->bad_segment |= escape->is_rest && literal.len > 0;
	buf_add(&escape->out, literal);
}

/* What HTML escapes this character to, or an empty text. */
static struct str html_entity(char c)
{
	switch (c) {
	case '&':
		return STR("&amp;");
	case '<':
		return STR("&lt;");
	case '>':
		return STR("&gt;");
	case '"':
		return STR("&quot;");
	case '\'':
		return STR("&#39;");
	default:
		return STR("");
	}
}

static void escape_html(struct str text, struct buf *out)
{
	while (text.len) {
		size_t len = 0;

		while (len < text.len && !html_entity(text.ptr[len]).len)
			len++;
		buf_add(out, str_first(text, len));
		if (len < text.len)
			buf_add(out, html_entity(text.ptr[len++]));
		text = str_skip(text, len);
	}
}

static void escape_set(struct str text, const char *set, struct buf *out)
{
	while (text.len) {
		size_t len = 0;

		while (len < text.len && (text.ptr[len] == '\0' || !strchr(set, text.ptr[len])))
			len++;
		buf_add(out, str_first(text, len));
		if (len < text.len)
			percent_add(text.ptr[len++], out);
		text = str_skip(text, len);
	}
}

/* An '@' that is there already is the text's own: that of a value was encoded. */
static int escape_actor(struct escape *escape, struct expr_env *env, struct str text)
{
	if (!str_has(buf_str(&escape->out), '@')) {
		escape_set(text, "%:/@", &escape->out);
		return 0;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (char_is_alpha(text.ptr[i]) || char_is_digit(text.ptr[i]) ||
		    (text.ptr[i] && strchr("._:[]-", text.ptr[i])))
			continue;
		expr_fail(env, "a value behind the @ is not a host, or its port");
		return -EBADMSG;
	}
	buf_add(&escape->out, text);
	return 0;
}

/* The parts that a value makes are looked at by escape_end(). */
static void escape_file(struct escape *escape, struct str text)
{
	const struct buf *out = &escape->out;
	bool begins = out->len == 0 || (!out->error && out->data[out->len - 1] == '/');

	escape->segment_made = true;
	escape->bad_segment |= escape->is_rest || str_has(text, '\0');
	if (str_has(text, '/')) {
		escape->bad_segment |= !begins;
		escape->is_rest = true;
	}
	buf_add(&escape->out, text);
}

static void escape_end_file(struct escape *escape)
{
	struct str rest = buf_str(&escape->out), part;

	if (!escape->segment_made) /* a constant: whoever compiles it looks at it */
		return;
	escape->bad_segment |= rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[rest.len - 1] == '/';
	while (!escape->bad_segment && str_next_part(&rest, '/', &part))
		escape->bad_segment = part.len == 0 || str_eq(part, STR("..")) ||
				      (str_eq(part, STR(".")) && escape->out.len > 1);
}

/* What the value is in a text; lists and objects are JSON. */
static int value_to_text(struct value value, struct arena *arena, struct str *ret)
{
	struct buf out;

	if (value.kind == VALUE_TEXT) {
		*ret = value_str(value);
		return 0;
	}
	buf_init_arena(&out, arena);
	value_write_text(value, &out);
	*ret = buf_str(&out);
	return out.error ? -ENOMEM : 0;
}

static int escape_header(struct escape *escape, struct expr_env *env, struct str text)
{
	if (escape_has_controls(text)) {
		expr_fail(env, "a value for a header has line breaks or other control characters");
		return -EBADMSG;
	}
	buf_add(&escape->out, text);
	return 0;
}

int escape_value(struct escape *escape, struct expr_env *env, struct value value)
{
	struct str text;
	int r;

	if (escape->context == TEMPLATE_PLAIN) {
		value_write_text(value, &escape->out);
		return 0;
	}
	r = value_to_text(value, env->arena, &text);
	if (r < 0)
		return r;
	switch (escape->context) {
	case TEMPLATE_PLAIN:
		unreachable();
	case TEMPLATE_URL:
		escape->segment_made = true;
		percent_encode(text, &escape->out);
		return 0;
	case TEMPLATE_HEADER:
		return escape_header(escape, env, text);
	case TEMPLATE_HTML:
		escape_html(text, &escape->out);
		return 0;
	case TEMPLATE_NAME:
		escape_set(text, "%:/", &escape->out);
		return 0;
	case TEMPLATE_ACTOR:
		return escape_actor(escape, env, text);
	case TEMPLATE_FILE:
		escape_file(escape, text);
		return 0;
	}
	unreachable();
}

int escape_end(struct escape *escape, struct expr_env *env)
{
	if (escape->context == TEMPLATE_URL)
		segment_end(escape);
	if (escape->out.error)
		return -ENOMEM;
	if (escape->context == TEMPLATE_FILE)
		escape_end_file(escape);
	if (!escape->bad_segment)
		return 0;
	if (escape->context == TEMPLATE_FILE) {
		expr_fail(env, "a value does not fit into the path of the file: it makes a part "
			       "empty, \".\" or \"..\", or has a / in the middle, or a NUL");
		return -EBADMSG;
	}
	expr_fail(env, "a value makes a segment of the path empty, \".\" or \"..\"");
	return -EBADMSG;
}
