/* server/peers/wire_form.c: the form libprocess of an entry of `peers:`.
 *
 * Its programs answer a message by another one, which goes to the address that the first was sent
 * with (`as:`), on a connection of their own: so nothing can be asked, and what is sent back is for
 * handlers. Whoever sends is known by its address alone. */
#include "core/base/base64.h"
#include "core/base/blob.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/http/libprocess.h"
#include "server/peers/peer_loop.h"
#include "server/peers/wire.h"
#include "server/peers/wire_link.h"
#include <errno.h>
#include <stdlib.h>

/* Locking: wire.lock guards what says so, and nothing is called with it held but wire_link_keep(). */
struct wire {
	struct wire_link link;
	struct fellow *peer;    /* a reference while it has a home */
	struct peer_loop *home; /* NULL before it is in a generation at work */
	bool told;              /* that it is gone, on the loop: not again before it was here */
	struct lock lock;
	struct str *linked; /* what actors are linked to; guarded by lock */
	size_t n_linked;    /* guarded by lock */
	struct map watches; /* its actors that ours were linked to while running; guarded by lock */
	bool retired;       /* guarded by lock */
};

static struct wire *wire_of_link(struct wire_link *link)
{
	return container_of(link, struct wire, link);
}

static void wire_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------ what happens on the link */

static void wire_on_open(struct wire_link *link)
{
	struct wire *wire = wire_of_link(link);

	wire->told = false;
	wire_count(&wire->peer->stats.connects);
	log_info("peer connected name=%s address=%s", LOG_QUOTE(wire->peer->conf.name),
		 LOG_QUOTE(wire->peer->conf.address));
}

static void wire_on_answer(struct wire_link *link, int error)
{
	struct fellow *peer = wire_of_link(link)->peer;

	wire_count(error ? &peer->stats.refused : &peer->stats.acked);
}

static void wire_on_lost(struct wire_link *link, int error)
{
	struct fellow *peer = wire_of_link(link)->peer;

	wire_count(error == -ECONNRESET ? &peer->stats.lost : &peer->stats.refused);
}

/* On the loop. They are told without the lock. */
static void wire_tell(struct wire *wire)
{
	struct str reason = str_of(actor_end_name(ACTOR_END_NO_CONNECTION));
	struct str *linked;
	struct arena arena;
	size_t n_linked;

	arena_init_required(&arena);
	lock_acquire(&wire->lock);
	n_linked = wire->n_linked;
	linked = arena_alloc_array(&arena, n_linked + 1, sizeof(*linked));
	for (size_t i = 0; i < n_linked; i++)
		linked[i] = arena_str(&arena, wire->linked[i]);
	lock_release(&wire->lock);
	for (size_t i = 0; i < n_linked; i++)
		peer_loop_tell(wire->home, wire->peer, linked[i], linked[i], reason);
	arena_fini(&arena);
}

/* A link is the connection: each is told of its loss, and is over. */
static void wire_lose_watches(struct wire *wire)
{
	struct map_slot *slot;
	struct arena arena;
	struct str *names;
	size_t n = 0;

	arena_init_required(&arena);
	lock_acquire(&wire->lock);
	names = arena_alloc_array(&arena, wire->watches.n_items + 1, sizeof(*names));
	for (size_t at = 0; (slot = map_next(&wire->watches, &at));)
		names[n++] = arena_str(&arena, slot->key);
	lock_release(&wire->lock);
	for (size_t i = 0; i < n; i++)
		actor_loop_tell_end(wire->home->actors, wire->peer, names[i],
				    ACTOR_END_NO_CONNECTION);
	arena_fini(&arena);
}

/* Those linked are told once; again when it was open meanwhile. */
static void wire_on_break(struct wire_link *link)
{
	struct wire *wire = wire_of_link(link);

	if (link->state == WIRE_PAUSES && link->n_failures == 1)
		log_info("peer lost name=%s address=%s", LOG_QUOTE(wire->peer->conf.name),
			 LOG_QUOTE(wire->peer->conf.address));
	if (!wire->told)
		wire_tell(wire);
	wire->told = true;
	wire_lose_watches(wire);
}

static void wire_on_closed(struct wire_link *link)
{
	fellow_unref(wire_of_link(link)->peer);
}

static const struct wire_link_ops wire_ops = {
	.on_open = wire_on_open,
	.on_break = wire_on_break,
	.on_answer = wire_on_answer,
	.on_lost = wire_on_lost,
	.on_closed = wire_on_closed,
};

/* ------------------------------------------------------------ sending */

