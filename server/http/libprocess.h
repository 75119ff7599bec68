/* server/http/libprocess.h: messages of libprocess, which are requests of HTTP/1.1:
 *
 *   POST /TO/NAME HTTP/1.1
 *   User-Agent: libprocess/ID@IP:PORT
 *   Libprocess-From: ID@IP:PORT
 *   Connection: Keep-Alive
 *   Host: IP:PORT
 *   Transfer-Encoding: chunked       with a body, which is one chunk; without one there is no framing
 *
 * Pure protocol. Who may send them is not decided here. */
#pragma once
#include "core/base/buf.h"
#include "server/http/head.h"

enum {
	LIBPROCESS_ID_MAX = 1536,  /* bytes of an id, as sent */
	LIBPROCESS_NAME_MAX = 255, /* of the name of a message */
};

/* "pong@10.0.0.9:5050", "pong@[::1]:5050", "pong@host:5050": slices of the text. */
struct libprocess_pid {
	struct str id, host; /* without brackets */
	uint16_t port;
};

/* False: it is none. */
bool libprocess_pid_read(struct str text, struct libprocess_pid *ret_pid);

/* A POST with Libprocess-From, or with a User-Agent that begins with "libprocess/". */
bool libprocess_is_message(const struct http_head *head);

/* Slices of the head. */
struct libprocess_message {
	struct str to;   /* as sent: to be decoded */
	struct str name; /* the rest of the path, which is not */
	struct str from; /* "hello@10.0.0.9:5050"; empty: whoever sent it does not say so */
};

/* False: the path is none of a message. */
bool libprocess_read(const struct http_head *head, struct libprocess_message *ret_message);

/* Whether a message can go to it (whatever a path cannot have is escaped; escapes that are there are
 * whole, and stay), and be called that (it is not escaped: receivers do not decode it). */
bool libprocess_id_is_right(struct str id);
bool libprocess_name_is_right(struct str name);

/* The id by which somebody is to be answered: what a receiver decodes is `text` again. */
void libprocess_write_id(struct str text, struct buf *out);

struct libprocess_letter {
	struct str to, name;
	struct str to_addr;   /* "10.0.0.9:5050" */
	struct str from;      /* an id, that libprocess_write_id() has written */
	struct str from_addr; /* where it can be answered */
	struct str body;
};

/* The whole message. */
void libprocess_write(const struct libprocess_letter *letter, struct buf *out);
