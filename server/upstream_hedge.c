/* server/upstream_hedge.c */
#include "server/upstream_hedge.h"

enum { AFTER_MAX_MS = 3600000 };

struct hedge_config {
	const struct node *after;
	int64_t max;
};

#define AT(field) offsetof(struct hedge_config, field)
const struct setting upstream_hedge_keys[] = {
	{ "after", SETTING_NODE, AT(after),
	  .help = "How long the first try may take before there is a second: a duration, or p95: "
		  "as "
		  "long as 95 of 100 answers of the upstream take (once 100 have come).",
	  .required = true },
	{ "max", SETTING_INT, AT(max), "1", "Tries beside the first, each after as long again.", 1,
	  UPSTREAM_HEDGE_MAX },
	SETTINGS_END
};
#undef AT

static bool hedge_read_after(struct upstream_hedge *hedge, const struct node *node,
			     struct diag *diag)
{
	hedge->p95 = node_is_scalar(node) && str_eq(node->text, STR("p95"));
	if (hedge->p95 ||
	    (node_is_scalar(node) && units_duration_ms(node->text, &hedge->after_ms) == 0 &&
	     hedge->after_ms >= 1 && hedge->after_ms <= AFTER_MAX_MS))
		return true;
	diag_error(diag, node->place,
		   "a call is hedged after a duration up to 1h, or after p95; write hedge: 50ms, "
		   "hedge: p95 or hedge: {after: 50ms, max: 2}");
	return false;
}

bool upstream_read_hedge(struct upstream_hedge *hedge, const struct node *node, struct arena *arena,
			 struct diag *diag)
{
	struct hedge_config config = { .after = node, .max = 1 };
	const struct settings_part part = { upstream_hedge_keys, &config };

	*hedge = (struct upstream_hedge){ .max = 0 };
	if (node_is_scalar(node) && str_eq(node->text, STR("off")))
		return true;
	if (node->kind == NODE_MAP && settings_read(&part, 1, node, "hedge", arena, diag) > 0)
		return false;
	hedge->max = (uint32_t)config.max;
	return hedge_read_after(hedge, config.after, diag);
}
