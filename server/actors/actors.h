/* server/actors/actors.h: the section `actors:`: named state, and handlers that change it.
 *
 * What an actor may do is compiled with its generation (struct actor_spec). What it is (its state,
 * its mailbox) lives in the process, at a home loop that its name chooses, and is carried over a
 * reload by its name: a message names its handler, which is looked up when its turn has come.
 *
 * An actor with a key (`cart/{user}`) is as many as there are keys: each comes to life with its first
 * message, and goes when it has been idle. Its whole name is "cart/alice"; values in it are
 * percent-encoded (TEMPLATE_NAME), so that none can forge another. */
#pragma once
#include "core/task/actor.h"
#include "server/flow/flow.h"

struct actor_foreign_kind;
struct actor_loop;
struct actor_send;
struct actors;
struct peer_loop;
struct blob;
struct compute_queue;
struct natives;
struct schema_loader;

enum {
	ACTOR_NAME_MAX = 512, /* bytes of a whole name */
	ACTOR_KEYS_MAX = 4,
	ACTOR_DELAYED_MAX = 100000, /* messages of one loop that are to be sent later */
};

#define ACTOR_STATE_MAX (size_t)(16 << 20) /* bytes of a state, as JSON */

/* ------------------------------------------------------------ compiled */

enum actor_restart {
	RESTART_KEEP,  /* a failure changes nothing */
	RESTART_RESET, /* the state is made anew, after a pause */
	RESTART_STOP,  /* its messages fail, until it has been idle or there is a reload */
};

struct actor_handler {
	struct str name, help;
	struct flow *flow;
	struct template_tree *set;   /* or NULL */
	struct template_tree *reply; /* or NULL: null */
	struct template *text;       /* instead of `reply`; or NULL */
	bool answers;                /* a foreign one: what it replies with is a value */
	struct str status;           /* of its answer over HTTP, as written; empty: 200 or 204 */
	uint64_t timeout_ms;
	bool gets;    /* `method: GET` */
	bool exposed; /* it has a route: POST /NAME/HANDLER */
};

struct actor_link {
	struct str actor, handler; /* as written */
	struct str peer, remote;   /* of one on another host: whose, and its name there; or empty */
};

struct actor_spec {
	struct str name, help; /* without its keys */
	struct str pattern;    /* "cart/{user}" */
	struct place place;
	size_t n_keys;
	const char **keys; /* NULL at the end */
	const struct node *node;
	struct template_tree *state;
	size_t n_handlers;
	struct actor_handler *handlers;
	struct actor_handler *init; /* or NULL */
	size_t n_links;
	struct actor_link *links;
	struct mailbox_limits mailbox;
	enum actor_restart restart;
	bool persists;
	const struct actor_foreign_kind
		*foreign; /* of a module, and only what is said here; NULL */
	uint64_t idle_ms; /* 0: never */
	size_t n_max;     /* that live at once */
};

struct actor_section {
	size_t n_specs, n_own; /* those of the file come first */
	struct actor_spec *specs;
	const char **names; /* NULL at the end */
	/* what handlers of modules have */
	const struct natives *natives;
	const struct compute_queue *compute;
};

extern const struct setting actor_keys[], actor_handler_keys[];

/* Before flows: tasks name actors. */
void actor_section_declare(struct actor_section *section, struct flow_compiler *compiler,
			   const struct node *node, size_t n_foreign);

/* One more, of those n_foreign: with the name, and keys in it, of the entry. NULL: there is one already, or
 * that cannot be a name: an error at the entry's place. */
struct actor_spec *actor_section_add(struct actor_section *section, struct flow_compiler *compiler,
				     const struct node_entry *entry);
/* After flows. Errors are in the compiler's diag. */
void actor_section_compile(struct actor_section *section, struct flow_compiler *compiler,
			   const struct node *node);

const struct actor_spec *actor_spec_find(const struct actor_section *section, struct str name);
const struct actor_handler *actor_handler_find(const struct actor_spec *spec, struct str name);

/* As many keys as the whole name has. And, before the handlers are compiled: there will be one. */
bool actor_spec_takes(const struct actor_spec *spec, struct str name);
bool actor_spec_declares(const struct actor_spec *spec, struct str handler);
const char *actor_spec_nearest(const struct actor_spec *spec, struct str handler,
			       struct arena *arena); /* as diag_nearest() */

/* What a handler with `expose: true` would be as an entry of `routes:`: NULL when it is not. */
struct node_entry *actor_route(const struct actor_spec *spec, const struct actor_handler *handler,
			       struct arena *arena);

/* ------------------------------------------------------------ at work */

/* Actors of other hosts, ACTOR@HOST (server/peers). */
struct actor_remote {
	/* As actors_send(), of such a name. */
	struct future *(*send)(struct actor_loop *from, const struct actor_send *send, bool asks,
			       enum error_code *ret_code, const char **ret_detail);

	/* The host that the name of one of its actors (ACTOR@HOST) says, counted, with its own name and what the actor
	 * is called there. NULL, with *ret_code and *ret_detail. */
	void *(*find)(struct actor_loop *from, struct str name, struct str *ret_there,
		      struct str *ret_host, enum error_code *ret_code, const char **ret_detail);
	void (*leave)(void *host);

	/* From now on the end of that actor there is to be told by actor_loop_tell_end(), once, as is the loss of the
	 * host; or not any more. False: it cannot be. Any thread; it calls nobody back. */
	bool (*watch)(void *host, struct str there, bool on);

