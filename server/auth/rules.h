/* server/auth/rules.h: `auth:` as it stands in the configuration, compiled.
 *
 * Of several kinds any one will do. Immutable, and used by all loops; what changes (fetched keys) is a
 * counted object of its own. */
#pragma once
#include "server/auth/api_keys.h"
#include "server/auth/credentials.h"
#include "server/auth/jwt.h"
#include "server/auth/key_source.h"
#include "server/auth/users.h"
#include "server/policy/policy.h"

enum { CHALLENGES_MAX = 3 };

struct auth_basic {
	struct users users;
	uint64_t remember_ms;
};

struct auth_api_key {
	struct credential_place from;
	struct api_keys keys;
};

struct auth_jwt {
	struct credential_place from;
	struct jwt_rules rules;
	bool outlived;             /* by what it has opened */
	struct jwks *jwks;         /* of a file or a secret; or NULL */
	struct key_source *source; /* of a URL; or NULL */
	struct key_times times;
};

struct auth {
	struct policy policy;
	struct auth_basic *basic; /* each NULL: not asked for */
	struct auth_api_key *api_key;
	struct auth_jwt *jwt;
	struct expr *require; /* or NULL */
	bool optional;
	/* WWW-Authenticate of a 401: when nothing was shown, and when a token was refused */
	size_t n_challenges;
	struct http_field challenges[CHALLENGES_MAX], refused_challenges[CHALLENGES_MAX];
	struct http_field forbidden; /* of a 403 to the bearer of a token */
};

struct auth *auth_compile(struct policy_compiler *compiler, const struct node *node);
void auth_fini(struct auth *auth);
extern const struct setting auth_keys[];
