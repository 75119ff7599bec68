/* server/native/json.h: what a module writes: JSON, value by value (struct leat_json). */
#pragma once
#include "core/leat.h"
#include "server/expr/json.h"

struct leat_json {
	struct leat_call *call;
	struct buf out; /* of the call's memory */
	bool begun;     /* something was written */
	bool has_key;   /* a key, and not yet its value */
	bool is_first;  /* of the innermost list or object: it has no entry yet */
	bool too_deep;  /* somewhere in it: the call fails */
	bool done;      /* json_done() was called */
	unsigned depth;
	bool is_object[JSON_DEPTH_MAX]; /* by depth */
};

void native_json_init(struct leat_json *json, struct leat_call *call);

/* It was begun, and its value is whole. */
bool native_json_is_whole(const struct leat_json *json);
