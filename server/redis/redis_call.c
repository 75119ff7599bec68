/* server/redis/redis_call.c */
#include "server/redis/redis_call.h"
#include "server/redis/redis_pool.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORD_MAX = 32 };

/* Letters in upper case and the like: nothing that may have come from a request. */
struct str redis_error_word(struct str error)
{
	size_t len = 0;

	while (len < error.len && len < WORD_MAX &&
	       ((error.ptr[len] >= 'A' && error.ptr[len] <= 'Z') || char_is_digit(error.ptr[len]) ||
		error.ptr[len] == '_'))
		len++;
	return len > 0 && (len == error.len || error.ptr[len] == ' ') ? str_first(error, len)
								      : STR("ERR");
}

/* ------------------------------------------------------------ the end of a call */

static void call_put(struct redis_call *call)
{
	if (--call->n_left == 0)
		call->on_end(call);
}

static void call_note(struct redis_call *call, enum redis_error error, size_t command,
		      const char *detail)
{
	if (call->error != REDIS_OK)
		return;
	call->error = error;
	call->failed = command;
	snprintf(call->detail, sizeof(call->detail), "%s", detail);
}

void ticket_end(struct redis_ticket *ticket)
{
	struct redis_call *call = ticket->call;

	check(!list_is_linked(&ticket->link));
	list_remove(&ticket->of_call);
	free(ticket);
	if (call)
		call_put(call);
}

void ticket_fail(struct redis_ticket *ticket, enum redis_error error, const char *detail)
{
	struct redis *redis = ticket->pool->redis;

	atomic_fetch_add_explicit(&redis->stats.errors, 1, memory_order_relaxed);
	if (ticket->call) {
		call_note(ticket->call, error, ticket->first, detail);
		ticket->call->sent |= ticket->sent;
	}
	ticket_end(ticket);
}

void redis_call_cancel(struct redis_call *call)
{
	struct redis_ticket *ticket;

	list_each(ticket, &call->tickets, struct redis_ticket, of_call) {
		list_remove(&ticket->of_call);
		call->sent |= ticket->sent;
		ticket->call = NULL;
		redis_pool_leave(ticket);
	}
	call->n_left = 0;
}

/* ------------------------------------------------------------ what is sent */

static void add_length(struct buf *out, char type, size_t length)
{
	buf_add_char(out, type);
	buf_add_u64(out, length);
	buf_add(out, STR("\r\n"));
}

static void add_text(struct buf *out, struct str text)
{
	add_length(out, '$', text.len);
	buf_add(out, text);
	buf_add(out, STR("\r\n"));
}

static void add_command(struct buf *out, const struct redis_command *command)
{
	add_length(out, '*', command->n_args);
	for (size_t i = 0; i < command->n_args; i++)
		add_text(out, command->args[i]);
}

/* EVALSHA's arguments, with the text in place of its hash. */
static void add_script(struct buf *out, const struct redis_request *request)
{
	const struct redis_command *command = &request->commands[0];

	add_length(out, '*', command->n_args);
	add_text(out, STR("EVAL"));
	add_text(out, request->script);
	for (size_t i = 2; i < command->n_args; i++)
		add_text(out, command->args[i]);
}

/* The header of the ticket is in front of the bytes: one block. */
static struct redis_ticket *ticket_make(struct redis_call *call, size_t first, size_t n_commands,
					bool evals)
{
	const struct redis_request *request = &call->request;
	struct redis_ticket *ticket;
	struct buf out;

	buf_init(&out, sizeof(*ticket) + request->redis->waiting_bytes);
	if (buf_reserve(&out, sizeof(*ticket) + 256))
		out.len = sizeof(*ticket);
	if (request->transaction)
		buf_add(&out, STR("*1\r\n$5\r\nMULTI\r\n"));
	for (size_t i = 0; i < n_commands; i++)
		if (evals)
			add_script(&out, request);
		else
			add_command(&out, &request->commands[first + i]);
	if (request->transaction)
		buf_add(&out, STR("*1\r\n$4\r\nEXEC\r\n"));
	if (out.error) {
		call_note(call, out.error == -EMSGSIZE ? REDIS_TOO_LARGE : REDIS_MEMORY, first,
			  "the command is larger than what may wait for the server");
		buf_fini(&out);
		return NULL;
	}
	ticket = (struct redis_ticket *)(void *)out.data;
	*ticket = (struct redis_ticket){ .call = call,
					 .pool = call->pool,
					 .first = (uint32_t)first,
					 .n_commands = (uint32_t)n_commands,
					 .slot = -1,
					 .lane = call->lane,
					 .transaction = request->transaction,
					 .reads = request->reads,
					 .evals = evals,
					 .size = out.len - sizeof(*ticket) };
	list_init(&ticket->link);
	list_init(&ticket->of_call);
	list_add(&call->tickets, &ticket->of_call);
	call->n_left++;
	return ticket;
}

