/* server/verbs/stream.h: what the verbs with the key `stream` share. */
#pragma once
#include "server/flow/step.h"

/* Of a task that says `stream: true`: false, with errors told, where whoever would have to pass its
 * body on is not there, or a modifier promises what cannot be kept. */
bool stream_compile(struct verb_compiler *compiler);
