/* server/peers/trunk_dial.c: a trunk that this host makes: a socket of its own.
 *
 *   looked up, connected --> (TLS) --> asked to switch --> 101 --> the trunk's bytes */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/stream.h"
#include "core/io/tls.h"
#include "server/client/dial.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <errno.h>
#include <stdlib.h>

enum { READ_SIZE = 16 << 10, READS = 16, HEAD_MAX = 8 << 10 };

struct dialled {
	struct trunk trunk;
	struct dial dial;
	struct stream stream;
	struct buf sending, queued; /* the stream's; behind it */
	struct buf head;            /* of the answer, until it is whole */
	struct ready again, gone;
	bool switched; /* 101 has come */
};

static struct dialled *dialled_of(struct trunk *trunk)
{
	return container_of(trunk, struct dialled, trunk);
}

/* ------------------------------------------------------------ writing */

static int dialled_push(struct dialled *dialled)
{
	struct buf sent;
	struct iovec part;
	int r;

	if (stream_is_sending(&dialled->stream) || dialled->queued.len == 0)
		return 0;
	sent = dialled->sending;
	dialled->sending = dialled->queued;
	dialled->queued = sent;
	buf_clear(&dialled->queued);
	part = (struct iovec){ dialled->sending.data, dialled->sending.len };
	r = stream_write(&dialled->stream, &part, 1);
	if (r == 1)
		buf_clear(&dialled->sending);
	return MIN(r, 0);
}

static bool dialled_write(struct trunk *trunk, struct str bytes)
{
	struct dialled *dialled = dialled_of(trunk);

	if (!stream_is_open(&dialled->stream))
		return false;
	buf_add(&dialled->queued, bytes);
	return dialled->queued.error == 0 && dialled_push(dialled) == 0;
}

static size_t dialled_unsent(const struct trunk *trunk)
{
	const struct dialled *dialled = container_of(trunk, const struct dialled, trunk);

	return dialled->queued.len + (size_t)stream_unsent(&dialled->stream);
}

static void dialled_on_sent(struct stream *stream)
{
	struct dialled *dialled = container_of(stream, struct dialled, stream);

	if (stream->error || dialled_push(dialled) < 0)
		trunk_close(&dialled->trunk, "the connection is broken");
	else
		trunk_on_sent(&dialled->trunk);
}

/* ------------------------------------------------------------ reading */

static void dialled_on_head(struct dialled *dialled, size_t size)
{
	struct str head = str_first(buf_str(&dialled->head), size);

	if (!str_starts_with(head, STR("HTTP/1.1 101 ")) ||
	    str_find(head, STR(PEER_PROTOCOL)) < 0) {
		dialled->trunk.failed = true;
		trunk_close(&dialled->trunk, str_starts_with(head, STR("HTTP/1.1 404"))
						     ? "that host has no peers"
						     : "that host does not speak " PEER_PROTOCOL);
		return;
	}
	dialled->switched = true;
	trunk_say_hello(&dialled->trunk);
	if (dialled->head.len > size)
		trunk_on_bytes(&dialled->trunk, str_skip(buf_str(&dialled->head), size));
	buf_fini(&dialled->head);
}

static void dialled_on_bytes(struct dialled *dialled, struct str bytes)
{
	ptrdiff_t end;

	if (dialled->switched) {
		trunk_on_bytes(&dialled->trunk, bytes);
		return;
	}
	buf_add(&dialled->head, bytes);
	end = str_find(buf_str(&dialled->head), STR("\r\n\r\n"));
	if (end >= 0) {
		dialled_on_head(dialled, (size_t)end + 4);
	} else if (dialled->head.error || dialled->head.len > HEAD_MAX) {
		dialled->trunk.failed = true;
		trunk_close(&dialled->trunk, "that host does not speak HTTP/1.1");
	}
}

static void dialled_read(struct dialled *dialled)
{
	char bytes[READ_SIZE];
	ssize_t n = 1;

	for (int i = 0; i < READS && n > 0 && stream_is_open(&dialled->stream); i++) {
		n = stream_read(&dialled->stream, bytes, sizeof(bytes));
		if (n > 0)
			dialled_on_bytes(dialled, (struct str){ bytes, (size_t)n });
	}
	if (!stream_is_open(&dialled->stream) || n == -EAGAIN)
		return;
	if (n > 0) { /* others have their turn */
		loop_ready_next(dialled->trunk.loop->loop, &dialled->again);
		return;
	}
	dialled->trunk.failed |= !dialled->switched;
	trunk_close(&dialled->trunk,
		    n == 0 ? "that host has closed the connection" : "the connection is broken");
}

static void dialled_on_readable(struct stream *stream)
{
	dialled_read(container_of(stream, struct dialled, stream));
}

