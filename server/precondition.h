/* server/precondition.h: If-None-Match and its like (RFC 9110 §13), for answers that say by ETag or
 * Last-Modified which they are. Files have their own (server/files/answer.c). */
#pragma once
#include "server/http/conditional.h"
#include "server/http/head.h"

struct reply;
struct request;

/* A GET or HEAD that names a condition. */
bool precondition_is_named(const struct http_head *head);

/* The answer has what conditions are about. */
bool precondition_concerns(const struct reply *reply);

/* The answer that the request's conditions leave of it: itself, 304 without a body, or 412; in
 * the request's arena. A source that is not sent then is closed. */
const struct reply *precondition_apply(struct request *request, const struct reply *reply);

/* Of an answer: by its fields. */
struct http_validators precondition_validators(const struct reply *reply);
