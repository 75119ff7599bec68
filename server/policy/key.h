/* server/policy/key.h: whom a policy counts by: `key: ip`, `header:NAME`, or a text with ${…}.
 *
 * An IPv6 client is its network of 64 bits: one host has all of it. Who lacks the header, or gives
 * the expression nothing, is counted by its address: leaving something out must not help. */
#pragma once
#include "server/policy/policy.h"

struct policy_key {
	struct str header;
	struct template *text;
	bool reads_auth; /* so it can only be asked behind auth */
};

/* `node` NULL: by the address. */
bool policy_key_compile(struct policy_compiler *compiler, const struct node *node,
			struct policy_key *key);

/* The key of a request as bytes that no other kind of key has, in its arena. 0, or as
 * template_eval(). */
int policy_key_read(const struct policy_key *key, struct policy_run *run, struct str *ret_key);
