/* server/expr/template_escape.h: values made harmless for the place they stand in. */
#pragma once
#include "server/expr/expr_node.h"
#include "server/expr/template.h"

/* A text that is being put together. */
struct escape {
	enum template_context context;
	struct buf out;
	bool in_query;        /* of a URL */
	bool segment_made;    /* a value is part of the path segment that is being written */
	size_t segment_start; /* in `out` */
	bool bad_segment;
	bool is_rest; /* of a file's path: a value with a '/' has ended it */
};

void escape_init(struct escape *escape, enum template_context context, struct arena *arena);
void escape_literal(struct escape *escape, struct str literal);

/* 0; -EBADMSG when the value cannot stand there (env->message tells); -ENOMEM. */
int escape_value(struct escape *escape, struct expr_env *env, struct value value);
int escape_end(struct escape *escape, struct expr_env *env);

bool escape_has_controls(struct str text); /* but for HTAB */
