/* server/body/receive.h: the intake of bodies that are not simply collected. */
#pragma once
#include "server/body/body.h"
#include "server/body/inflate.h"
#include "server/body_intake.h"

struct receiver;
struct route;

struct receiver_plan {
	bool coded;
	enum inflate_coding coding;
	struct str boundary; /* of a multipart body; ptr NULL: it is none */
};

/* Sets request->intake. False without memory. */
bool receiver_begin(struct request *request, const struct receiver_plan *plan);

/* Whether anything of the route reads the body (but as `request.body`, raw). */
bool body_is_read(const struct route *route);

/* By the Content-Type of the request; BODY_ANY: none of the others. */
enum body_type body_type_of(const struct request *request);
struct str body_field(const struct request *request, struct str name); /* ptr NULL: not there */
