/* server/files/files.h: the ending `files:` of a route. */
#pragma once
#include "server/files/config.h"
#include "server/router.h"

struct reply;
struct request;
struct worker;

/* Answers the request, now or later; what blocks runs on the pool. */
void files_serve(const struct files *files, struct request *request);

/* The hot path: a rendered answer to a GET or HEAD of a small file that is in memory and fresh
 * enough; NULL: files_serve() is needed. It stays until the loop's next callback. The same head
 * leads to the same answer until *ret_until_ns, while `worker->files.cache` has the same
 * epoch. */
const struct reply *files_hot(const struct files *files, struct worker *worker,
			      const struct http_head *head, const struct http_path *path,
			      size_t rest_from, uint64_t *ret_until_ns);
