/* server/files/body.h: the bytes of a file as the body of an answer. */
#pragma once
#include "server/files/file.h"
#include "server/request.h"

/* Makes the parts (bytes, and then a piece of the file each) the body of `reply`. The file is
 * the request's, the parts are in its arena. False without memory. */
bool file_body_set(struct request *request, struct file *file, struct reply *reply,
		   const struct reply_part *parts, size_t n_parts);

/* The same body as a source, for who wants to change it on its way: `body` is that of an answer
 * that was made by file_body_set() with one part and no bytes before it. NULL without memory. */
struct body_source *file_body_source(struct arena *arena, const struct reply_file *body);
