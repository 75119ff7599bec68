/* server/later.h: sections that somebody may expect and that are not there: a better answer than
 * "unknown key", which is the `help` of each. */
#pragma once
#include "conf/settings.h"

struct later_config {
	const struct node *ignored;
};

extern const struct setting later_sections[];

void sections_refuse_later(const struct node *root, struct diag *diag);
