/* server/redis/redis_call.h: commands to a Redis server, and what it replies.
 *
 * A call's commands are one or several tickets: a ticket's commands go over one connection as one
 * block. Without a cluster a call is one ticket; in a cluster each command goes to the server of
 * its key, and a transaction is one ticket.
 *
 * The call owns nothing of its request: what that points at must stay until the end. A ticket is a
 * block of its own, for its replies come even when the call was cancelled: then they are read to
 * their end and dropped, so that the others keep their order. */
#pragma once
#include "server/redis/command.h"
#include "server/redis/redis.h"
#include "server/redis/resp.h"

struct redis_conn;
struct redis_loop;
struct redis_node;
struct redis_pool;

enum {
	REDIS_COMMANDS_MAX = 1000, /* of one call */
	REDIS_MOVES_MAX = 6,       /* of a ticket, from server to server */
};

enum redis_error {
	REDIS_OK,
	REDIS_TIMEOUT,
	REDIS_CONNECT_FAILED,
	REDIS_DNS_FAILED,
	REDIS_TLS_FAILED,
	REDIS_EXHAUSTED,  /* too many wait already */
	REDIS_REPLIED,    /* an error of the server's; or the connection said what is no reply */
	REDIS_LOST,       /* the connection was lost after the command was sent */
	REDIS_CROSS_SLOT, /* the keys are on several servers of a cluster */
	REDIS_TOO_LARGE,
	REDIS_BINARY, /* a text that is not UTF-8 */
	REDIS_MEMORY,
};

struct redis_command {
	const struct command *known; /* or NULL */
	const struct str *args;      /* the name is the first */
	size_t n_args;
};

struct redis_request {
	struct redis *redis;
	const struct redis_command *commands;
	size_t n_commands;
	bool transaction;  /* between MULTI and EXEC */
	bool reads;        /* all of them: they may be sent again */
	bool base64;       /* texts of replies become base64 */
	struct str script; /* of an EVALSHA, for a server that does not have it; or empty */
	size_t reply_max;  /* bytes of each reply; 0: as the entry says */
};

struct redis_call {
	struct redis_request request;
	struct redis_pool *pool;
	struct arena *arena;
	void (*on_end)(struct redis_call *call); /* once, perhaps from within redis_call_start() */
	void *owner;
	struct value *results;          /* of each command; null where there is none */
	enum redis_error error;         /* the first one */
	size_t failed;                  /* the command that has it */
	bool sent;                      /* servers may have done some of it */
	char detail[REDIS_PROBLEM_MAX]; /* no values of requests in it */
	struct list tickets;
	size_t n_left; /* tickets, and one while it is being started */
	int lane;      /* which connection of a server; -1: any yet */
};

struct redis_ticket {
	struct list link;        /* where it waits, or is sent */
	struct list of_call;     /* in call->tickets, unless it was cancelled */
	struct redis_call *call; /* NULL: it was cancelled */
	struct redis_pool *pool;
	struct arena_budget *budget; /* that its bytes are counted in; or NULL */
	struct redis_conn *conn;     /* whose it is; NULL: the pool's, or nobody's */
	uint32_t first, n_commands;  /* among the call's */
	uint32_t n_seen;             /* replies so far, of ticket_n_replies() */
	int slot;                    /* in a cluster; -1: any server */
	int lane;
	uint8_t n_moves;
	bool transaction, reads;
	bool asking;   /* ASKING is sent before it, and has a reply */
	bool repeated; /* it was sent before, over a connection that was lost */
	bool evals;    /* the script is in it */
	bool sent;
	char refusal[REDIS_PROBLEM_MAX]; /* of a transaction: why a command was not queued */
	size_t size;
	char bytes[];
};

/* `arena` has the results and is not required. */
void redis_call_start(struct redis_call *call, struct redis_loop *loop, struct arena *arena,
		      const struct redis_request *request);

/* The same to one server, whatever the keys. */
void redis_call_start_at(struct redis_call *call, struct redis_node *node, struct arena *arena,
			 const struct redis_request *request);

/* on_end() will not be called. Harmless when it was. */
void redis_call_cancel(struct redis_call *call);

/* ---- for whoever carries tickets */

uint32_t ticket_n_replies(const struct redis_ticket *ticket);
void ticket_want(const struct redis_ticket *ticket, struct resp_want *ret_want);

/* The next reply, but ASKING's. True: it was the last, and the ticket is the caller's to end or to
 * move: *ret_refused is then what the server did not carry out, or empty. */
bool ticket_reply(struct redis_ticket *ticket, const struct resp_reply *reply,
		  struct str *ret_refused);

/* Frees it; its call may end by that. */
void ticket_end(struct redis_ticket *ticket);
void ticket_fail(struct redis_ticket *ticket, enum redis_error error, const char *detail);

/* For a script that the server does not have: the same with its text; `ticket` is freed. NULL
 * without memory, then it has failed. */
struct redis_ticket *ticket_with_script(struct redis_ticket *ticket);

/* The first word of an error, which names its kind; cut off where it is none. */
struct str redis_error_word(struct str error);