static void dialled_on_again(struct ready *ready)
{
	dialled_read(container_of(ready, struct dialled, again));
}

/* ------------------------------------------------------------ connecting */

static void dialled_ask(struct dialled *dialled)
{
	const struct peer_conf *conf = &dialled->trunk.peer->conf;
	struct buf text;

	buf_init(&text, 2048);
	buf_printf(&text,
		   "GET " PEER_PATH " HTTP/1.1\r\nHost: %.*s\r\nConnection: Upgrade\r\n"
		   "Upgrade: " PEER_PROTOCOL "\r\n\r\n",
		   STR_ARG(conf->address));
	if (text.error || !dialled_write(&dialled->trunk, buf_str(&text)))
		trunk_close(&dialled->trunk, "the connection is broken");
	buf_fini(&text);
}

static void dialled_on_secure(struct stream *stream)
{
	struct dialled *dialled = container_of(stream, struct dialled, stream);

	if (!stream->error) {
		dialled_ask(dialled);
		return;
	}
	log_warning("peer TLS failed name=%.*s reason=%s", STR_ARG(dialled->trunk.peer->conf.name),
		    LOG_QUOTE(str_of(tls_failure(stream->tls))));
	trunk_close(&dialled->trunk, "TLS failed");
}

static void dialled_secure(struct dialled *dialled)
{
	const struct peer_conf *conf = &dialled->trunk.peer->conf;
	struct tls *tls = tls_connect(
		conf->tls, conf->server_name.len ? conf->server_name : conf->server.host, NULL);

	if (tls && stream_secure(&dialled->stream, tls, dialled_on_secure) == 0)
		return;
	tls_destroy(tls);
	trunk_close(&dialled->trunk, "no memory for TLS");
}

static void dialled_on_dialled(struct dial *dial)
{
	struct dialled *dialled = dial->user;

	if (dial->error) {
		dialled->trunk.failed = true;
		trunk_close(&dialled->trunk,
			    !dial->looked_up && !dial->timed_out ? "its name cannot be looked up"
			    : dial->timed_out                    ? "connecting took too long"
			    : dial->error == -ECONNREFUSED       ? "connection refused"
								 : "it cannot be reached");
		return;
	}
	stream_adopt(&dialled->stream, dialled->trunk.loop->loop, dial_take(dial), dial->events,
		     dialled_on_readable, dialled_on_sent);
	net_set_nodelay(stream_fd(&dialled->stream));
	if (dialled->trunk.peer->conf.tls)
		dialled_secure(dialled);
	else
		dialled_ask(dialled);
}

/* ------------------------------------------------------------ begin and end */

static void dialled_close(struct trunk *trunk, bool failed)
{
	struct dialled *dialled = dialled_of(trunk);

	dial_stop(&dialled->dial);
	loop_ready_cancel(&dialled->again);
	if (stream_is_open(&dialled->stream)) {
		if (!failed)
			stream_end(&dialled->stream);
		stream_close(&dialled->stream);
	}
	loop_ready(trunk->loop->loop, &dialled->gone);
}

static void dialled_on_gone(struct ready *ready)
{
	trunk_end(&container_of(ready, struct dialled, gone)->trunk);
}

static void dialled_free(struct trunk *trunk)
{
	struct dialled *dialled = dialled_of(trunk);
	struct mesh *mesh = mesh_of(trunk->peer);

	lock_acquire(&mesh->lock);
	if (mesh->dialer == trunk)
		mesh->dialer = NULL;
	mesh_post_home(mesh);
	lock_release(&mesh->lock);
	buf_fini(&dialled->sending);
	buf_fini(&dialled->queued);
	buf_fini(&dialled->head);
	free(dialled);
}

static const struct trunk_carrier dialled_carrier = { dialled_write, dialled_unsent, dialled_close,
						      dialled_free };

void trunk_dial(struct mesh *mesh)
{
	struct fellow *peer = mesh->peer;
	struct peer_loop *loop = mesh->home;
	struct dialled *dialled = mem_zalloc(sizeof(*dialled));

	mesh->dialer = &dialled->trunk;
	dialled->trunk.carrier = &dialled_carrier;
	dialled->stream.watch.fd = -1;
	buf_init(&dialled->sending, SIZE_MAX / 2);
	buf_init(&dialled->queued, SIZE_MAX / 2);
	buf_init(&dialled->head, HEAD_MAX + READ_SIZE);
	ready_init(&dialled->again, dialled_on_again);
	ready_init(&dialled->gone, dialled_on_gone);
	trunk_init_dialled(&dialled->trunk, loop, peer);
	dial_init(&dialled->dial, loop->loop, dialled_on_dialled, dialled);
	dial_start(&dialled->dial, loop->names, &peer->conf.server,
		   loop_now_ns(loop->loop) + peer->conf.connect_ms * NS_PER_MS, 0);
}
