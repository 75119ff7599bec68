/* server/schema/keywords_meta.c: names of schemas, and references to them. */
#include "server/schema/keywords.h"

static bool is_anchor(struct str name)
{
	if (name.len == 0 || (!char_is_alpha(name.ptr[0]) && name.ptr[0] != '_'))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!char_is_alpha(name.ptr[i]) && !char_is_digit(name.ptr[i]) &&
		    (name.ptr[i] == '\0' || !strchr("_-.", name.ptr[i])))
			return false;
	return true;
}

bool keyword_anchor(const struct keyword *keyword)
{
	struct str name;

	if (!keyword_text(keyword, &name))
		return false;
	if (!is_anchor(name))
		return keyword_error(keyword, "not the name of an anchor; write letters, digits, "
					      "\"_\", \"-\" and \".\", a letter first");
	if (map_set(&keyword->schema->document->anchors, name, keyword->schema))
		return keyword_error(keyword, "the anchor \"%.*s\" is there twice; rename one",
				     STR_ARG(name));
	return true;
}

/* The name of the whole file, by which its own references may call it. A $id further inside would
 * change what the references around it mean. */
bool keyword_id(const struct keyword *keyword)
{
	struct schema_document *document = keyword->schema->document;
	struct str id;

	if (!keyword_text(keyword, &id))
		return false;
	if (keyword->schema->source != &document->root)
		return keyword_error(keyword,
				     "a $id inside a schema is not supported; use $anchor, "
				     "or a file of its own");
	if (str_ends_with(id, STR("#")))
		id = str_first(id, id.len - 1);
	if (!format_is_uri_reference(id) || str_has(id, '#'))
		return keyword_error(keyword, "not a URI without a fragment");
	document->id = id;
	return true;
}

bool keyword_reference(const struct keyword *keyword)
{
	struct schema_loader *loader = keyword->loader;
	struct schema_reference *reference;
	struct str text;

	if (!keyword_text(keyword, &text))
		return false;
	if (!format_is_uri_reference(text))
		return keyword_error(keyword,
				     "not a URI reference; write #/$defs/NAME, or FILE, or "
				     "FILE#/$defs/NAME");
	reference = arena_zalloc(loader->arena, sizeof(*reference));
	*reference = (struct schema_reference){ .next = loader->references,
						.from = keyword->schema,
						.text = text,
						.key = keyword->key };
	loader->references = reference;
	schema_logic(keyword);
	return true;
}

bool keyword_definitions(const struct keyword *keyword)
{
	bool ok = keyword_object(keyword);

	for (uint32_t i = 0; ok && i < keyword->value->len; i++)
		ok = keyword_schema(keyword, &keyword->value->members[i].value) != NULL;
	return ok;
}
