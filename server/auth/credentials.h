/* server/auth/credentials.h: where a request shows who sent it. */
#pragma once
#include "core/base/str.h"

struct http_head;
struct request;

enum credential_from {
	CREDENTIAL_BEARER, /* Authorization: Bearer … (RFC 6750 §2.1) */
	CREDENTIAL_HEADER,
	CREDENTIAL_COOKIE,
	CREDENTIAL_QUERY,
};

struct credential_place {
	enum credential_from from;
	struct str name; /* of the header, cookie or parameter */
};

/* Reads "header", "header:NAME", "cookie:NAME" or "query:NAME". False when it is none of them. */
bool credential_place_read(struct str text, struct credential_place *ret);

enum credential {
	CREDENTIAL_NONE,
	CREDENTIAL_FOUND,
	CREDENTIAL_SEVERAL, /* the field stands there twice: nobody can say which one counts */
};

enum credential credential_find(struct request *request, const struct credential_place *place,
				struct str *ret_text);

/* What stands behind the scheme in Authorization (RFC 9110 §11.4); schemes differ not by case. */
enum credential credential_authorization(const struct http_head *head, struct str scheme,
					 struct str *ret_text);

/* What the access log shows of the request from now on has no value for that parameter. */
void credential_hide(struct request *request, struct str parameter);
