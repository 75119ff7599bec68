/* server/later.h: sections that the design has and later versions bring: a better answer than
 * "unknown key". */
#pragma once
#include "conf/settings.h"

struct later_config {
	const struct node *ignored;
};

extern const struct setting later_sections[];

void sections_refuse_later(const struct node *root, struct diag *diag);
