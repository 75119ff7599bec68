/* server/client/location.h: where a redirect leads to: a reference, by the URL that it came from
 * (RFC 9110 §10.2.2, RFC 3986 §5). Of http and https only; no sockets; fuzzed. */
#pragma once
#include "core/base/arena.h"

struct location {
	bool secure;          /* https */
	struct str authority; /* host[:port], as it was written */
	struct str target;    /* path and query, as they are sent; without a fragment */
};

/* 0; -EINVAL: it is no reference that can be followed: another scheme, credentials in it, a control
 * character, a backslash, no host; -ENOMEM. What is not ASCII, and spaces, are percent-encoded. */
int location_resolve(struct arena *arena, const struct location *base, struct str reference,
		     struct location *ret);

/* The same scheme, host and port. */
bool location_is_same_origin(const struct location *a, const struct location *b);
bool location_is_same_host(const struct location *a, const struct location *b);

/* Its port, by its scheme when none is said; 0: the authority is none. */
uint16_t location_port(const struct location *location);

/* "example.org" (any port), "example.org:8443", "*.example.org" (what is under it), "*" (any). */
bool location_is_at(const struct location *location, struct str pattern);
bool location_pattern_is_valid(struct str pattern);
