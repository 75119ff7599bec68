/* server/auth/identity.c */
#include "server/auth/identity.h"
#include <errno.h>

enum { N_MEMBERS = 4 };

const char *identity_kind_name(enum identity_kind kind)
{
	switch (kind) {
	case IDENTITY_BASIC:
		return "basic";
	case IDENTITY_API_KEY:
		return "api_key";
	case IDENTITY_JWT:
		return "jwt";
	}
	unreachable();
}

static struct value text_or_null(struct str text)
{
	return text.ptr ? value_text(text) : value_null();
}

/* The members of its own, and the claims of other names behind them. */
static int identity_whole(const struct member members[N_MEMBERS], struct value claims,
			  struct arena *arena, struct value *ret)
{
	struct value own = value_object(members, N_MEMBERS), taken;
	struct member *copy = arena_alloc_array(
		arena, N_MEMBERS + (claims.kind == VALUE_OBJECT ? claims.len : 0), sizeof(*copy));
	size_t n_members = N_MEMBERS;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, members, N_MEMBERS * sizeof(*members));
	for (size_t i = 0; claims.kind == VALUE_OBJECT && i < claims.len; i++)
		if (!value_member(own, value_str(claims.members[i].key), &taken))
			copy[n_members++] = claims.members[i];
	*ret = value_object(copy, n_members);
	return 0;
}

int identity_root(const struct identity *identity, struct arena *arena, struct str key,
		  struct value *ret)
{
	*ret = value_null();
	if (!identity)
		return 0;
	const struct member members[N_MEMBERS] = {
		{ value_text(STR("kind")), value_text(str_of(identity_kind_name(identity->kind))) },
		{ value_text(STR("user")), text_or_null(identity->user) },
		{ value_text(STR("key")), text_or_null(identity->key) },
		{ value_text(STR("claims")), identity->claims },
	};

	if (!key.ptr)
		return identity_whole(members, identity->claims, arena, ret);
	if (!value_member(value_object(members, N_MEMBERS), key, ret) &&
	    !value_member(identity->claims, key, ret))
		*ret = value_null();
	return 0;
}
