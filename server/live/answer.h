/* server/live/answer.h: what the `reply:` of a handler says to the client, compiled, and evaluated. */
#pragma once
#include "conf/settings.h"
#include "server/expr/template.h"
#include "server/live/frame.h"

struct answer_spec; /* compiled, immutable */

extern const struct setting answer_keys[];

/* Compiles the node at `reply:`: a text, or a map of text, json, binary, close and reason. NULL with
 * errors in the compiler's diag. */
struct answer_spec *answer_compile(struct expr_compiler *compiler, const struct node *node);

/* What is sent: a message, the end, both, or nothing. */
struct answer {
	bool has_message;
	enum frame_opcode opcode; /* FRAME_TEXT or FRAME_BINARY */
	struct str message;
	uint16_t close; /* 0: it stays open */
	struct str reason;
};

/* In env->arena. 0, -EINVAL (expr_error; env->message tells), -EBADMSG (invalid_input), -ENOMEM. */
int answer_eval(const struct answer_spec *spec, struct expr_env *env, struct answer *ret_answer);
