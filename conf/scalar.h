/* conf/scalar.h: what a plain scalar is: YAML 1.2's core schema, with two differences.
 *
 * A number with a leading zero is text (0777, 007.5), and so are .inf and .nan, since every value
 * must be one that JSON can say. */
#pragma once
#include "conf/tree.h"

/* Sets kind and value of `node` by node->text, which has a NUL behind it. Returns NULL, or what is
 * wrong with it: a number that no type holds (the node is text then).
 *
 * A decimal integer past 64 bits is NODE_REAL: .text keeps all its digits, .real is the nearest.
 * .text of a NODE_REAL need not be JSON's form of it (".5", "5.", "+1.5"). */
const char *scalar_resolve(struct node *node);