static const struct wire_failure {
	int error;
	enum error_code code;
	const char *detail;
} wire_failures[] = {
	{ -ECONNRESET, ERROR_UNAVAILABLE,
	  "the connection broke before the message was answered: it may have arrived or not" },
	{ -EACCES, ERROR_UNAVAILABLE, "the peer does not take messages from us" },
	{ -ESRCH, ERROR_NOT_FOUND, "the peer has no such actor" },
	{ -EMSGSIZE, ERROR_TOO_LARGE, "the message is larger than the peer takes" },
	{ -ENOBUFS, ERROR_QUEUE_FULL, "the peer has no room for the message" },
	{ -EBADMSG, ERROR_BAD_RESPONSE, "the peer has not taken the message" },
	{ -EHOSTUNREACH, ERROR_DNS_FAILED, "the peer's name has no address" },
	{ -ECONNREFUSED, ERROR_CONNECT_FAILED, "the peer cannot be connected to" },
	{ -ESHUTDOWN, ERROR_UNAVAILABLE, "the peer is not in the configuration any more" },
};

/* What its sender is told of a letter that has not arrived. */
static void wire_explain(struct future *from, struct promise *to, void *arg)
{
	struct failure failure = { .code = ERROR_CANCELLED };

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(wire_failures); i++) {
		if (future_error(from) != wire_failures[i].error)
			continue;
		failure.code = wire_failures[i].code;
		failure.detail = str_of(wire_failures[i].detail);
	}
	promise_set(to, actor_answer_create(&failure, NULL), actor_answer_free);
}

/* The bytes of a JSON text: what is a text goes as it is, null is no body. */
static bool wire_body(struct blob *value, enum wire_body body, struct arena *arena,
		      struct str *ret_body)
{
	struct str json = blob_str(value), text;
	struct value read;
	char *bytes;

	*ret_body = json;
	if (json.len == 0 || value_json(&read, arena, json) < 0 || read.kind != VALUE_TEXT)
		return json.len == 0 || body != WIRE_BASE64;
	text = *ret_body = value_str(read);
	if (body != WIRE_BASE64)
		return true;
	if (!base64_strip_padding(&text))
		return false;
	bytes = arena_alloc(arena, base64_size(text.len));
	*ret_body = (struct str){ bytes, base64_size(text.len) };
	return base64_decode(text, BASE64_STANDARD, bytes);
}

static struct letter *wire_letter(const struct peer_conf *conf, const struct actor_send *send,
				  struct str body, struct arena *arena)
{
	struct libprocess_letter said = { .to = send->name,
					  .name = send->handler,
					  .to_addr = conf->address,
					  .from_addr = conf->as,
					  .body = body };
	struct buf from, out;
	struct letter *letter;
	char *bytes;

	buf_init_arena(&from, arena);
	buf_init(&out, SIZE_MAX);
	libprocess_write_id(send->sender.len ? send->sender : STR("leat"), &from);
	said.from = buf_str(&from);
	libprocess_write(&said, &out);
	letter = letter_create(out.len, &bytes);
	memcpy(bytes, out.data, out.len);
	buf_fini(&out);
	return letter;
}

static struct future *wire_refuse(enum error_code code, const char *detail,
				  enum error_code *ret_code, const char **ret_detail)
{
	*ret_code = code;
	*ret_detail = detail;
	return NULL;
}

static struct future *wire_put(struct wire *wire, struct actor_loop *from, struct letter *letter,
			       enum error_code *ret_code, const char **ret_detail)
{
	struct loop *loop = actor_loop_host(from)->loop;
	struct future *future = wire_link_put(&wire->link, loop, letter);

	if (!future) {
		wire_count(&wire->peer->stats.refused);
		return wire_refuse(ERROR_QUEUE_FULL, "too many messages wait for the peer",
				   ret_code, ret_detail);
	}
	wire_count(&wire->peer->stats.sent);
	return future_recover(future, wire_explain, NULL);
}

static struct future *wire_send(struct fellow *peer, struct actor_loop *from,
				const struct actor_send *send, bool asks, enum error_code *ret_code,
				const char **ret_detail)
{
	struct str body = STR_NONE;
	struct letter *letter = NULL;
	struct arena arena;

	if (asks)
		return wire_refuse(ERROR_INVALID_INPUT,
				   "libprocess answers by messages: send, and handle what it sends",
				   ret_code, ret_detail);
	if (!libprocess_id_is_right(send->name) || !libprocess_name_is_right(send->handler))
		return wire_refuse(ERROR_INVALID_INPUT,
				   "the actor or the handler is no part of a path", ret_code,
				   ret_detail);
	arena_init_required(&arena);
	if (wire_body(send->value, (enum wire_body)peer->conf.body, &arena, &body) &&
	    body.len <= peer->conf.message_max)
		letter = wire_letter(&peer->conf, send, body, &arena);
	arena_fini(&arena);
	if (letter)
		return wire_put(peer->own, from, letter, ret_code, ret_detail);
	if (body.len > peer->conf.message_max)
		return wire_refuse(ERROR_TOO_LARGE, "the message is larger than `max` of the peer",
				   ret_code, ret_detail);
	return wire_refuse(ERROR_INVALID_INPUT, "the message is no text in base64", ret_code,
			   ret_detail);
}

/* ------------------------------------------------------------ an entry */

bool wire_is_number(struct str host)
{
	struct net_addr addr;

	return host.len && net_addr_from_host(host, 1, &addr) == 0;
}

