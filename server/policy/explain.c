/* server/policy/explain.c: which policies hold, and where each stands; for people. */
#include "server/generation.h"
#include "server/policy/policies.h"
#include "server/route.h"

static void explain_place(const struct policies *place, unsigned id, struct buf *out)
{
	static const char *const levels[] = { [POLICIES_ROUTE] = "the route",
					      [POLICIES_PREFIX] = "defaults of",
					      [POLICIES_LISTENER] = "listener" };
	const struct policy *policy = place->of[id];

	buf_printf(out, "%s", levels[place->level]);
	if (place->level != POLICIES_ROUTE)
		buf_printf(out, " %.*s", STR_ARG(place->name));
	if (policy == &policy_off)
		buf_add(out, STR(": off"));
	else
		buf_printf(out, " (%s:%u)", policy->key_place.source->name, policy->key_place.line);
}

/* The innermost place that says something; of headers all, up to one that says off. False: none
 * does. */
static bool explain_places(const struct policies *const places[], unsigned n_places, unsigned id,
			   struct buf *out)
{
	unsigned n_said = 0;

	for (unsigned i = 0; i < n_places; i++) {
		if (!places[i]->of[id])
			continue;
		if (n_said++)
			buf_add(out, STR(", then "));
		else
			buf_printf(out, "policy   %s: ", policy_kinds[id]->name);
		explain_place(places[i], id, out);
		if (id != POLICY_HEADERS || places[i]->of[id] == &policy_off)
			break;
	}
	if (n_said)
		buf_add_char(out, '\n');
	return n_said > 0;
}

static void explain_policy(const struct generation *generation, const struct policy_way *way,
			   unsigned id, struct buf *out)
{
	const struct policies *places[3] = { NULL };
	unsigned n_places = policies_places(way, places);

	if (explain_places(places, n_places, id, out) && id != POLICY_HEADERS)
		return; /* whatever the listener says */
	for (size_t i = 0; i < generation->n_listens; i++)
		if (generation->listens[i].policies)
			explain_places(&generation->listens[i].policies, 1, id, out);
}

void policies_explain(const struct generation *generation, const struct route *route,
		      const struct http_path *path, struct buf *out)
{
	const struct policy_way way = { &generation->policies, NULL, route, path };

	for (unsigned id = 0; id < N_POLICIES; id++)
		if (policy_kinds[id])
			explain_policy(generation, &way, id, out);
}
