/* core/io/stream.h: a connected socket on a loop, with gather writes that wait only when they must.
 *
 * The socket is registered once, edge-triggered. Reading and writing go straight to the kernel;
 * what a write could not send stays queued as references (its owner keeps the bytes until they
 * are sent) and goes out when the socket has room again. A short read means that the socket is
 * empty: no second recv() to hear EAGAIN.
 *
 * A stream may be secured: then its owner reads and writes the plaintext of a TLS session
 * (core/io/tls.h), and nothing else is different: a stream without one pays for a look at a
 * pointer. */
#pragma once
#include "core/io/loop.h"
#include <sys/types.h>
#include <sys/uio.h>

enum { STREAM_OUT_MAX = 6, STREAM_FILE_TURN = 1 << 20 };

struct stream;
struct tls;
typedef void stream_fn(struct stream *stream);

/* Asked before each turn of a file whose bytes may have to come from a disk first: sending them
 * would wait for it. Embedded in what is sent. */
struct stream_gate {
	/* How many of the `size` bytes at `at` can be had without waiting. 0: none yet,
	 * stream_go_on() is called when there are; negative: they cannot be read. */
	int64_t (*ready)(struct stream_gate *gate, struct stream *stream, uint64_t at,
			 uint64_t size);
	void (*leave)(struct stream_gate *gate); /* the stream closes before all is sent */
};

struct stream {
	struct watch watch;
	struct loop *loop;
	stream_fn *on_readable; /* bytes, the end or an error may be read now */
	stream_fn *on_sent; /* all that was queued has been sent, or sending failed: see `error` */
	int error;          /* 0, or why the connection is dead (-ECONNRESET, …) */
	bool readable;      /* a read may give something */
	bool writable;      /* a write may take something */
	bool peer_closed; /* EPOLLRDHUP was seen, or TLS's end: the peer has at least half-closed */
	bool corked;      /* a file follows what is queued: no packet goes out between them */
	bool held;        /* some of what was queued is encrypted, and not sent yet */
	uint8_t n_out;
	struct tls *tls;                  /* or NULL: plain */
	uint64_t sent_bytes;              /* that the kernel has taken; the owner may set it to 0 */
	struct iovec out[STREAM_OUT_MAX]; /* not sent yet; each has bytes */
	int file_fd;                      /* what is sent behind `out`; its owner closes it */
	uint64_t file_at, file_left;
	struct stream_gate *gate; /* of that file; or NULL: it never has to be waited for */
	struct ready more;        /* the rest of a file, in another turn */
};

/* 0 or a negative errno; then the descriptor is still the caller's. */
int stream_open(struct stream *stream, struct loop *loop, int fd, stream_fn *on_readable,
		stream_fn *on_sent);

/* The same for a descriptor that has arrived by loop_give(), with the events that it arrived
 * with. */
void stream_adopt(struct stream *stream, struct loop *loop, int fd, uint32_t events,
		  stream_fn *on_readable, stream_fn *on_sent);

/* From now on it is `tls`'s, which is the stream's. Calls on_secure once, from the loop: the
 * handshake is done, or has failed (stream->error, tls_failure()). Until then nothing may be
 * written, and on_readable is not called. -ENOMEM: then `tls` is still the caller's. */
int stream_secure(struct stream *stream, struct tls *tls, stream_fn *on_secure);

/* After on_secure told of a failure: plain again, so that the peer can be told why. What was read
 * of it is lost. */
void stream_unsecure(struct stream *stream);

void stream_close(struct stream *stream); /* drops what is queued; harmless when closed */

static inline bool stream_is_open(const struct stream *stream)
{
	return stream->watch.fd >= 0;
}

static inline int stream_fd(const struct stream *stream)
{
	return stream->watch.fd;
}

/* Bytes read (> 0), 0 at the end, -EAGAIN, or what went wrong. -ECONNABORTED: the socket's end came
 * without TLS's: what was read may have been cut short by somebody else than the peer. */
ssize_t stream_read(struct stream *stream, char *bytes, size_t size);

/* After sending has failed: what the peer has sent before may still be read, up to its end. */
void stream_read_on(struct stream *stream);

/* Whether a read would give something, whatever events have told: 1; 0 when the peer has ended;
 * -EAGAIN; or what went wrong. */
int stream_peek(struct stream *stream);

/* Sends the parts in order, after what is queued: as much as goes at once; the rest is queued,
 * and its bytes must stay until on_sent. Returns 1 when everything is sent, 0 when some is
 * queued, or a negative errno. At most STREAM_OUT_MAX parts may be unsent. */
int stream_write(struct stream *stream, const struct iovec *parts, size_t n_parts);

/* What is written next is followed by a file: they share their packets. */
static inline void stream_cork(struct stream *stream)
{
	stream->corked = true;
}

/* The same for `size` bytes of a file, behind what is queued; one file at a time, and nothing
 * may be queued behind it before it is sent. A file that has become shorter is an error (-EIO):
 * what was promised cannot be sent. At most STREAM_FILE_TURN bytes go in one turn of the loop.
 * `gate` (or NULL) must stay until all is sent or the stream is closed. */
int stream_write_file(struct stream *stream, int fd, uint64_t at, uint64_t size,
		      struct stream_gate *gate);
void stream_go_on(struct stream *stream); /* the gate has something: not from inside ready() */

static inline bool stream_is_sending(const struct stream *stream)
{
	return stream->n_out > 0 || stream->file_left > 0 || stream->held;
}

/* Bytes that were queued and that the kernel has not taken. */
uint64_t stream_unsent(const struct stream *stream);

/* No more will be written; the peer sees the end. */
void stream_shutdown(struct stream *stream);

/* Before stream_close(): with TLS the peer can tell that the end is meant, unless something is
 * still queued. */
void stream_end(struct stream *stream);

/* For core/io/tls_write.c: forgets the first bytes of what is queued. */
void stream_consume(struct stream *stream, size_t sent);

/* For core/io/tls_write.c: how much of the file may be read now, at most `max`. 0: the gate will
 * call stream_go_on(); or a negative errno. */
int64_t stream_file_ready(struct stream *stream, size_t max);
