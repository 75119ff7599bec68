/* conf/merge.h: the roots of several files as one map. */
#pragma once
#include "conf/tree.h"
#include "core/base/map.h"

struct merge {
	struct arena *arena;
	struct diag *diag;
	struct map sections;          /* of struct section, by key */
	struct section *first, *last; /* in the order of their being added */
	size_t n_sections;
};

void merge_init(struct merge *merge, struct arena *arena, struct diag *diag);
void merge_fini(struct merge *merge);

/* Adds the sections of one file's root but `include`. */
void merge_add(struct merge *merge, const struct node *root);

/* The map of all sections, in the arena. Ends the adding. */
struct node *merge_finish(struct merge *merge, struct place place);
