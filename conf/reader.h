/* conf/reader.h: tree_read() for one file of several. */
#pragma once
#include "conf/tree.h"

/* As tree_read(); takes what the tree unfolds to off `*budget`, and refuses what is more. */
struct node *tree_read_within(const struct source *source, size_t *budget, struct arena *arena,
			      struct diag *diag);
