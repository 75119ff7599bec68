/* server/upstream_health.c */
#include "server/upstream_health.h"

struct health_config {
	struct str path;
	uint64_t interval_ms, timeout_ms;
	int64_t rise, fall;
	struct setting_texts expect;
};

#define AT(field) offsetof(struct health_config, field)
const struct setting upstream_health_keys[] = {
	{ "path", SETTING_TEXT, AT(path), "/", "What each server is asked for, by GET." },
	{ "interval", SETTING_DURATION, AT(interval_ms), "5s", "From one check to the next.", 10,
	  86400000 },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "2s", "How long one check may take.", 1,
	  3600000 },
	{ "expect", SETTING_TEXTS, AT(expect),
	  .help = "The statuses of a healthy server: 204, 2xx; 200 to 399 when not said." },
	{ "rise", SETTING_INT, AT(rise), "2",
	  "So many checks in a row must succeed before a server that was down is called.", 1, 100 },
	{ "fall", SETTING_INT, AT(fall), "3",
	  "So many checks in a row must fail before a server is down.", 1, 100 },
	SETTINGS_END
};
#undef AT

static bool health_path_is_valid(struct str path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f || path.ptr[i] == '#')
			return false;
	return path.len > 0 && path.ptr[0] == '/';
}

static bool health_read_expect(struct upstream_health *health, const struct health_config *config,
			       struct diag *diag)
{
	bool ok = true;

	if (config->expect.n_texts == 0)
		statuses_add_range(&health->expected, 200, 399);
	for (size_t i = 0; i < config->expect.n_texts; i++) {
		if (statuses_add(&health->expected, config->expect.texts[i]) == 0)
			continue;
		diag_error(diag, config->expect.nodes[i]->place,
			   "\"%.*s\" is not a status; write 204, or 2xx for a class",
			   STR_ARG(str_first(config->expect.texts[i], 80)));
		ok = false;
	}
	return ok;
}

bool upstream_read_health(struct upstream *upstream, const struct node *node, struct conf *conf,
			  struct diag *diag)
{
	struct upstream_health *health = &upstream->health;
	struct health_config config = { 0 };
	const struct settings_part part = { upstream_health_keys, &config };

	if (!node)
		return true;
	if (settings_read(&part, 1, node, "health", &conf->arena, diag) > 0)
		return false;
	if (!health_path_is_valid(config.path)) {
		const struct node *path = node_find(node, "path");

		diag_error(diag, path ? path->place : node->place,
			   "\"%.*s\" is not a path; write /health",
			   STR_ARG(str_first(config.path, 80)));
		return false;
	}
	health->path = arena_str(&upstream->arena, config.path);
	health->interval_ms = config.interval_ms;
	health->timeout_ms = config.timeout_ms;
	health->rise = (uint32_t)config.rise;
	health->fall = (uint32_t)config.fall;
	return health_read_expect(health, &config, diag);
}
