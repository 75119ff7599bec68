/* server/auth/api_keys.h: keys that programs show, known by their SHA-256.
 *
 * A key is looked up by its digest, so that how long it takes tells nothing of how much of it is
 * right. */
#pragma once
#include "core/base/arena.h"
#include "core/base/diag.h"
#include "core/base/map.h"

enum { API_KEY_MAX = 4096 }; /* bytes; a longer one is none */

/* Immutable once filled. */
struct api_keys {
	struct arena *arena; /* required */
	struct map by_digest;
};

void api_keys_init(struct api_keys *keys, struct arena *arena);
void api_keys_fini(struct api_keys *keys);

/* Adds a key by its name. `text` is the key, or "sha256:" and the digest in hexadecimal. What is
 * wrong goes to `diag`, without the key. */
void api_keys_add(struct api_keys *keys, struct str name, struct str text, struct place place,
		  struct diag *diag);

/* The name of that key; .ptr NULL when there is none. */
struct str api_keys_find(const struct api_keys *keys, struct str key);
