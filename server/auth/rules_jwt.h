/* server/auth/rules_jwt.h: `auth: {jwt: …}`, and what its reading shares with rules.c. */
#pragma once
#include "server/auth/rules.h"

void auth_jwt_compile(struct policy_compiler *compiler, const struct node *node, struct auth *auth);
extern const struct setting auth_jwt_keys[];

/* The text of a scalar of which ${secret.…} and ${env.…} may be parts, functions too. False with an
 * error. */
bool auth_constant(struct policy_compiler *compiler, const struct node *node, struct str *ret_text);
bool auth_is_unknown(const struct policy_compiler *compiler, struct str text);
bool auth_place(struct policy_compiler *compiler, const struct node *node, struct str text,
		struct credential_place *ret);
bool auth_read_file(struct policy_compiler *compiler, const struct node *node, size_t max,
		    struct str *ret_path, struct str *ret_text);
