/* server/body/upload.h: the files of one form, on the disk.
 *
 * Bytes are gathered in a buffer, and written by a thread of the pool while the client is held
 * back. A file has a name of leat's own, and is deleted when the upload is closed. What runs on the
 * pool is a block of its own, which outlives the request when it must (DECISIONS 4). */
#pragma once
#include "core/base/str.h"

struct arena_budget;
struct detacher;
struct loop;
struct pool;
struct upload;
struct uploads;

/* The write that upload_flush() began is over; 0 or a negative errno. On the loop, never inside of
 * another call of this header. Not after upload_close(). */
typedef void upload_fn(struct upload *upload, int error);

struct upload_place {
	struct uploads *uploads;
	struct pool *pool;
	struct loop *loop;
	struct arena_budget *budget; /* may be NULL */
	struct detacher
		*detacher; /* told of each write, so that the loop lives as long; may be NULL */
	void *generation;  /* for it */
};

/* NULL without memory. */
struct upload *upload_create(const struct upload_place *place, uint32_t files_max,
			     upload_fn *on_written, void *owner);
void *upload_owner(const struct upload *upload);

void upload_begin_file(struct upload *upload); /* at most files_max times; ends the one before */

/* Bytes of the file at hand: at most UPLOAD_PIECE_MAX since it was not full. */
void upload_add(struct upload *upload, struct str bytes);
bool upload_is_full(const struct upload *upload);  /* time to flush */
bool upload_is_empty(const struct upload *upload); /* nothing waits to be written */
void upload_flush(struct upload *upload);          /* nothing may be added until it is over */

/* Its name in the folder of the uploads, by the number of its beginning, from 0. In the upload. */
struct str upload_name(const struct upload *upload, uint32_t file);
uint64_t upload_size(const struct upload *upload, uint32_t file); /* bytes added so far */

void upload_close(struct upload *upload); /* NULL is accepted */

enum {
	UPLOAD_BUFFER_SIZE = 128 << 10, /* then it is full */
	UPLOAD_PIECE_MAX = 128 << 10,
};
