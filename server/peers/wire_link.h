/* server/peers/wire_link.h: the one connection that messages to a libprocess program go out by.
 *
 * Any thread puts letters in; they are written in that order, once, on the link's loop. A letter's
 * promise is kept when the other side has answered it (answers come in the order of the letters), or,
 * when it does not answer, when the kernel has it. What was written before the connection broke, and
 * not answered, is lost for all that is known: its promise fails. What was not written waits for the
 * next connection.
 *
 *   IDLE --(a letter, or it is kept)--> DIALS [--> SECURES] --> OPEN --(it breaks)--> PAUSES --> IDLE
 *                                          \--------(nobody answers)-------------------^
 *
 * Promises fail with
 *   -ECONNRESET    written, and never answered
 *   -EACCES        answered with 401 or 403
 *   -ESRCH         404
 *   -EMSGSIZE      413
 *   -ENOBUFS       429 or 503
 *   -EBADMSG       any other status
 *   -EHOSTUNREACH  its name has no address        (never written, as are those below)
 *   -ECONNREFUSED  no connection came about
 *   -ESHUTDOWN     the link was closed */
#pragma once
#include "core/io/stream.h"
#include "core/io/tls.h"
#include "core/task/future.h"
#include "core/thread/lock.h"
#include "server/client/dial.h"
#include "server/client/http_answer.h"

enum { WIRE_READ_SIZE = 4096 };

struct wire_link;

struct wire_link_conf {
	struct upstream_server server;
	struct tls_client *tls; /* NULL: plain */
	struct str server_name; /* that its certificate has */
	uint64_t connect_ms;
	uint64_t heartbeat_ms; /* a connection with nothing to say is asked by TCP so often */
	size_t queue_max, bytes_max;
	bool answers; /* each letter is answered */
};

struct letter {
	struct list link;
	struct promise done;
	uint64_t end;     /* of its bytes, in all that the connection has sent */
	struct str bytes; /* behind it */
};

/* What happens on its loop; before whoever sent is told. */
struct wire_link_ops {
	void (*on_open)(struct wire_link *link);
	void (*on_break)(struct wire_link *link); /* it was open; or it could not be opened */
	void (*on_answer)(struct wire_link *link, int error); /* of whichever letter */
	void (*on_lost)(struct wire_link *link, int error);   /* a letter has failed otherwise */
	void (*on_closed)(
		struct wire_link *link); /* after wire_link_close(), last: it may be freed */
};

enum wire_state { WIRE_IDLE, WIRE_DIALS, WIRE_SECURES, WIRE_OPEN, WIRE_PAUSES, WIRE_CLOSED };

struct wire_link {
	struct wire_link_conf conf;
	const struct wire_link_ops *ops;
	struct loop *loop; /* NULL: it has not started; guarded by lock until then */
	struct names *names;
	struct lock lock;
	struct list queue;                 /* of struct letter; guarded by lock */
	size_t n_letters;                  /* all that have not ended; guarded by lock */
	size_t n_bytes;                    /* of them; guarded by lock */
	bool closing, keep_wanted, posted; /* guarded by lock */
	struct post post;
	/* the rest is the loop's */
	enum wire_state state;
	bool keep;    /* it is open also while there are no letters */
	bool reading; /* an answer has begun */
	struct list waiting, written;
	size_t n_written;
	uint64_t end; /* of what the stream was given since it is open */
	unsigned n_failures;
	struct dial dial;
	struct stream stream;
	struct tls_memory memory;
	struct timer timer; /* of a pause; while letters are not answered: until one must be */
	struct ready more;  /* to be read, in another turn */
	struct arena arena; /* of the answer that is coming */
	struct http_answer answer;
	char in[WIRE_READ_SIZE];
};

void wire_link_init(struct wire_link *link, const struct wire_link_conf *conf,
		    const struct wire_link_ops *ops);
void wire_link_fini(struct wire_link *link); /* it has not started, or is closed */

/* Once: it is at home on that loop. What was put in before is sent now. Any thread. */
void wire_link_start(struct wire_link *link, struct loop *loop, struct names *names);

/* A block for a letter of that size, of which the caller writes `bytes`. */
struct letter *letter_create(size_t size, char **ret_bytes);

/* Any thread. Takes the letter; the future is of `loop`. NULL: there is no room. */
struct future *wire_link_put(struct wire_link *link, struct loop *loop, struct letter *letter);

/* Any thread: whether it is open also while nothing is sent. */
void wire_link_keep(struct wire_link *link, bool keep);

/* Any thread, once, after it has started: what has not ended fails. */
void wire_link_close(struct wire_link *link);

size_t wire_link_n_letters(struct wire_link *link); /* any thread */

/* ------------------------------------------------------------ between the files of a link, on its loop */

void wire_link_read(struct wire_link *link); /* while it is open; it may break */
void wire_link_on_readable(struct stream *stream);
void wire_link_on_more(struct ready *ready);

void wire_link_write(struct wire_link *link); /* what waits; it may break */
void wire_link_break(struct wire_link *link);
void wire_link_await_answer(struct wire_link *link); /* from now on: the next one */
void wire_link_end_letter(struct wire_link *link, struct letter *letter,
			  int error); /* 0: it has arrived */
