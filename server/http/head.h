/* server/http/head.h: the head of an HTTP/1 request, read once, in one way.
 *
 * No sockets, no threads, no allocation. The check is our own (RFC 9112 with every leniency off,
 * see §2 and §3 of the corpus' recipe); llhttp then reads exactly the same bytes and has to
 * agree, or the request is refused. There is one reading of where a message ends, and any doubt
 * is a 400. */
#pragma once
#include "core/base/str.h"

enum {
	HTTP_FIELDS_MAX = 256, /* the most that limits.fields may say */
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_CONNECT,
	HTTP_OTHER, /* a token that is none of these; .method has it */
};

struct http_field {
	struct str name;  /* as sent; compare with str_eq_nocase() */
	struct str value; /* without the white space around it */
};

struct http_limits {
	size_t line_max;   /* of the request line, without CRLF: past it 414 */
	size_t head_max;   /* of line and fields, with the empty line: past it 431 */
	size_t fields_max; /* at most HTTP_FIELDS_MAX: past it 431 */
	uint64_t body_max; /* past it 413 */
};

/* All slices point into the bytes that were read. */
struct http_head {
	enum http_method method_id;
	struct str method;
	struct str target; /* as sent */
	struct str path;   /* the path as sent, without the query; "*" for OPTIONS * */
	struct str query;  /* behind the '?'; .ptr NULL when there is none */
	struct str
		host; /* of an absolute target, else of Host: without the port, lower case not applied */
	struct str authority; /* the same with its port; .ptr NULL: neither is there (HTTP/1.0) */
	uint8_t minor;        /* HTTP/1.minor, 0 or 1: higher ones count as 1 */
	bool keep_alive;      /* by version and Connection, RFC 9112 §9.3 */
	bool expects_continue;
	bool chunked;
	bool has_length;
	uint64_t length;     /* of the body, when has_length */
	bool wants_trailers; /* TE: trailers */
	struct str upgrade;  /* Upgrade, when Connection names it too; else .ptr NULL */
	size_t n_fields;
	struct http_field *fields; /* the caller's array of HTTP_FIELDS_MAX */
};

/* How far the bytes of one head have been looked at, so that a byte is looked at once however the
 * head is cut into pieces. All zero at the start of a message. */
struct http_scan {
	size_t at;         /* bytes before this are checked */
	size_t start;      /* where the request line begins: 0, or 2 behind one CRLF */
	size_t line_start; /* of the current line */
	size_t n_lines;    /* complete ones, the request line included */
};

enum http_step {
	HTTP_MORE, /* not whole yet; nothing wrong so far */
	HTTP_WHOLE,
	HTTP_BAD, /* answer with the status, then close */
};

/* Looks for the end of a head at the start of `bytes`, refusing as early as the bytes allow:
 * bare CR or LF, an overlong line, too many bytes or fields. HTTP_WHOLE: *ret_size is the size
 * of the head with its empty line (and a leading CRLF). HTTP_BAD: *ret_status is 400, 414 or
 * 431. */
enum http_step http_head_scan(struct http_scan *scan, struct str bytes,
			      const struct http_limits *limits, size_t *ret_size, int *ret_status);

/* Reads a whole head, which http_head_scan() has found. 0, or the status to refuse it with (400,
 * 405 for CONNECT, 413, 417, 431, 501, 505). */
int http_head_parse(struct str bytes, const struct http_limits *limits, struct http_head *head);

/* The first field of that name, or NULL. */
const struct http_field *http_head_find(const struct http_head *head, struct str name);

/* True when one of the comma-separated elements of the field(s) `name` is `token` (no case). */
bool http_head_has_token(const struct http_head *head, struct str name, struct str token);

/* "GET" …; for HTTP_OTHER "". */
struct str http_method_name(enum http_method method);
enum http_method http_method_find(struct str name); /* HTTP_OTHER when it is none; case matters */

bool http_is_token(struct str s);       /* RFC 9110 §5.6.2 */
bool http_is_field_value(struct str s); /* no control but HTAB, RFC 9110 §5.5 */
bool http_is_host(struct str s);        /* uri-host [":" port], RFC 9112 §3.2 */
