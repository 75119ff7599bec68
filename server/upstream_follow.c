/* server/upstream_follow.c */
#include "server/upstream_follow.h"
#include "server/client/location.h"

enum { FOLLOW_MAX = 20 };

struct follow_config {
	int64_t max;
	struct setting_texts hosts;
	bool allow_http;
};

#define AT(field) offsetof(struct follow_config, field)
const struct setting upstream_follow_keys[] = {
	{ "max", SETTING_INT, AT(max), "5", "Redirects that are followed, one after the other.", 1,
	  FOLLOW_MAX },
	{ "allow_hosts", SETTING_TEXTS, AT(hosts),
	  .help = "Hosts that a redirect may lead to, beside that of the request: host, host:port "
		  "or "
		  "*.domain. With * whoever answers chooses whom leat talks to, also within its "
		  "own "
		  "network." },
	{ "allow_http", SETTING_BOOL, AT(allow_http), "false",
	  "Whether a redirect may lead from https to http." },
	SETTINGS_END
};
#undef AT

static const struct setting follow_number = { "follow", SETTING_INT,
					      offsetof(struct follow_config, max), .help = "",
					      .max = FOLLOW_MAX };

static bool follow_take_hosts(struct upstream_follow *follow, const struct setting_texts *hosts,
			      struct arena *arena, struct diag *diag)
{
	bool ok = true;

	follow->hosts = arena_alloc_array(arena, hosts->n_texts + 1, sizeof(follow->hosts[0]));
	for (size_t i = 0; i < hosts->n_texts; i++) {
		follow->hosts[follow->n_hosts++] = arena_str(arena, hosts->texts[i]);
		if (location_pattern_is_valid(hosts->texts[i]))
			continue;
		diag_error(diag, hosts->nodes[i]->place,
			   "\"%.*s\" is not a host; write host, host:port or *.domain",
			   STR_ARG(str_first(hosts->texts[i], 80)));
		ok = false;
	}
	return ok;
}

bool upstream_read_follow(struct upstream_follow *follow, const struct node *node,
			  struct arena *arena, struct diag *diag)
{
	struct follow_config config = { .max = 0 };
	const struct settings_part part = { upstream_follow_keys, &config };

	*follow = (struct upstream_follow){ .max = 0 };
	if (node->kind == NODE_MAP
		    ? settings_read(&part, 1, node, "follow", arena, diag) > 0
		    : !setting_read_value(&follow_number, node, &config, arena, diag))
		return false;
	follow->max = (uint32_t)config.max;
	follow->allow_http = config.allow_http;
	return follow_take_hosts(follow, &config.hosts, arena, diag);
}

bool upstream_follow_is_same(const struct upstream_follow *a, const struct upstream_follow *b)
{
	if (a->max != b->max || a->allow_http != b->allow_http || a->n_hosts != b->n_hosts)
		return false;
	for (size_t i = 0; i < a->n_hosts; i++)
		if (!str_eq(a->hosts[i], b->hosts[i]))
			return false;
	return true;
}
