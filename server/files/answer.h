/* server/files/answer.h: from a file that was found to an answer. */
#pragma once
#include "server/files/config.h"
#include "server/request.h"

/* Renders the answers that a small file gives again and again: whole, and "not changed". 0 or
 * -ENOMEM. Any thread, before the file is served. */
int files_render(const struct files *files, struct file *file);

/* The rendered answer to a request that has no Range and nothing to fail; NULL: it needs more
 * than that. */
const struct reply *files_rendered(const struct files *files, const struct http_head *head,
				   const struct file *file);

/* 200, 206, 304, 412 or 416. The file is the request's. */
void files_answer(const struct files *files, struct request *request, struct file *file);
void files_redirect(struct request *request); /* 308 to the same path with a '/' at its end */
