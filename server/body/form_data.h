/* server/body/form_data.h: a multipart form, read as it comes: fields into the arena, files to the
 * disk. */
#pragma once
#include "server/body_intake.h"
#include "server/expr/value.h"

struct form_reader;
struct reply;
struct request;

/* The fields and files of a form, in their order; a name may be there several times. A field is a text,
 * a file {filename, type, size, path}. */
struct form_data {
	size_t n_members, n_room;
	struct member *members;
};

/* After INTAKE_PAUSED: more may come, or form_reader_refusal() says why not. From the loop. */
typedef void form_reader_fn(struct form_reader *reader, void *owner);

/* NULL without memory. Lives in the request's arena, until form_reader_close(). */
struct form_reader *form_reader_create(struct request *request, struct str boundary,
				       form_reader_fn *on_room, void *owner);

/* As the operations of an intake. */
enum intake form_reader_data(struct form_reader *reader, struct str bytes);
enum intake form_reader_end(struct form_reader *reader);

/* After form_reader_end() that was paused: makes the request's form. The answer that refuses it, or
 * NULL. (When it was not paused, that is done.) */
const struct reply *form_reader_finish(struct form_reader *reader);
const struct reply *form_reader_refusal(const struct form_reader *reader); /* or NULL */

/* The files are deleted, now or when the disk is done with them. NULL is accepted. */
void form_reader_close(struct form_reader *reader);