struct redis_ticket *ticket_with_script(struct redis_ticket *ticket)
{
	struct redis_call *call = ticket->call;
	struct redis_ticket *made = ticket_make(call, ticket->first, ticket->n_commands, true);

	if (made) {
		made->slot = ticket->slot;
		made->n_moves = ticket->n_moves;
		made->lane = ticket->lane;
	}
	ticket_end(ticket);
	return made;
}

/* ------------------------------------------------------------ the start */

/* -1: any server will do; -2: there is no one server. */
static int call_slot(const struct redis_request *request, size_t first, size_t n_commands)
{
	int slot = -1;

	for (size_t i = first; i < first + n_commands; i++) {
		const struct redis_command *command = &request->commands[i];
		int own = command_slot_of(command->known, command->args, command->n_args);

		if (own == -2 || (own >= 0 && slot >= 0 && own != slot))
			return -2;
		slot = own >= 0 ? own : slot;
	}
	return slot;
}

static void call_send(struct redis_call *call, struct redis_node *node, size_t first,
		      size_t n_commands)
{
	const struct redis_request *request = &call->request;
	struct redis_ticket *ticket;
	int slot = -1;

	if (request->redis->mode == REDIS_CLUSTER && !node)
		slot = call_slot(request, first, n_commands);
	if (slot == -2) {
		call_note(call, REDIS_CROSS_SLOT, first, "CROSSSLOT");
		return;
	}
	ticket = ticket_make(call, first, n_commands, false);
	if (!ticket)
		return;
	ticket->slot = slot;
	if (node)
		redis_node_send(node, ticket);
	else
		redis_pool_send(ticket);
	if (call->lane < 0 && !list_is_empty(&call->tickets))
		call->lane = container_of(call->tickets.prev, struct redis_ticket, of_call)->lane;
}

static void call_begin(struct redis_call *call, struct redis_pool *pool, struct arena *arena,
		       const struct redis_request *request, struct redis_node *node)
{
	bool each = request->redis->mode == REDIS_CLUSTER && !request->transaction && !node;
	size_t n_commands = request->n_commands;

	call->request = *request;
	call->pool = pool;
	call->arena = arena;
	call->error = REDIS_OK;
	call->failed = 0;
	call->sent = false;
	call->lane = -1;
	call->n_left = 1;
	list_init(&call->tickets);
	atomic_fetch_add_explicit(&request->redis->stats.commands, n_commands,
				  memory_order_relaxed);
	call->results = arena_alloc_array(arena, n_commands, sizeof(*call->results));
	if (!call->results)
		call_note(call, REDIS_MEMORY, 0, "limits.memory is reached");
	for (size_t i = 0; call->results && i < n_commands; i++)
		call->results[i] = value_null();
	for (size_t i = 0; call->error == REDIS_OK && i < n_commands; i += each ? 1 : n_commands)
		call_send(call, node, i, each ? 1 : n_commands);
	call_put(call);
}

void redis_call_start(struct redis_call *call, struct redis_loop *loop, struct arena *arena,
		      const struct redis_request *request)
{
	call_begin(call, redis_loop_pool(loop, request->redis), arena, request, NULL);
}

void redis_call_start_at(struct redis_call *call, struct redis_node *node, struct arena *arena,
			 const struct redis_request *request)
{
	call_begin(call, node->pool, arena, request, node);
}

/* ------------------------------------------------------------ replies */

uint32_t ticket_n_replies(const struct redis_ticket *ticket)
{
	return ticket->transaction ? ticket->n_commands + 2 : ticket->n_commands;
}

/* Of a transaction only EXEC's reply is kept. */
void ticket_want(const struct redis_ticket *ticket, struct resp_want *ret_want)
{
	const struct redis_call *call = ticket->call;
	size_t max = call ? call->request.reply_max : 0;
	bool kept = !ticket->transaction || ticket->n_seen == ticket->n_commands + 1;

	*ret_want = (struct resp_want){ .arena = call && kept ? call->arena : NULL,
					.max = max ? max : ticket->pool->redis->reply_max,
					.base64 = call && call->request.base64 };
}

