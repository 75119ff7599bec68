/* server/async/keep.c: a request that is kept. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/async/async.h"
#include "server/async/record.h"
#include "server/async/runs.h"
#include "server/auth/identity.h"
#include "server/jobs/agenda.h"
#include "server/server.h"
#include <errno.h>
#include <openssl/evp.h>
#include <sys/random.h>

enum { KEY_MAX = 255, PRINT_SIZE = 32 };

/* ------------------------------------------------------------ answers */

static void keep_refuse(struct request *request, int status, const char *code, const char *detail)
{
	static struct http_field retry = { STR_INIT("Retry-After"), STR_INIT("1") };
	struct reply reply = reply_problem(&request->arena, status, str_of(code), STR_NONE,
					   request->context.id, str_of(detail));

	if (status == 503) {
		reply.fields = &retry;
		reply.n_fields = 1;
	}
	request_count_failure(request);
	request_reply(request, &reply);
}

static void keep_accept(struct request *request, struct str token)
{
	struct http_field *field = arena_alloc(&request->arena, sizeof(*field));
	struct reply reply = { .status = 202,
			       .content_type = STR("application/json"),
			       .fields = field,
			       .n_fields = 1 };

	reply.body = arena_printf(&request->arena, "{\"id\":\"%.*s\",\"location\":\"/runs/%.*s\"}",
				  STR_ARG(token), STR_ARG(token));
	if (!field || !reply.body.ptr) { /* it is kept, but where cannot be said */
		request_reply(request, reply_refusal(503));
		return;
	}
	*field = (struct http_field){ STR("Location"), async_location(&request->arena, token) };
	if (!field->value.ptr)
		request_reply(request, reply_refusal(503));
	else
		request_reply(request, &reply);
}

static void keep_done(struct todo_ask *ask)
{
	struct request *request = ask->user;

	if (!request)
		return;
	if (ask->result == 0)
		keep_accept(request, str_of(ask->token));
	else if (ask->result == -EEXIST)
		keep_refuse(request, 422, "invalid_input",
			    "the Idempotency-Key was used for another request");
	else if (ask->result == -EBUSY)
		keep_refuse(request, 503, "queue_full", "too many requests of this route wait");
	else
		keep_refuse(request, 503, "unavailable", "the request cannot be kept now");
}

static void keep_left(struct request *request)
{
	struct todo_ask *ask = request->native;

	ask->user = NULL;
	request_destroy(request);
}

/* ------------------------------------------------------------ what is kept */

static void keep_hex(const unsigned char *bytes, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
}

/* Of what one with the same idempotency key must have in common. False: it cannot be computed. */
static bool keep_print(const struct request *request, char out[2 * PRINT_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char digest[PRINT_SIZE];
	const struct str parts[] = { request->head.method, STR(" "),  request->head.host, STR(" "),
				     request->head.target, STR("\n"), request->body };
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

	for (size_t i = 0; ok && i < ARRAY_LEN(parts); i++)
		ok = !parts[i].len || EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len);
	ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	if (ok)
		keep_hex(digest, sizeof(digest), out);
	return ok;
}

/* Each client that leat knows by its name has keys of its own. */
static struct str keep_idem(struct request *request, struct str key)
{
	const struct identity *who = request->identity;

	return arena_printf(&request->arena, "async\n%.*s\n%s %.*s %.*s\n%.*s",
			    STR_ARG(request->route->pattern.text),
			    who ? identity_kind_name(who->kind) : "",
			    STR_ARG(who && who->user.ptr ? who->user : STR("")),
			    STR_ARG(who && who->key.ptr ? who->key : STR("")), STR_ARG(key));
}

/* False: there is no memory. */
static bool keep_fill(struct request *request, struct todo *todo, struct buf *record,
		      char texts[TODO_TOKEN_LEN + 2 * PRINT_SIZE])
{
	const struct http_field *key = http_head_find(&request->head, STR("idempotency-key"));
	unsigned char random[TODO_TOKEN_LEN / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
	    !keep_print(request, texts + TODO_TOKEN_LEN))
		return false;
	keep_hex(random, sizeof(random), texts);
	todo->token = (struct str){ texts, TODO_TOKEN_LEN };
	todo->print = (struct str){ texts + TODO_TOKEN_LEN, 2 * PRINT_SIZE };
	if (key)
		todo->idem = keep_idem(request, key->value);
	record_write(request, record);
	todo->args = buf_str(record);
	return !record->error && (!key || todo->idem.ptr);
}

void async_keep(struct request *request)
{
	const struct http_field *key = http_head_find(&request->head, STR("idempotency-key"));
	const struct async_spec *spec = request->route->async;
	char texts[TODO_TOKEN_LEN + 2 * PRINT_SIZE];
	struct todo todo = { .kind = TODO_ROUTE,
			     .target = request->route->pattern.text,
			     .due_wall_ns = clock_wall_ns(),
			     .tries = spec->retry + 1,
			     .pause_ms = spec->wait_ms,
			     .keep_ns = (int64_t)(spec->keep_ms * NS_PER_MS),
			     .waiting_max = spec->waiting };
	struct todo_ask *ask;
	struct buf record;

	if (key && (key->value.len == 0 || key->value.len > KEY_MAX)) {
		keep_refuse(request, 400, "invalid_input",
			    "an Idempotency-Key has 1 to 255 characters");
		return;
	}
	buf_init_arena(&record, &request->arena);
	if (!keep_fill(request, &todo, &record, texts)) {
		keep_refuse(request, 503, "memory_limit", "the request cannot be kept now");
		return;
	}
	ask = agendas_add(request->worker->server->agendas, &todo, request->worker->loop, keep_done,
			  request);
	if (!ask) {
		keep_refuse(request, 503, "unavailable", "too much waits for the store");
		return;
	}
	request->native = ask;
	request->on_cancel = keep_left;
}
