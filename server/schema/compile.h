/* server/schema/compile.h: from the text of a schema to struct schema, as the files of this folder
 * see it. */
#pragma once
#include "conf/scan.h"
#include "server/schema/node.h"

/* A file that was read. */
struct schema_document {
	struct schema_document *next;
	struct source source;
	dev_t dev;
	ino_t ino;
	struct value root;
	struct schema *schema; /* of the root */
	struct str id;         /* its $id; or none */
	struct map anchors;    /* name to struct schema * */
	bool broken;           /* it had errors */
};

/* A $ref that was read, and leads to nothing yet. */
struct schema_reference {
	struct schema_reference *next;
	struct schema *from;
	struct str text, key;
};

/* One keyword that is being read: `value` stands under `key` in `schema`. */
struct keyword {
	struct schema_loader *loader;
	struct schema *schema;
	struct str key;
	const struct value *value;
};

/* Reports an error at the keyword; always false. */
bool keyword_error(const struct keyword *keyword, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void keyword_warning(const struct keyword *keyword, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

const char *schema_kind_phrase(const struct value *value); /* "a list", "an object", "null" */

/* Where a slice of the document's text stands; `otherwise` when it is no slice (it had escapes). */
struct place schema_place(const struct schema_document *document, struct str slice,
			  struct str otherwise);

/* Reads all keywords of a schema that is an object. Errors are in the diag. */
void schema_read_keywords(struct schema_loader *loader, struct schema *schema);
extern const char *const keyword_names[]; /* of those that are known; NULL at the end */

/* The schema that stands at `value`, to be compiled once; `key` is what it stands under. */
struct schema *schema_at(struct schema_loader *loader, struct schema_document *document,
			 const struct value *value, struct str key);

/* The same for the value of a keyword; NULL, and an error, when it is neither an object nor a
 * boolean. */
struct schema *keyword_schema(const struct keyword *keyword, const struct value *value);

/* The document of a file: read now, unless it was; NULL, and an error at `named_at`. */
struct schema_document *schema_document_open(struct schema_loader *loader, struct str path,
					     struct place named_at);

/* Reads the keywords of all schemas that wait, and of those that they lead to. */
void schema_compile_waiting(struct schema_loader *loader);

/* Resolves one reference; a file may be read for it. */
void schema_resolve(struct schema_loader *loader, struct schema_reference *reference);

/* Finds what applies itself to the same value without end, and what nests too deep, among the
 * schemas that are newer than `before`. */
void schema_check_loops(struct schema_loader *loader, struct schema *before);

/* The groups of keywords, made when first needed. */
struct schema_numbers *schema_numbers(const struct keyword *keyword);
struct schema_strings *schema_strings(const struct keyword *keyword);
struct schema_arrays *schema_arrays(const struct keyword *keyword);
struct schema_objects *schema_objects(const struct keyword *keyword);
struct schema_logic *schema_logic(const struct keyword *keyword);

/* A new entry for a name; entries of one name become one when all keywords are read, and then
 * the indices of what a name needs are found. */
struct schema_name *schema_name_add(const struct keyword *keyword, struct str name);
void schema_names_join(struct schema_loader *loader, struct schema_objects *objects);

/* The index of a name; n_names when it is not there. */
size_t schema_name_find(const struct schema_objects *objects, struct str name);

/* What can be read of a keyword's value; false, and an error, when it is of another kind. */
bool keyword_count(const struct keyword *keyword, uint64_t *ret);
bool keyword_number(const struct keyword *keyword, struct value *ret);
bool keyword_bool(const struct keyword *keyword, bool *ret);
bool keyword_text(const struct keyword *keyword, struct str *ret);
bool keyword_list(const struct keyword *keyword, struct schema_list *ret);
bool keyword_texts(const struct keyword *keyword, const struct value *list);