/* Names and values in turn. */
static int value_pairs(struct value *value, struct arena *arena)
{
	size_t n_pairs = value->len / 2;
	struct member *members;

	if (value->kind != VALUE_LIST || value->len % 2)
		return 0;
	members = arena_alloc_array(arena, n_pairs + 1, sizeof(*members));
	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < n_pairs; i++) {
		if (value->items[2 * i].kind != VALUE_TEXT)
			return 0;
		members[i] = (struct member){ value->items[2 * i], value->items[2 * i + 1] };
	}
	*value = value_object(members, n_pairs);
	return 0;
}

static void call_set(struct redis_call *call, size_t command, struct value value)
{
	const struct command *known = call->request.commands[command].known;

	if (known && known->flags & COMMAND_PAIRS && value_pairs(&value, call->arena) < 0)
		call_note(call, REDIS_MEMORY, command, "limits.memory is reached");
	call->results[command] = value;
}

static void call_fail_by(struct redis_call *call, size_t command, const struct resp_reply *reply)
{
	char word[WORD_MAX + 1];

	switch (reply->status) {
	case RESP_OK:
		return;
	case RESP_ERROR:
		snprintf(word, sizeof(word), "%.*s", STR_ARG(redis_error_word(reply->error)));
		call_note(call, REDIS_REPLIED, command, word);
		return;
	case RESP_TOO_LARGE:
		call_note(call, REDIS_TOO_LARGE, command, "the reply is too large");
		return;
	case RESP_BINARY:
		call_note(call, REDIS_BINARY, command,
			  "the reply is not UTF-8; `binary: base64` takes it");
		return;
	case RESP_MEMORY:
		call_note(call, REDIS_MEMORY, command, "limits.memory is reached");
		return;
	}
	unreachable();
}

static void ticket_count_error(const struct redis_ticket *ticket)
{
	atomic_fetch_add_explicit(&ticket->pool->redis->stats.errors, 1, memory_order_relaxed);
}

static void ticket_set_all(struct redis_ticket *ticket, const struct resp_reply *reply)
{
	for (uint32_t i = 0; i < ticket->n_commands; i++)
		if (reply->value.kind == VALUE_LIST && i < reply->value.len)
			call_set(ticket->call, ticket->first + i, reply->value.items[i]);
}

/* MULTI's and those of the commands say whether they are queued; the first that is not says why
 * EXEC does nothing. */
static bool ticket_reply_of_many(struct redis_ticket *ticket, const struct resp_reply *reply,
				 struct str *ret_refused)
{
	bool last = ++ticket->n_seen == ticket_n_replies(ticket);

	if (ticket->n_seen == 1)
		ticket->refusal[0] = '\0';
	if (!last && reply->status == RESP_ERROR && !ticket->refusal[0])
		snprintf(ticket->refusal, sizeof(ticket->refusal), "%.*s", STR_ARG(reply->error));
	if (!last)
		return false;
	if (reply->status == RESP_ERROR && ticket->refusal[0]) {
		*ret_refused = str_of(ticket->refusal);
		return true;
	}
	if (reply->status == RESP_OK && ticket->call)
		ticket_set_all(ticket, reply);
	else if (ticket->call)
		call_fail_by(ticket->call, ticket->first, reply);
	if (reply->status != RESP_OK)
		ticket_count_error(ticket);
	return true;
}

bool ticket_reply(struct redis_ticket *ticket, const struct resp_reply *reply,
		  struct str *ret_refused)
{
	size_t command = ticket->first + ticket->n_seen;

	*ret_refused = STR_NONE;
	if (ticket->transaction)
		return ticket_reply_of_many(ticket, reply, ret_refused);
	ticket->n_seen++;
	if (reply->status == RESP_ERROR && ticket->n_commands == 1) {
		*ret_refused = reply->error;
		return true;
	}
	if (reply->status == RESP_OK && ticket->call)
		call_set(ticket->call, command, reply->value);
	else if (ticket->call)
		call_fail_by(ticket->call, command, reply);
	if (reply->status != RESP_OK && reply->status != RESP_BINARY)
		ticket_count_error(ticket);
	return ticket->n_seen == ticket->n_commands;
}
