/* server/expr/template_node.h: what texts and trees of templates share. */
#pragma once
#include "server/expr/expr_node.h"
#include "server/expr/template.h"

struct part {
	struct str literal;
	const struct expr *expr; /* NULL: literal */
};

struct template
{
	enum template_context context;
	bool whole, constant;
	struct str text;    /* when constant */
	struct value value; /* when constant: the same with its type */
	struct part *parts;
	size_t n_parts;
};

/* The value of a scalar that is no text; false for texts, lists and maps. */
bool template_node_scalar(struct expr_compiler *compiler, const struct node *node,
			  struct value *ret);

/* Finds where `needle`, which stands at byte `at` of the scalar `text`, stands in the file.
 * *place is that of the scalar, and becomes that of the needle's first byte. False when it is
 * not found there, because escapes or folded lines make the text another than the file's. */
bool place_find(struct place *place, struct str text, size_t at, struct str needle);
