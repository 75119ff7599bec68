/* server/upstream_url.h: whom leat calls by itself, for keys of tokens or with spans: a URL that is
 * constant. */
#pragma once
#include "server/upstream_section.h"

struct upstream_url {
	struct upstream *upstream; /* a reference */
	struct str target;         /* path and query, of the URL's own bytes */
};

struct upstream_url_reader {
	const struct upstream_section *http;
	struct conf *conf;
	struct diag *diag;
	struct place place; /* of errors */
	const char *name;   /* of an upstream that is made; NULL: its scheme, host and port */
};

enum upstream_url_step {
	UPSTREAM_URL_FINE,
	UPSTREAM_URL_REFUSED, /* with an error in the diag */
	UPSTREAM_URL_NONE,    /* it is no such URL: the caller says what is */
};

/* "NAME:/path" with an upstream of `http:`, or "https://host/path", whose server is read as an entry of
 * `http:` would be. Writes *ret_url when that is fine. */
enum upstream_url_step upstream_url_read(const struct upstream_url_reader *reader, struct str url,
					 struct upstream_url *ret_url);
