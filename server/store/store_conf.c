/* server/store/store_conf.c */
#include "server/store/store_conf.h"
#include <stdlib.h>

struct str store_place(struct conf *conf, const struct node *node, struct str path)
{
	struct str state = str_of(getenv("STATE_DIRECTORY"));
	ptrdiff_t colon = str_find_char(state, ':'); /* systemd lists several that way */

	if (str_eq(path, STR(":memory:")))
		return path;
	if (path.len)
		return conf_path(conf, node_find(node, "path")->place, path);
	if (colon >= 0)
		state = str_first(state, (size_t)colon);
	if (state.len == 0)
		return STR(":memory:");
	return arena_printf(&conf->arena, "%.*s/leat.db", STR_ARG(state));
}