static bool wire_has_address(const struct peer_conf *conf)
{
	struct upstream_server server;

	return conf->as.len && upstream_read_address(conf->as, 0, &server) == 0 && server.port;
}

static bool wire_check(const struct peer_conf *conf, const struct node_entry *entry,
		       struct diag *diag)
{
	const char *problem = NULL;

	if (conf->auth != PEER_AUTH_NONE)
		problem = "libprocess has no keys: its messages are believed by the address that "
			  "they come from; say so by auth: none";
	else if (conf->address.len == 0)
		problem = "a program of libprocess has to be reached: add address: HOST:PORT";
	else if (!wire_has_address(conf))
		problem = "libprocess answers to an address: add as: HOST:PORT, by which it "
			  "reaches one of our listeners";
	else if (conf->from_text.len == 0 && !wire_is_number(conf->server.host))
		problem = "add from: the addresses that it sends from, which its name does not "
			  "tell";
	if (problem)
		diag_error(diag, entry->key_place, "%s", problem);
	return !problem;
}

static void *wire_init(struct fellow *peer)
{
	const struct peer_conf *conf = &peer->conf;
	const struct wire_link_conf link = { .server = conf->server,
					     .tls = conf->tls,
					     .server_name = conf->server_name,
					     .connect_ms = conf->connect_ms,
					     .heartbeat_ms = conf->heartbeat_ms,
					     .queue_max = conf->queue_max,
					     .bytes_max = conf->bytes_max,
					     .answers = conf->answers };
	struct wire *wire = mem_zalloc(sizeof(*wire));

	wire->peer = peer;
	lock_init(&wire->lock);
	map_init(&wire->watches);
	wire_link_init(&wire->link, &link, &wire_ops);
	return wire;
}

static void wire_set_linked(struct wire *wire, const struct str *names, size_t n_names)
{
	lock_acquire(&wire->lock);
	for (size_t i = 0; i < wire->n_linked; i++)
		free((char *)(uintptr_t)wire->linked[i].ptr);
	free(take(&wire->linked));
	wire->n_linked = n_names;
	if (n_names)
		wire->linked = mem_alloc(n_names * sizeof(struct str));
	for (size_t i = 0; i < n_names; i++)
		wire->linked[i] =
			(struct str){ mem_strndup(names[i].ptr, names[i].len), names[i].len };
	lock_release(&wire->lock);
}

static void wire_keep(struct wire *wire) HOLDS(wire->lock)
{
	wire_link_keep(&wire->link,
		       wire->n_linked > 0 || wire->watches.n_items > 0 || wire->peer->conf.always);
}

static bool wire_watch(struct fellow *peer, struct str there, bool on)
{
	struct wire *wire = peer->own;
	char *name;
	bool ok;

	lock_acquire(&wire->lock);
	ok = !on || !wire->retired;
	name = map_find(&wire->watches, there);
	if (on && ok && !name) {
		name = mem_strndup(there.ptr, there.len);
		map_set(&wire->watches, (struct str){ name, there.len }, name);
	} else if (!on && name) {
		map_remove(&wire->watches, there);
		free(name);
	}
	if (!wire->retired) /* else it is closed, or about to be */
		wire_keep(wire);
	lock_release(&wire->lock);
	return ok;
}

static void wire_open(struct fellow *peer, struct peers *peers, const struct str *names,
		      size_t n_names)
{
	struct wire *wire = peer->own;

	wire_set_linked(wire, names, n_names);
	lock_acquire(&wire->lock);
	wire_keep(wire);
	lock_release(&wire->lock);
	if (wire->home)
		return;
	fellow_ref(peer);
	wire->home = peers_home(peers, peer->conf.name);
	wire_link_start(&wire->link, wire->home->loop, wire->home->names);
}

static void wire_retire(struct fellow *peer)
{
	struct wire *wire = peer->own;

	wire_set_linked(wire, NULL, 0);
	lock_acquire(&wire->lock);
	wire->retired = true;
	lock_release(&wire->lock);
	if (!wire->home)
		return;
	if (!peers_are_stopping(wire->home->peers))
		wire_lose_watches(wire);
	wire_link_close(&wire->link);
}

static void wire_fini(struct fellow *peer)
{
	struct wire *wire = peer->own;
	struct map_slot *slot;

	wire_set_linked(wire, NULL, 0);
	for (size_t at = 0; (slot = map_next(&wire->watches, &at));)
		free(slot->value);
	map_fini(&wire->watches);
	lock_fini(&wire->lock);
	wire_link_fini(&wire->link);
	free(wire);
}

static void wire_write(struct fellow *peer, struct buf *out)
{
	struct wire *wire = peer->own;

	buf_printf(out, ",\"queued\":%zu", wire_link_n_letters(&wire->link));
}

const struct peer_form peer_libprocess = {
	.name = "libprocess",
	.one_way = true,
	.is_right = wire_check,
	.send = wire_send,
	.watch = wire_watch,
	.may_watch = libprocess_id_is_right,
	.open = wire_open,
	.retire = wire_retire,
	.init = wire_init,
	.fini = wire_fini,
	.write = wire_write,
};
