/* server/proxy/pipe.h: the body of a request on its way from the client to an upstream.
 *
 * The connection puts in what comes (struct body_intake), the call takes it out (struct
 * body_source). While a piece waits to be taken nothing is read from the client. As long as it is
 * small, what was taken is kept, so that a request can be sent once more to another connection. */
#pragma once
#include "core/base/list.h"
#include "core/io/loop.h"
#include "server/body_intake.h"
#include "server/body_source.h"

struct request;

enum {
	PIPE_KEEP = 64 << 10,  /* bytes that are kept for a second try */
	PIPE_TURN = 256 << 10, /* after so many bytes of a client others have their turn */
};

struct pipe {
	struct body_intake intake;
	struct body_source source;
	struct request *request;
	void (*on_close)(void *owner); /* the request ends; or NULL */
	bool (*passes_trailer)(void *owner, struct str name);
	void *owner;
	struct list
		pieces; /* of struct pipe_piece, in their order: those taken and kept, then others */
	struct pipe_piece *next; /* to be taken; NULL: none is there */
	struct ready turn;       /* reads on from the client */
	uint64_t size;           /* that has come */
	size_t kept, turn_size;
	int error;      /* why it cannot go on; or 0 */
	bool ended;     /* the last piece is in */
	bool waiting;   /* for on_more() */
	bool paused;    /* the client is held back */
	bool forgotten; /* pieces that were taken are gone */
	bool stopped;
};

/* In the request's arena; its intake from then on, and closed with it. `size` as that of a
 * struct body_source. NULL without memory. */
struct pipe *pipe_create(struct request *request, uint64_t size);

/* Nobody takes any more: what comes is held back for good, or not looked at. */
void pipe_stop(struct pipe *pipe); /* NULL is accepted */
