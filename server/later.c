/* server/later.c */
#include "server/later.h"

#define AT(field) offsetof(struct later_config, field)
/* one a line */
/* clang-format off */
const struct setting later_sections[] = { { "queues", SETTING_NODE, AT(ignored) },
					  { "tests", SETTING_NODE, AT(ignored) },
					  { "metrics", SETTING_NODE, AT(ignored) },
					  SETTINGS_END };
/* clang-format on */
#undef AT

void sections_refuse_later(const struct node *root, struct diag *diag)
{
	for (const struct setting *later = later_sections; later->key; later++) {
		const struct node_entry *entry = node_entry_find(root, later->key);

		if (entry)
			diag_error(diag, entry->key_place,
				   "the section %s is not in this version of leat yet; remove it",
				   later->key);
	}
}
