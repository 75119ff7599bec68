/* server/client/http_answer.h: one HTTP/1 response, from the bytes of a connection into an
 * arena. Internal.
 *
 * No sockets. Interim responses (1xx) are skipped. A body whose length is known is allocated
 * once; nothing is kept beyond `body_max`. With `streams` nothing of the body is kept at all: it
 * is passed on in pieces. */
#pragma once
#include "server/client/http_call.h"
#include "server/http/body.h"

enum {
	HTTP_ANSWER_LINE_MAX = 8192,
	HTTP_ANSWER_HEAD_MAX = 65536,
	HTTP_ANSWER_INTERIM_MAX = 16, /* 1xx responses before the one that counts */
};

enum http_answer_state {
	ANSWER_HEAD,    /* of the response, or of an interim one */
	ANSWER_LENGTH,  /* a body of known length; body.ptr has room for it */
	ANSWER_CHUNKED, /* `chunked` reads it */
	ANSWER_CLOSE,   /* until the peer closes */
	ANSWER_WHOLE,
	ANSWER_FAILED, /* `error` and `detail` say why */
};

struct http_answer {
	struct arena *arena;
	enum http_method method; /* that is answered */
	enum http_answer_state state;
	struct http_scan scan;
	char *pieces; /* of a head that did not come at once; room for HTTP_ANSWER_HEAD_MAX at most */
	size_t pieces_len, pieces_cap;
	unsigned n_interim;
	bool began;      /* a byte has come */
	bool may_switch; /* 101 is an answer: what follows is not HTTP */
	bool switched;   /* it came; the state is ANSWER_CLOSE */
	/* Each interim head; the texts are those of the bytes. NULL: they are skipped */
	void (*on_interim)(struct http_answer *answer, const struct http_call_response *response);
	void *taker;
	bool keep_alive; /* the connection may be used again */
	bool streams; /* set after http_answer_init(): behind the head http_answer_piece() reads */
	/* As of struct http_call_request; set after http_answer_init() */
	bool (*passes_trailer)(const struct http_call_response *response, struct str name);
	struct str trailers; /* lines that may go on; in ANSWER_WHOLE */
	char *body;
	size_t body_len, body_cap, body_max;
	uint64_t length; /* in ANSWER_LENGTH */
	struct http_body *chunked;
	struct http_call_response response; /* in ANSWER_WHOLE */
	enum http_call_error error;
	const char *detail;
};

void http_answer_init(struct http_answer *answer, struct arena *arena, enum http_method method,
		      size_t body_max);
void http_answer_fini(struct http_answer *answer);

/* Uses bytes from the front, all unless the answer is whole or has failed; returns how many. When
 * it streams, none behind the head. */
size_t http_answer_read(struct http_answer *answer, struct str bytes);

/* The body of one that streams: brings what is data among the bytes to the front, in one piece,
 * which *ret_piece is; it may be empty. Uses all bytes unless the answer is whole or has failed;
 * returns how many. */
size_t http_answer_piece(struct http_answer *answer, char *bytes, size_t size,
			 struct str *ret_piece);

/* The peer has closed: the answer is now whole, or has failed. */
void http_answer_end(struct http_answer *answer);
