/* server/sections.h: what a configuration file consists of. Internal to server/generation.c. */
#pragma once
#include "conf/settings.h"

struct sections_config {
	const struct node *listen, *server, *log, *limits, *timeouts, *admin, *secrets, *include,
		*defaults, *modules, *http, *redis, *sql, *kafka, *shared, *compute, *gpu, *flows,
		*routes, *jobs, *actors, *peers, *trace, *store;
	struct str files_root;
};

struct flow_config {
	const struct node *tasks, *result;
};

extern const struct setting flow_keys[];
