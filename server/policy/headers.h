/* server/policy/headers.h: whether `headers:` of some places can be put into a constant reply. */
#pragma once
#include "server/policy/policy.h"

bool headers_are_constant(const struct policies *const places[], unsigned n_places);

extern const struct setting headers_keys[];
