/* server/async/record.h: a request as the bytes that are kept. Internal to async.
 *
 * A row of texts, each as "length:bytes,". What the route cannot read is left out: header fields
 * where nothing reads them, and those by which a client asks for another answer in any case. */
#pragma once
#include "core/base/buf.h"
#include "server/http/head.h"

struct request;

/* All slices are of the bytes. */
struct async_record {
	struct str method, target, path, query, host; /* query.ptr NULL: there is none */
	struct str client_addr, peer_addr, id;
	struct str auth, tls; /* JSON; empty: none */
	struct str body;
	bool minor, secure, by_proxy, is_form;
	size_t n_fields;
	struct http_field *fields; /* the reader's */
};

/* Errors of `out` are sticky. */
void record_write(struct request *request, struct buf *out);

/* `ret->fields` has room for HTTP_FIELDS_MAX. False: these are not such bytes. */
bool record_read(struct str bytes, struct async_record *ret);
