/* server/auth/credentials.c */
#include "server/auth/credentials.h"
#include "server/http/grammar.h"
#include "server/request.h"
#include "server/request_roots.h"

static bool name_is_token(struct str name)
{
	return name.len &&
	       http_skip(name.ptr, name.ptr + name.len, CHAR_TOKEN) == name.ptr + name.len;
}

bool credential_place_read(struct str text, struct credential_place *ret)
{
	static const struct {
		struct str prefix;
		enum credential_from from;
	} kinds[] = {
		{ STR_INIT("header:"), CREDENTIAL_HEADER },
		{ STR_INIT("cookie:"), CREDENTIAL_COOKIE },
		{ STR_INIT("query:"), CREDENTIAL_QUERY },
	};

	if (str_eq(text, STR("header"))) {
		*ret = (struct credential_place){ .from = CREDENTIAL_BEARER };
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct str name = str_skip(text, kinds[i].prefix.len);

		if (!str_starts_with(text, kinds[i].prefix) || !name_is_token(name))
			continue;
		*ret = (struct credential_place){ kinds[i].from, name };
		return true;
	}
	return false;
}

static enum credential credential_header(const struct http_head *head, struct str name,
					 struct str *ret_text)
{
	enum credential found = CREDENTIAL_NONE;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_eq_nocase(head->fields[i].name, name))
			continue;
		if (found != CREDENTIAL_NONE)
			return CREDENTIAL_SEVERAL;
		*ret_text = head->fields[i].value;
		found = CREDENTIAL_FOUND;
	}
	return found;
}

enum credential credential_authorization(const struct http_head *head, struct str scheme,
					 struct str *ret_text)
{
	struct str value;
	enum credential found = credential_header(head, STR("authorization"), &value);

	if (found != CREDENTIAL_FOUND)
		return found;
	if (!str_eq_nocase(str_first(value, scheme.len), scheme) ||
	    (value.len > scheme.len && value.ptr[scheme.len] != ' '))
		return CREDENTIAL_NONE; /* of another scheme */
	*ret_text = str_trim(str_skip(value, scheme.len));
	return CREDENTIAL_FOUND;
}

static enum credential credential_root(struct request *request, enum expr_root root,
				       struct str name, struct str *ret_text)
{
	struct value value;

	if (request_root(&request->context, root, name, &value) < 0 || value.kind != VALUE_TEXT)
		return CREDENTIAL_NONE;
	*ret_text = value_str(value);
	return CREDENTIAL_FOUND;
}

enum credential credential_find(struct request *request, const struct credential_place *place,
				struct str *ret_text)
{
	switch (place->from) {
	case CREDENTIAL_BEARER:
		return credential_authorization(&request->head, STR("Bearer"), ret_text);
	case CREDENTIAL_HEADER:
		return credential_header(&request->head, place->name, ret_text);
	case CREDENTIAL_COOKIE:
		return credential_root(request, ROOT_COOKIES, place->name, ret_text);
	case CREDENTIAL_QUERY:
		return credential_root(request, ROOT_QUERY, place->name, ret_text);
	}
	unreachable();
}

void credential_hide(struct request *request, struct str parameter)
{
	struct str target = request->head.target, query = request->head.query, name, value, decoded;
	struct buf out;

	if (!query.ptr)
		return;
	buf_init_arena(&out, &request->arena);
	buf_add(&out, str_first(target, target.len - MIN(query.len, target.len)));
	for (bool first = true; http_query_next(&query, &name, &value); first = false) {
		bool shown = http_decode(name, true, &request->arena, &decoded) == 0 &&
			     !str_eq(decoded, parameter);

		if (!first)
			buf_add_char(&out, '&');
		buf_printf(&out, "%.*s=%.*s", STR_ARG(name), STR_ARG(shown ? value : STR("...")));
	}
	request->head.target = out.error ? request->head.path : buf_str(&out);
}