	/* One of ours has, by its whole name: for who watches it. Any thread, with locks of actors held. */
	void (*on_down)(struct actor_loop *any, struct str name, enum actor_end end);

	/* One of ours has ended, or failed: `name` is its whole name, `group` that without keys. */
	void (*on_end)(struct actor_loop *on, struct str group, struct str name, struct str reason);
};

/* What the runs of one loop use; as of a request. */
struct actor_host {
	struct loop *loop;
	struct context context;                    /* what each run's begins with */
	void (*on_quiet)(struct actor_host *host); /* no message is left; of a loop that drains */
	const struct actor_remote *remote;         /* or NULL: there are no other hosts */
	struct peer_loop *peers;                   /* for `remote` */
};

/* What actors have counts in the budget (or NULL). `hosts` are of the loops that threads will run; their contexts may be filled later, before the first
 * generation. */
struct actors *actors_create(size_t n_loops, struct arena_budget *budget);
struct actor_loop *actors_add_loop(struct actors *actors, const struct actor_host *host);
struct actor_host *actor_loop_host(struct actor_loop *loop);

/* After the threads of the loops have ended, before the loops go: all end. NULL is accepted by both. */
void actors_end(struct actors *actors);
void actors_destroy(struct actors *actors); /* their memory: after the last that may send */

/* On the loop: from now on messages are handled by these; `number` grows with every generation. Actors that are not in it any more end
 * when they have handled what they have. */
void actor_loop_set(struct actor_loop *loop, void *generation, uint64_t number,
		    const struct actor_section *section, size_t memory_max,
		    struct arena_budget *budget);

/* On the loop: it is asked to become quiet. `cancel`: what is in work is cancelled, and nothing is
 * begun any more. */
void actor_loop_drain(struct actor_loop *loop, bool cancel);
bool actor_loop_is_quiet(const struct actor_loop *loop);

/* ------------------------------------------------------------ messages */

struct actor_send {
	struct str name; /* whole */
	struct str handler;
	struct blob *value; /* JSON; NULL: null. The call takes a reference of its own */
	struct str sender,
		sender_id;    /* the actor that sends, or empty; the id of what it sends for */
	uint64_t deadline_ns; /* of who asks, for other hosts; 0: none */
};

/* What an ask is answered with: the value of its future. */
struct actor_answer {
	enum error_code code;
	struct str custom_code, task, detail; /* `task`: of the handler; or empty */
	int status;
	struct blob *value; /* JSON; NULL: null */
};

/* For who answers in the place of an actor: the value of such a future, and what frees it. The failure's
 * texts are copied; takes the reference. */
struct failure;
struct actor_answer *actor_answer_create(const struct failure *failure, struct blob *value);
void actor_answer_free(void *value);

/* From the loop of `from`. Asks: the future's value is a struct actor_answer; else it is READY when the
 * message is in the mailbox. The caller's; or NULL, with *ret_code and *ret_detail. */
struct future *actors_send(struct actor_loop *from, const struct actor_send *send, bool asks,
			   enum error_code *ret_code, const char **ret_detail);

/* There is an actor of that name (without keys) in the generation at work. On the loop. */
bool actor_loop_knows(const struct actor_loop *loop, struct str name);

/* Those that are linked to `actor` of that peer are told that `name` (with the peer: "cart/7@shop") has
 * ended. On the loop. */
void actor_loop_tell_remote(struct actor_loop *loop, struct str peer, struct str actor,
			    struct str name, struct str reason);

/* That single actor of a host has ended, or its host is lost: see struct actor_remote. Any thread. */
void actor_loop_tell_end(struct actor_loop *loop, const void *host, struct str there,
			 enum actor_end end);

/* No end is told to other hosts any more: before these go, while actors still end on threads of the pool. */
void actor_loop_leave_hosts(struct actor_loop *any);

/* There is one of that whole name, or it rests in the store. On the loop. */
bool actor_loop_has(struct actor_loop *loop, struct str name);

/* A whole name as TEMPLATE_ACTOR writes its values, of whoever may have written it otherwise: each key has one
 * text. */
bool actor_name_is_canonical(struct str name);

/* What the errno of such a future means. */
enum error_code actor_error(int error, const char **ret_detail);

/* ERROR_NONE, or why it cannot be sent: there is no such actor, … *ret_persists: the actor is in the store,
 * and what is sent to it later belongs there, too. */
enum error_code actors_look(struct actor_loop *from, const struct actor_send *send,
			    bool *ret_persists, const char **ret_detail);

/* Sends it after that time, whatever becomes of the flow that asked for it. `key` (may be empty) is
 * what it can be cancelled by. ERROR_NONE, or why not: ERROR_QUEUE_FULL, ERROR_MEMORY_LIMIT. */
enum error_code actors_send_later(struct actor_loop *from, const struct actor_send *send,
				  uint64_t delay_ms, struct str key, const char **ret_detail);
void actors_cancel(struct actor_loop *from, struct str key);

/* ------------------------------------------------------------ what people are shown */

/* Appends a JSON object for each actor of the loop, separated by commas; at most n_max: those with a message in work come first.
 * `name` (empty: all) is that of one, or without keys. Returns how many these are. */
size_t actor_loop_write(struct actor_loop *loop, struct str name, size_t n_max, struct buf *out);

struct actor_figures {
	struct str name;
	uint64_t n_handled, n_failed, n_refused;
	size_t n_live, n_messages;
	size_t n_bytes; /* of their states, their mailboxes and themselves */
};
/* Of all with this name, whatever their keys. Any thread. */
void actors_figures(struct actors *actors, struct str name, struct actor_figures *ret_figures);
