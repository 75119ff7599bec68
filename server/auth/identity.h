/* server/auth/identity.h: who sent a request, as ${auth.…} tells it. */
#pragma once
#include "server/expr/value.h"

enum identity_kind { IDENTITY_BASIC, IDENTITY_API_KEY, IDENTITY_JWT };

/* In the request's arena. */
struct identity {
	enum identity_kind kind;
	struct str user;       /* of basic; `sub` of a token; .ptr NULL: none */
	struct str key;        /* the name of the API key; .ptr NULL: none */
	struct value claims;   /* of a token: an object; or null */
	int64_t until_wall_ns; /* when what goes on behind an answer has to end; 0: never */
};

const char *identity_kind_name(enum identity_kind kind);

/* kind, user, key, claims, and else the claim of that name; all of it as an object when key.ptr is
 * NULL. Of nobody (NULL) everything is null. 0 or -ENOMEM. */
int identity_root(const struct identity *identity, struct arena *arena, struct str key,
		  struct value *ret);
