/* server/peers/wire_receive.c: a message of libprocess, from its request into an actor's mailbox.
 *
 * Who may send is decided by the address that it comes from, as the policies see it: what a sender
 * says of itself is for whoever answers it. The answer is given when the mailbox has the message. */
#include "core/base/base64.h"
#include "core/base/blob.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/http/libprocess.h"
#include "server/peers/wire.h"
#include "server/request.h"
#include "server/server.h"
#include <errno.h>

/* A message that waits for room in a mailbox; in its request's arena. */
struct receipt {
	struct request *request;
	struct future *future;
	struct future_watch watch;
};

/* ------------------------------------------------------------ who */

static struct fellow *wire_find(const struct peer_section *section, struct str text)
{
	bool is_unix = str_starts_with(text, STR("unix:"));
	struct net_addr addr;
	struct ip ip;

	if (!is_unix && (net_addr_parse(text, &addr) < 0 || !net_addr_ip(&addr, &ip)))
		return NULL;
	for (size_t i = 0; i < section->n_peers; i++) {
		struct fellow *peer = section->peers[i];

		if (peer->form == &peer_libprocess &&
		    networks_find(&peer->conf.from, is_unix ? NULL : &ip) >= 0)
			return peer;
	}
	return NULL;
}

bool wire_is_peer(const struct peer_section *section, struct str addr)
{
	return wire_find(section, addr) != NULL;
}

static struct fellow *wire_sender(const struct request *request)
{
	return wire_find(&request->generation->peers, request->client_addr);
}

/* ------------------------------------------------------------ what */

/* No other text than the one that leat writes stands for an actor: or two would have one key. */
static bool wire_name_is_right(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < ' ')
			return false;
	return actor_name_is_canonical(name) && !str_has(name, ':');
}

static void wire_write_base64(struct str bytes, struct buf *out)
{
	size_t size = base64_encoded_size(bytes.len);
	char *at;

	buf_add_char(out, '"');
	at = buf_reserve(out, size);
	if (at) {
		base64_encode(bytes, at);
		out->len += size;
	}
	buf_add_char(out, '"');
}

/* Its body as a value: 0, -EBADMSG when it cannot be one, -ENOMEM. */
static int wire_value(struct request *request, enum wire_body body, struct blob **ret_blob)
{
	struct str bytes = request->body;
	struct json_error error;
	struct buf json;

	*ret_blob = NULL;
	if (bytes.len == 0)
		return 0;
	buf_init_arena(&json, &request->arena);
	if (body == WIRE_BASE64)
		wire_write_base64(bytes, &json);
	else if (body == WIRE_AUTO && json_check(bytes, &error))
		buf_add(&json, bytes);
	else if (str_is_utf8(bytes))
		json_write_text(bytes, &json);
	else
		return -EBADMSG;
	*ret_blob = json.error ? NULL : blob_create(buf_str(&json));
	return *ret_blob ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------ the answer */

static void wire_refuse(struct request *request, int status, const char *detail)
{
	static struct http_field retry = { STR_INIT("Retry-After"), STR_INIT("1") };
	struct reply reply = reply_problem(&request->arena, status, STR_NONE, STR_NONE,
					   request->context.id, str_of(detail));

	if (status == 503) {
		reply.fields = &retry;
		reply.n_fields = 1;
	}
	request_reply(request, &reply);
}

static void wire_answer(struct request *request, enum error_code code, const char *detail)
{
	struct reply accepted = { .status = 202 };

	if (code == ERROR_NONE)
		request_reply(request, &accepted);
	else if (code == ERROR_INVALID_INPUT)
		wire_refuse(request, 404, detail); /* an actor with other keys is another */
	else
		wire_refuse(request, code == ERROR_QUEUE_FULL ? 503 : error_code_status(code),
			    detail);
}

static void receipt_on_taken(struct future_watch *watch, struct future *future)
{
	struct receipt *receipt = container_of(watch, struct receipt, watch);
	struct request *request = receipt->request;
	enum error_code code = ERROR_NONE;
	const char *detail = "";

	if (future_state(future) != FUTURE_READY)
		code = actor_error(future_error(future), &detail);
	future_unref(take(&receipt->future));
	wire_answer(request, code, detail);
}

/* The message stays where it is. */
static void receipt_on_cancel(struct request *request)
{
	struct receipt *receipt = request->native;

	future_unwatch(&receipt->watch);
	future_unref(take(&receipt->future));
	request_destroy(request);
}

static void receipt_await(struct request *request, struct future *future)
{
	struct receipt *receipt = arena_zalloc(&request->arena, sizeof(*receipt));

	if (!receipt) {
		future_unref(future);
		wire_answer(request, ERROR_NONE, ""); /* it is on its way */
		return;
	}
	receipt->request = request;
	receipt->future = future;
	request->native = receipt;
	request->on_cancel = receipt_on_cancel;
	future_on_any(future, &receipt->watch, receipt_on_taken);
}

/* ------------------------------------------------------------ the way in */

static void wire_deliver(struct request *request, const struct fellow *peer,
			 const struct libprocess_message *message, struct blob *value)
{
	const struct actor_send send = { .name = request->path.segments[0],
					 .handler = message->name,
					 .value = value,
					 .sender = message->from,
					 .sender_id = request->context.id };
	enum error_code code = ERROR_NONE;
	const char *detail = "";
	struct future *future = NULL;

	if (wire_name_is_right(send.name) && peer_may_reach(&peer->conf.reach, send.name))
		future = actors_send(request->worker->actors, &send, false, &code, &detail);
	else
		code = ERROR_NOT_FOUND;
	blob_unref(value);
	if (future)
		receipt_await(request, future);
	else
		wire_answer(request, code, detail);
}

static void wire_serve(struct request *request)
{
	struct fellow *peer = wire_sender(request); /* as before its body came */
	struct libprocess_message message;
	struct blob *value;
	int r;

	if (!peer) {
		wire_refuse(request, 403, "");
		return;
	}
	if (request->path.changed || !libprocess_read(&request->head, &message)) {
		wire_refuse(request, 400, "the path is none of a message");
		return;
	}
	r = wire_value(request, peer->conf.body, &value);
	if (r < 0) {
		wire_refuse(request, r == -ENOMEM ? 503 : 500,
			    "the body is neither JSON nor UTF-8");
		return;
	}
	atomic_fetch_add_explicit(&peer->stats.received, 1, memory_order_relaxed);
	wire_deliver(request, peer, &message, value);
}

static const struct reply *wire_admit(struct request *request)
{
	return wire_sender(request) ? NULL : reply_refusal(403);
}

/* ------------------------------------------------------------ the route */

const struct route *wire_route(const struct peer_section *section, const struct settings *settings,
			       struct arena *arena)
{
	struct route *route;
	bool any = false;

	for (size_t i = 0; i < section->n_peers; i++)
		any |= section->peers[i]->form == &peer_libprocess;
	if (!any)
		return NULL;
	route = arena_zalloc(arena, sizeof(*route));
	*route = (struct route){ .pattern = { .text = STR("libprocess") },
				 .native = wire_serve,
				 .admit = wire_admit,
				 .roots = ROOT_BIT(ROOT_BODY), /* so that codings are taken off */
				 .body = { .max = settings->body, .undecodable = 500 },
				 .by_path = true,
				 .finishes = true,
				 .logged = true };
	return route;
}
