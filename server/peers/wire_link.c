/* server/peers/wire_link.c: the states are in the header.
 *
 * Locking: link.lock guards what is said to be; nothing is called with it held but loop_post(). */
#include "server/peers/wire_link.h"
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>

enum {
	UNANSWERED_MAX = 1024, /* letters that are written ahead of their answers */
	PAUSE_MIN_MS = 20,     /* after a failure; doubles */
	PAUSE_MAX_MS = 5000,
	SILENCES = 3, /* heartbeats without a sign of life */
};

static void link_go(struct wire_link *link);

/* ------------------------------------------------------------ letters */

struct letter *letter_create(size_t size, char **ret_bytes)
{
	struct letter *letter = mem_zalloc(sizeof(*letter) + size);

	list_init(&letter->link);
	*ret_bytes = (char *)(letter + 1);
	letter->bytes = (struct str){ *ret_bytes, size };
	return letter;
}

/* 0: it has arrived. */
void wire_link_end_letter(struct wire_link *link, struct letter *letter, int error)
{
	list_remove(&letter->link);
	lock_acquire(&link->lock);
	link->n_letters--;
	link->n_bytes -= letter->bytes.len;
	lock_release(&link->lock);
	if (error)
		promise_fail(&letter->done, error);
	else
		promise_set(&letter->done, NULL, NULL);
	free(letter);
}

static void letters_lose(struct wire_link *link, struct list *letters, int error)
{
	struct letter *letter;

	list_each(letter, letters, struct letter, link) {
		link->ops->on_lost(link, error);
		wire_link_end_letter(link, letter, error);
	}
}

/* ------------------------------------------------------------ the end of a connection */

static void link_shut(struct wire_link *link)
{
	if (link->state == WIRE_DIALS)
		dial_stop(&link->dial);
	timer_stop(&link->timer);
	loop_ready_cancel(&link->more);
	stream_close(&link->stream);
	if (link->reading)
		http_answer_fini(&link->answer);
	link->reading = false;
	link->end = 0;
	link->n_written = 0;
}

static void link_pause(struct wire_link *link)
{
	link->state = WIRE_PAUSES;
	timer_start_at(&link->timer, clock_monotonic_ns() + backoff_ns(PAUSE_MIN_MS, PAUSE_MAX_MS,
								       ++link->n_failures));
}

void wire_link_break(struct wire_link *link)
{
	link_shut(link);
	link_pause(link);
	letters_lose(link, &link->written, -ECONNRESET);
	link->ops->on_break(link);
}

/* Nobody is there: those who wait are told. */
static void link_fail(struct wire_link *link, int error)
{
	link_shut(link);
	link_pause(link);
	letters_lose(link, &link->waiting, error);
	link->ops->on_break(link);
}

static void link_end(struct wire_link *link)
{
	link_shut(link);
	link->state = WIRE_CLOSED;
	letters_lose(link, &link->written, -ECONNRESET);
	letters_lose(link, &link->waiting, -ESHUTDOWN);
	link->ops->on_closed(link);
}

static void link_on_timer(struct timer *timer)
{
	struct wire_link *link = container_of(timer, struct wire_link, timer);

	if (link->state == WIRE_SECURES) {
		link_fail(link, -ECONNREFUSED); /* nobody has spoken TLS in time */
		return;
	}
	if (link->state != WIRE_PAUSES) {
		wire_link_break(link); /* an answer is late */
		return;
	}
	link->state = WIRE_IDLE;
	link_go(link);
}

/* ------------------------------------------------------------ writing */

/* Until the next answer: the first one is waited for since it was written. */
void wire_link_await_answer(struct wire_link *link)
{
	if (link->conf.answers && link->n_written)
		timer_start(&link->timer, link->conf.heartbeat_ms * SILENCES);
	else
		timer_stop(&link->timer);
}

static struct letter *link_next(struct wire_link *link)
{
	while (!list_is_empty(&link->waiting)) {
		struct letter *letter = container_of(link->waiting.next, struct letter, link);

		if (!promise_is_discarded(&letter->done))
			return letter;
		wire_link_end_letter(link, letter, -ECANCELED); /* nobody waits for it any more */
	}
	return NULL;
}

static size_t link_gather(struct wire_link *link, struct iovec parts[STREAM_OUT_MAX])
{
	struct letter *letter;
	size_t n = 0;

	while (n < STREAM_OUT_MAX && link->n_written < UNANSWERED_MAX &&
	       (letter = link_next(link))) {
		list_remove(&letter->link);
		list_add(&link->written, &letter->link);
		link->n_written++;
		link->end += letter->bytes.len;
		letter->end = link->end;
		parts[n++] =
			(struct iovec){ (char *)(uintptr_t)letter->bytes.ptr, letter->bytes.len };
	}
	return n;
}

/* All that was written is the kernel's: that is all that will be known of it. */
static void link_written(struct wire_link *link)
{
	struct letter *letter;

	if (link->conf.answers)
		return;
	list_each(letter, &link->written, struct letter, link)
		wire_link_end_letter(link, letter, 0);
	link->n_written = 0;
	link->n_failures = 0;
}

void wire_link_write(struct wire_link *link)
{
	struct iovec parts[STREAM_OUT_MAX];
	bool was_empty = link->n_written == 0;
	size_t n;

	while (!stream_is_sending(&link->stream) && (n = link_gather(link, parts)) > 0) {
		int r = stream_write(&link->stream, parts, n);

		if (r < 0) {
			wire_link_break(link);
			return;
		}
		if (r > 0)
			link_written(link);
	}
	if (was_empty)
		wire_link_await_answer(link);
}

