/* server/expr/template_node.h: what texts and trees of templates share. */
#pragma once
#include "server/expr/template.h"

/* The value of a scalar that is no text; false for texts, lists and maps. */
bool template_node_scalar(struct expr_compiler *compiler, const struct node *node,
			  struct value *ret);

/* Finds where `needle`, which stands at byte `at` of the scalar `text`, stands in the file. *place is
 * that of the scalar, and becomes that of the needle's first byte. False when it is not found there,
 * because escapes or folded lines make the text another than the file's. */
bool place_find(struct place *place, struct str text, size_t at, struct str needle);
