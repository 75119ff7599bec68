/* server/http/fields.h: the field lines of a head, and what those that frame a message say. */
#pragma once
#include "core/base/buf.h"
#include "server/http/head.h"

/* What the fields that decide about a message say; texts without the white space around them. */
struct http_facts {
	unsigned n_hosts, n_lengths, n_codings, n_expects;
	struct str host, length, coding, expect; /* the last of each name */
	struct str upgrade;                      /* the first one; .ptr NULL: none */
	bool says_close, says_keep_alive, says_upgrade;
	bool says_trailers; /* TE: trailers */
};

/* Reads field lines up to and with the empty line, which has to end at `end`. 0, 400 or 431. */
int http_fields_read(const char *at, const char *end, size_t max, struct http_field *fields,
		     size_t *ret_n_fields);
void http_fields_note(const struct http_field *fields, size_t n_fields, struct http_facts *facts);

/* One to nineteen digits, which always fit. */
bool http_length_read(struct str text, uint64_t *ret_length);

/* Whether the connection outlives the message (RFC 9112 §9.3). */
bool http_facts_keep_alive(const struct http_facts *facts, uint8_t minor);

/* The next element of a comma-separated list, trimmed; empty ones are passed over. */
bool http_list_next(struct str *rest, struct str *ret_element);

/* "Name: value" and the line's end. */
void http_field_write(struct buf *out, const struct http_field *field);

/* Whether a server may take both for one name: many of them (CGI, RFC 3875 §4.1.18, and what comes of
 * it) make one character of - and _, and one case. */
bool http_names_alike(struct str a, struct str b);

const struct http_field *http_fields_find(const struct http_field *fields, size_t n_fields,
					  struct str name);

struct str http_host_without_port(struct str s);
