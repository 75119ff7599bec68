/* server/schema/resolve.c: what a $ref leads to.
 *
 * Before the '#' stands a file, relative to the one that refers, or the $id of a file that was
 * read; behind it a JSON Pointer or an anchor. Nothing is fetched. */
#include "server/schema/compile.h"
#include "server/schema/pointer.h"

static void __attribute__((format(printf, 3, 4)))
reference_error(struct schema_loader *loader, const struct schema_reference *reference,
		const char *format, ...)
{
	struct schema *from = reference->from;
	va_list args;

	va_start(args, format);
	diag_add(loader->diag, DIAG_ERROR, schema_place(from->document, reference->key, from->key),
		 format, args);
	va_end(args);
	from->document->broken = true;
}

/* The escapes are right: it is a URI reference. */
static struct str reference_decode(struct arena *arena, struct str text)
{
	char *copy = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		copy[len] = text.ptr[i];
		if (text.ptr[i] == '%') {
			copy[len] =
				(char)(char_hex(text.ptr[i + 1]) << 4 | char_hex(text.ptr[i + 2]));
			i += 2;
		}
		len++;
	}
	copy[len] = '\0';
	return (struct str){ copy, len };
}

/* ------------------------------------------------------------ the file */

static struct str reference_path(struct schema_loader *loader,
				 const struct schema_reference *reference, struct str file)
{
	struct str folder = str_of(reference->from->document->source.name);

	while (folder.len && folder.ptr[folder.len - 1] != '/')
		folder.len--;
	file = reference_decode(loader->arena, file);
	if (file.ptr[0] == '/')
		return file;
	return arena_printf(loader->arena, "%.*s%.*s", STR_ARG(folder), STR_ARG(file));
}

static struct schema_document *reference_document(struct schema_loader *loader,
						  const struct schema_reference *reference,
						  struct str file)
{
	struct schema_document *document;
	struct schema *from = reference->from;

	if (file.len == 0)
		return from->document;
	for (document = loader->documents; document; document = document->next)
		if (document->id.len && str_eq(document->id, file))
			return document;
	if (format_is_uri(file) || str_starts_with(file, STR("//")) || str_has(file, '?')) {
		reference_error(
			loader, reference,
			"\"%.*s\" is no file here, and leat fetches nothing; write the name "
			"of a file",
			STR_ARG(file));
		return NULL;
	}
	document = schema_document_open(loader, reference_path(loader, reference, file),
					schema_place(from->document, reference->key, from->key));
	from->document->broken |= !document;
	return document;
}

/* ------------------------------------------------------------ in the file */

static const struct value *value_below(const struct value *value, struct str key)
{
	uint64_t index;

	if (value->kind == VALUE_OBJECT) {
		for (uint32_t i = 0; i < value->len; i++)
			if (str_eq(value_str(value->members[i].key), key))
				return &value->members[i].value;
		return NULL;
	}
	if (value->kind != VALUE_LIST || str_to_u64(key, &index) < 0 || index >= value->len ||
	    (key.len > 1 && key.ptr[0] == '0'))
		return NULL;
	return &value->items[index];
}

static struct schema *reference_pointer(struct schema_loader *loader,
					const struct schema_reference *reference,
					struct schema_document *document, struct str pointer)
{
	const struct value *value = &document->root;
	struct str rest = pointer, key = STR_NONE;

	while (value && pointer_next(&rest, loader->arena, &key))
		value = value_below(value, key);
	if (!value || rest.len) {
		reference_error(loader, reference, "there is nothing at \"%.*s\" in %s",
				STR_ARG(pointer), document->source.name);
		return NULL;
	}
	if (value->kind != VALUE_OBJECT && value->kind != VALUE_BOOL) {
		reference_error(loader, reference, "at \"%.*s\" in %s is %s and no schema",
				STR_ARG(pointer), document->source.name, schema_kind_phrase(value));
		return NULL;
	}
	return schema_at(loader, document, value, key);
}

static struct schema *reference_target(struct schema_loader *loader,
				       const struct schema_reference *reference,
				       struct schema_document *document, struct str fragment)
{
	struct schema *schema;

	fragment = reference_decode(loader->arena, fragment);
	if (fragment.len == 0 || fragment.ptr[0] == '/')
		return reference_pointer(loader, reference, document, fragment);
	schema = map_find(&document->anchors, fragment);
	if (!schema)
		reference_error(loader, reference, "there is no anchor \"%.*s\" in %s",
				STR_ARG(fragment), document->source.name);
	return schema;
}

/* The anchors of a file that this one is the first to name are known when its schemas are read. */
void schema_resolve(struct schema_loader *loader, struct schema_reference *reference)
{
	ptrdiff_t hash = str_find_char(reference->text, '#');
	struct str file = hash < 0 ? reference->text : str_first(reference->text, (size_t)hash);
	struct str fragment = hash < 0 ? STR_NONE : str_skip(reference->text, (size_t)hash + 1);
	struct schema_document *document = reference_document(loader, reference, file);

	if (!document)
		return;
	schema_compile_waiting(loader);
	reference->from->logic->reference = reference_target(loader, reference, document, fragment);
}
