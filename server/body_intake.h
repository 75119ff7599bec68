/* server/body_intake.h: where the body of a request goes while it comes.
 *
 * Without one it is collected in the request's arena. An intake is set before the body begins
 * (by request_admitted(), from the route) and lives as long as the request. All of it runs on the
 * request's loop; what writes to a disk does that elsewhere, and holds the connection back
 * meanwhile: INTAKE_PAUSED, then request_resume_body(). */
#pragma once
#include "server/http/head.h"

struct body_intake;
struct reply;

enum intake {
	INTAKE_TAKEN,   /* go on */
	INTAKE_PAUSED,  /* taken, but nothing more before request_resume_body() */
	INTAKE_REFUSED, /* `refusal` answers, and the connection closes */
};

struct body_intake_ops {
	/* Bytes in their order, decoded of chunks; they do not stay. Who pauses resumes later, never
	 * inside of this call; with `refusal` set by then, that answers. */
	enum intake (*data)(struct body_intake *intake, struct str bytes);

	/* The body is whole. INTAKE_PAUSED: it is only when request_resume_body() is called. */
	enum intake (*end)(struct body_intake *intake);

	/* The request ends, perhaps before its body did. Once. What still runs elsewhere has to
	 * be a block of its own (DECISIONS 4): request_resume_body() may not be called after. */
	void (*close)(struct body_intake *intake);

	/* The fields that stand behind a chunked body, before its end; their texts do not stay. May be
	 * NULL: they are dropped. False without memory. */
	bool (*trailers)(struct body_intake *intake, const struct http_field *fields, size_t n);
};

struct body_intake {
	const struct body_intake_ops *ops;
	const struct reply *refusal; /* in the request's arena, or constant */
};
