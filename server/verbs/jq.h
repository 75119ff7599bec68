/* server/verbs/jq.h: what `jq:` is compiled to. Internal to it. */
#pragma once
#include "server/flow/step.h"
#include "server/verbs/all.h"

struct jq_config {
	/* as the keys say */
	const struct node *from_node, *with_node;
	uint64_t max_output;
	/* compiled */
	struct str program;         /* as the workers run it: with `with`, wrapped */
	struct template_tree *from; /* NULL: null */
	struct template_tree *with; /* NULL: none; then the input is [from, with] */
};

extern const struct setting jq_keys[];
bool jq_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config);
