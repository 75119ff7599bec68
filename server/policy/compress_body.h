/* server/policy/compress_body.h: the body of an answer, compressed. Internal to `compress:`. */
#pragma once
#include "server/compress/coder.h"

struct arena;
struct coded_cache;
struct reply;
struct request;

struct compress_how {
	struct request *request;
	struct arena *arena;
	struct coded_cache *cache; /* of constant bodies */
	enum coding coding;
	int level;
};

/* Puts the compressed body in place of the reply's. False: there is no memory, or it would not be
 * smaller; then the reply is as it was. */
bool compress_body(const struct compress_how *how, struct reply *reply);
