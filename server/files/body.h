/* server/files/body.h: the bytes of a file as the body of an answer. */
#pragma once
#include "server/files/file.h"
#include "server/request.h"

/* Makes the parts (bytes, and then a piece of the file each) the body of `reply`. The file is
 * the request's, the parts are in its arena. False without memory. */
bool file_body_set(struct request *request, struct file *file, struct reply *reply,
		   const struct reply_part *parts, size_t n_parts);
