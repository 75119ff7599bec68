/* server/files_root.c */
#include "server/files_root.h"
#include <stdlib.h>

struct str files_root(struct conf *conf)
{
	const struct node *node = node_find(conf->root, "files_root");
	struct str state = str_of(getenv("STATE_DIRECTORY"));
	ptrdiff_t colon = str_find_char(state, ':'); /* systemd lists several that way */

	if (node && node_is_scalar(node) && node->text.len)
		return conf_path(conf, node->place, node->text);
	if (colon >= 0)
		state = str_first(state, (size_t)colon);
	if (state.len == 0)
		state = STR("/var/lib/leat");
	return arena_printf(&conf->arena, "%.*s/files", STR_ARG(state));
}
