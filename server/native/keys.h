/* server/native/keys.h: the keys of a module's verb: their rows as settings, and what one task has
 * for them. */
#pragma once
#include "core/leat.h"
#include "server/flow/step.h"

/* Where settings_read() puts what stands at a key. */
union native_slot {
	bool boolean;
	int choice;
	int64_t integer;
	uint64_t number;
	struct str text;
	const struct node *node;
};

/* A key in one task, compiled. */
struct native_key {
	const struct leat_key *row;
	const char *name;
	struct template_tree *tree; /* NULL: `constant` */
	struct value constant;
};

/* The row as a setting that is read into the slot at `offset`. */
struct setting native_setting(const struct leat_key *key, const char *name, size_t offset);

/* Whether the key takes its own default. */
bool native_default_is_valid(const struct leat_key *key);

/* `slot` was read by native_setting()'s row; `node` is what stands at the key, NULL: nothing does.
 * False with an error. */
bool native_key_compile(struct verb_compiler *compiler, struct native_key *key,
			const union native_slot *slot, const struct node *node);

/* 0, or as evaluations give it; -EBADMSG for what the type does not take. */
int native_key_eval(const struct native_key *key, struct step_run *run, struct value *ret);
