/* server/auth/jwk.h: one JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037 §2). */
#pragma once
#include "server/auth/key.h"
#include "server/expr/value.h"

enum { JWK_MEMBERS_MAX = 64, JWK_NUMBER_MAX = 8192 };

/* Reads a key that verifies signatures. Its texts are copied into `arena` (required). NULL, or why it
 * is of no use here (static): then there is nothing to free. Private parts are not looked at. */
const char *jwk_read(struct value object, struct arena *arena, struct key *ret_key);
