/* server/auth/api_keys.c */
#include "server/auth/api_keys.h"
#include <openssl/evp.h>

enum { API_DIGEST_SIZE = 32, API_KEY_MIN = 16 };

struct api_key {
	char digest[API_DIGEST_SIZE];
	struct str name;
};

void api_keys_init(struct api_keys *keys, struct arena *arena)
{
	*keys = (struct api_keys){ .arena = arena };
	map_init(&keys->by_digest);
}

void api_keys_fini(struct api_keys *keys)
{
	map_fini(&keys->by_digest);
}

static bool digest_of(struct str key, char out[API_DIGEST_SIZE])
{
	return EVP_Digest(key.ptr, key.len, (unsigned char *)out, NULL, EVP_sha256(), NULL) == 1;
}

static bool digest_read(struct str hex, char out[API_DIGEST_SIZE])
{
	if (hex.len != 2 * (size_t)API_DIGEST_SIZE)
		return false;
	for (size_t i = 0; i < API_DIGEST_SIZE; i++) {
		int high = char_hex(hex.ptr[2 * i]), low = char_hex(hex.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (char)(high * 16 + low);
	}
	return true;
}

/* NULL, or why it is no key. */
static const char *api_key_read(struct str text, char out[API_DIGEST_SIZE])
{
	static const struct str prefix = STR_INIT("sha256:");

	if (str_starts_with(text, prefix))
		return digest_read(str_skip(text, prefix.len), out)
			       ? NULL
			       : "behind sha256: come 64 hexadecimal digits (printf %s KEY | "
				 "sha256sum)";
	if (text.len < API_KEY_MIN)
		return "a key of less than 16 characters can be guessed; make one with openssl "
		       "rand -hex 32";
	if (text.len > API_KEY_MAX)
		return "a key of more than 4096 bytes is too long";
	return digest_of(text, out) ? NULL : "there is no SHA-256 here";
}

void api_keys_add(struct api_keys *keys, struct str name, struct str text, struct place place,
		  struct diag *diag)
{
	struct api_key *key = arena_alloc(keys->arena, sizeof(*key));
	const char *problem = api_key_read(text, key->digest);

	key->name = arena_str(keys->arena, name);
	if (!problem && map_find(&keys->by_digest, (struct str){ key->digest, API_DIGEST_SIZE }))
		problem = "it is the key of another one, too";
	if (problem)
		diag_error(diag, place, "API key \"%.*s\": %s", STR_ARG(str_first(name, 64)),
			   problem);
	else
		map_set(&keys->by_digest, (struct str){ key->digest, API_DIGEST_SIZE }, key);
}

struct str api_keys_find(const struct api_keys *keys, struct str key)
{
	char digest[API_DIGEST_SIZE];
	const struct api_key *found;

	if (key.len > API_KEY_MAX || !digest_of(key, digest))
		return STR_NONE;
	found = map_find(&keys->by_digest, (struct str){ digest, API_DIGEST_SIZE });
	return found ? found->name : STR_NONE;
}
