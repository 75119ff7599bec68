/* server/later.c */
#include "server/later.h"

#define AT(field) offsetof(struct later_config, field)
const struct setting later_sections[] = {
	{ "queues", SETTING_NODE, AT(ignored),
	  .help = "there is no section queues: queues for computing are declared in "
		  "compute, queues of messages in shared" },
	{ "metrics", SETTING_NODE, AT(ignored),
	  .help = "there is no section metrics: GET /metrics on the admin listener has "
		  "them; remove it" },
	{ "tests", SETTING_NODE, AT(ignored),
	  .help = "the section tests is not in this version of leat yet; remove it" },
	SETTINGS_END
};
#undef AT

void sections_refuse_later(const struct node *root, struct diag *diag)
{
	for (const struct setting *later = later_sections; later->key; later++) {
		const struct node_entry *entry = node_entry_find(root, later->key);

		if (entry)
			diag_error(diag, entry->key_place, "%s", later->help);
	}
}
