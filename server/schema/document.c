/* server/schema/document.c: files of schemas. */
#include "conf/file.h"
#include "server/expr/json.h"
#include "server/schema/compile.h"
#include "server/schema/duplicates.h"
#include <errno.h>

struct place schema_place(const struct schema_document *document, struct str slice,
			  struct str otherwise)
{
	const struct str text = document->source.text;

	if (slice.ptr < text.ptr || slice.ptr >= text.ptr + text.len)
		slice = otherwise;
	if (slice.ptr < text.ptr || slice.ptr >= text.ptr + text.len)
		return (struct place){ &document->source, 1, 1, 0 };
	return scan_place_at(&document->source, (size_t)(slice.ptr - text.ptr), slice.len);
}

static bool document_check(struct schema_loader *loader, struct schema_document *document)
{
	const struct place place = { &document->source, 1, 1, 0 };
	uint64_t steps = UINT64_MAX;
	struct buf out;

	buf_init_arena(&out, loader->arena);
	if (duplicates_find(&document->root, &steps, &out) == 0)
		return true;
	diag_error(loader->diag, place, "a key is there twice, at %.*s; remove one",
		   STR_ARG(buf_str(&out)));
	return false;
}

static bool document_parse(struct schema_loader *loader, struct schema_document *document)
{
	struct json_error error = { 0 };
	int r = json_read(document->source.text, loader->arena, &document->root, &error);

	if (r == -EINVAL)
		diag_error(loader->diag, scan_place_at(&document->source, error.offset, 1),
			   "not JSON: %s", error.what);
	else if (r == 0 && document->root.kind != VALUE_OBJECT && document->root.kind != VALUE_BOOL)
		diag_error(loader->diag, (struct place){ &document->source, 1, 1, 0 },
			   "not a schema; write an object");
	else
		return r == 0 && document_check(loader, document);
	return false;
}

static struct schema_document *document_find(const struct schema_loader *loader,
					     const struct file *file)
{
	struct schema_document *document = loader->documents;

	while (document && (document->dev != file->dev || document->ino != file->ino))
		document = document->next;
	return document;
}

static struct schema_document *document_add(struct schema_loader *loader, struct str path,
					    const struct file *file)
{
	struct schema_document *document = arena_zalloc(loader->arena, sizeof(*document));

	*document = (struct schema_document){ .next = loader->documents,
					      .source = { path.ptr, file->text },
					      .dev = file->dev,
					      .ino = file->ino };
	map_init(&document->anchors);
	loader->documents = document;
	loader->n_documents++;
	document->broken = !document_parse(loader, document);
	if (!document->broken)
		document->schema = schema_at(loader, document, &document->root, STR_NONE);
	return document;
}

struct schema_document *schema_document_open(struct schema_loader *loader, struct str path,
					     struct place named_at)
{
	struct schema_document *document;
	struct file file;
	int r;

	path = arena_str(loader->arena, path);
	r = file_read(path.ptr, SCHEMA_FILE_MAX, loader->arena, &file);
	if (r < 0) {
		diag_error(loader->diag, named_at, "cannot read the schema \"%s\": %s", path.ptr,
			   file_problem(r, SCHEMA_FILE_MAX, loader->arena).ptr);
		return NULL;
	}
	document = document_find(loader, &file);
	if (!document && loader->n_documents == SCHEMA_FILES_MAX) {
		diag_error(loader->diag, named_at, "more than %d files of schemas; join some",
			   SCHEMA_FILES_MAX);
		return NULL;
	}
	if (!document)
		document = document_add(loader, path, &file);
	return document->schema ? document : NULL;
}
