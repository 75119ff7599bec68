/* server/files/files.h: the ending `files:` of a route. */
#pragma once
#include "conf/settings.h"
#include "core/base/diag.h"

struct files;
struct request;

/* Compiles the node at `files:` (a folder, or a map). `has_rest`: the pattern ends in {name...}.
 * NULL with errors. */
struct files *files_compile(struct arena *arena, struct diag *diag, const struct node *node,
			    bool has_rest);

/* Answers the request, now or later; what blocks runs on the pool. */
void files_serve(const struct files *files, struct request *request);

extern const struct setting files_keys[];