static void link_on_sent(struct stream *stream)
{
	struct wire_link *link = container_of(stream, struct wire_link, stream);

	if (stream->error) {
		wire_link_break(link);
		return;
	}
	link_written(link);
	wire_link_write(link);
}

/* ------------------------------------------------------------ connecting */

static void link_open(struct wire_link *link)
{
	link->state = WIRE_OPEN;
	timer_stop(&link->timer);
	link->ops->on_open(link);
	wire_link_read(link);
}

static void link_on_secure(struct stream *stream)
{
	struct wire_link *link = container_of(stream, struct wire_link, stream);

	if (!stream->error) {
		link_open(link);
		return;
	}
	tls_memory_forget(&link->memory);
	link_fail(link, -ECONNREFUSED);
}

static void link_secure(struct wire_link *link)
{
	const struct wire_link_conf *conf = &link->conf;
	struct str name = conf->server_name.len ? conf->server_name : conf->server.host;
	struct tls *tls = tls_connect(conf->tls, name, &link->memory);

	link->state = WIRE_SECURES;
	timer_start_at(&link->timer, link->dial.deadline_ns);
	if (tls && stream_secure(&link->stream, tls, link_on_secure) == 0)
		return;
	tls_destroy(tls);
	link_fail(link, -ECONNREFUSED);
}

static void link_on_dialed(struct dial *dial)
{
	struct wire_link *link = dial->user;
	int fd;

	if (dial->error) {
		link_fail(link,
			  !dial->looked_up && !dial->timed_out ? -EHOSTUNREACH : -ECONNREFUSED);
		return;
	}
	fd = dial_take(dial);
	stream_adopt(&link->stream, link->loop, fd, dial->events, wire_link_on_readable,
		     link_on_sent);
	net_set_nodelay(fd);
	net_keep_alive(fd, link->conf.heartbeat_ms, SILENCES);
	if (link->conf.tls)
		link_secure(link);
	else
		link_open(link);
}

static void link_go(struct wire_link *link)
{
	if (link->state == WIRE_OPEN)
		wire_link_write(link);
	if (link->state != WIRE_IDLE || !(link->keep || link_next(link)))
		return;
	link->state = WIRE_DIALS;
	dial_start(&link->dial, link->names, &link->conf.server,
		   clock_monotonic_ns() + link->conf.connect_ms * NS_PER_MS, 0);
}

/* ------------------------------------------------------------ from any thread */

static void link_on_post(struct post *post)
{
	struct wire_link *link = container_of(post, struct wire_link, post);
	bool closing;

	lock_acquire(&link->lock);
	link->posted = false;
	closing = link->closing;
	link->keep = link->keep_wanted;
	list_move_all(&link->waiting, &link->queue);
	lock_release(&link->lock);
	if (closing)
		link_end(link);
	else
		link_go(link);
}

static void link_wake(struct wire_link *link) HOLDS(link->lock)
{
	if (link->posted || !link->loop)
		return;
	link->posted = true;
	link->post.run = link_on_post;
	loop_post(link->loop, &link->post);
}

struct future *wire_link_put(struct wire_link *link, struct loop *loop, struct letter *letter)
{
	struct future *future = NULL;

	lock_acquire(&link->lock);
	if (!link->closing && link->n_letters < link->conf.queue_max &&
	    letter->bytes.len <= link->conf.bytes_max - link->n_bytes) {
		future = promise_init(&letter->done, loop);
		link->n_letters++;
		link->n_bytes += letter->bytes.len;
		list_add(&link->queue, &letter->link);
		link_wake(link);
	}
	lock_release(&link->lock);
	if (!future)
		free(letter);
	return future;
}

void wire_link_keep(struct wire_link *link, bool keep)
{
	lock_acquire(&link->lock);
	if (link->keep_wanted != keep) {
		link->keep_wanted = keep;
		link_wake(link);
	}
	lock_release(&link->lock);
}

void wire_link_close(struct wire_link *link)
{
	lock_acquire(&link->lock);
	link->closing = true;
	link_wake(link);
	lock_release(&link->lock);
}

size_t wire_link_n_letters(struct wire_link *link)
{
	size_t n_letters;

	lock_acquire(&link->lock);
	n_letters = link->n_letters;
	lock_release(&link->lock);
	return n_letters;
}

/* ------------------------------------------------------------ */

void wire_link_init(struct wire_link *link, const struct wire_link_conf *conf,
		    const struct wire_link_ops *ops)
{
	*link = (struct wire_link){ .conf = *conf, .ops = ops };
	lock_init(&link->lock);
	list_init(&link->queue);
	list_init(&link->waiting);
	list_init(&link->written);
	link->stream.watch.fd = -1;
	arena_init_required(&link->arena);
}

void wire_link_start(struct wire_link *link, struct loop *loop, struct names *names)
{
	lock_acquire(&link->lock);
	link->names = names;
	dial_init(&link->dial, loop, link_on_dialed, link);
	timer_init(&link->timer, loop, link_on_timer);
	ready_init(&link->more, wire_link_on_more);
	link->loop = loop;
	if (link->closing || link->keep_wanted || !list_is_empty(&link->queue))
		link_wake(link);
	lock_release(&link->lock);
}

void wire_link_fini(struct wire_link *link)
{
	check(list_is_empty(&link->written) && list_is_empty(&link->waiting));
	tls_memory_forget(&link->memory);
	arena_fini(&link->arena);
	lock_fini(&link->lock);
}
