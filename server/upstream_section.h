/* server/upstream_section.h: the section `http:`: all named upstreams. */
#pragma once
#include "conf/load.h"
#include "server/client/upstream.h"

struct upstream_section {
	const struct node *node; /* NULL: there is none */
	size_t n_upstreams;
	struct upstream **upstreams; /* each a reference */
	const char **names;          /* for suggestions, NULL at the end */
};

/* `before` (or NULL) is the section at work: its upstreams are carried over. An upstream that is wrong
 * is known all the same: what calls it needs no error of its own. */
void upstream_section_compile(struct upstream_section *section, const struct node *node,
			      const struct upstream_section *before, struct conf *conf,
			      struct diag *diag);
void upstream_section_fini(struct upstream_section *section);

/* The generation is at work: what its upstreams say holds. Main thread. */
void upstream_section_apply(struct upstream_section *section);

struct upstream *upstream_section_find(const struct upstream_section *section, struct str name);

/* The text with ${…} that the upstream's calls are balanced by, or NULL. */
const struct node *upstream_section_key(const struct upstream_section *section, struct str name);
