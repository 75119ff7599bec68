/* server/schema/ask.h: one value being compared with one schema, as the files ask*.c see it. */
#pragma once
#include "server/schema/bits.h"
#include "server/schema/node.h"

enum { ASK_DEPTH_MAX = 1024 }; /* schemas within schemas, at one value and below it */

/* Where in the value we are. */
struct spot {
	const struct spot *up; /* NULL: the root */
	const struct value *value;
	struct str key; /* ptr NULL: `index` of a list */
	size_t index;
};

struct ask {
	uint64_t steps; /* that are left */
	unsigned depth;
	unsigned silent; /* above 0: only the answer counts, and faults are not listed */
	enum schema_verdict stopped; /* SCHEMA_VALID: not; else nothing that is answered counts */
	struct arena *arena;         /* of the faults */
	struct arena scratch;        /* of comparisons; empty between them */
	struct pattern_memory patterns;
	struct schema_report *report;
	size_t report_size;
};

/* Whether the value at `spot` is what `schema` describes. `keyword` is what applies the schema.
 * What of the value's children was looked at is added to `seen` (NULL: nobody asks), which is empty
 * before. When ask->stopped is set the answer is false and means nothing. */
bool ask_schema(struct ask *ask, const struct schema *schema, const struct spot *spot,
		const char *keyword, struct bits *seen);

/* The same with no faults told. */
bool ask_silently(struct ask *ask, const struct schema *schema, const struct spot *spot,
		  const char *keyword, struct bits *seen);

bool ask_numbers(struct ask *ask, const struct schema_numbers *numbers, const struct spot *spot);
bool ask_strings(struct ask *ask, const struct schema_strings *strings, const struct spot *spot);
bool ask_arrays(struct ask *ask, const struct schema_arrays *arrays, const struct spot *spot,
		struct bits *seen);
bool ask_objects(struct ask *ask, const struct schema_objects *objects, const struct spot *spot,
		 struct bits *seen);
bool ask_logic(struct ask *ask, const struct schema *schema, const struct spot *spot,
	       struct bits *seen);
bool ask_dependents(struct ask *ask, const struct schema_objects *objects, const struct spot *spot,
		    struct bits *seen);
bool ask_unevaluated(struct ask *ask, const struct schema *schema, const struct spot *spot,
		     struct bits *seen);

/* Whether a schema that applies to the value itself fits; what it has looked at joins `seen`. */
bool ask_here(struct ask *ask, const struct schema *schema, const struct spot *spot,
	      const char *keyword, struct bits *seen);

/* Whether no two items are equal; the two that are in ret_pair. */
bool ask_unique(struct ask *ask, const struct value *list, size_t ret_pair[2]);

/* The bits that the value has, of TYPE_*. */
unsigned ask_types_of(const struct value *value);

/* Deep equality. False: stopped. What it costs is the caller's to pay. */
bool ask_equal(struct ask *ask, const struct value *a, const struct value *b, bool *ret_equal);

/* False (and ask->stopped) when the steps are used up. */
bool ask_spend(struct ask *ask, uint64_t steps);
bool ask_spend_bytes(struct ask *ask, size_t size);          /* for looking at that many */
bool ask_stop(struct ask *ask, enum schema_verdict verdict); /* always false */

/* Whether going on makes sense after `ok`: to find more faults, or as nothing was found yet. */
static inline bool ask_goes_on(const struct ask *ask, bool ok)
{
	return ask->stopped == SCHEMA_VALID && (ok || ask->silent == 0);
}

/* Lists a fault, unless silent; always false. */
bool ask_fault(struct ask *ask, const struct spot *spot, const char *keyword, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));

/* No number of steps would do: the fault that says so is the only one. Always false. */
bool ask_impossible(struct ask *ask, const struct spot *spot, const char *keyword,
		    const char *sentence);
