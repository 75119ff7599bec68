/* long: one header is all that a module includes, and its manual */
/* leat.h: native modules for leat: functions and verbs in C (C11; C++11 as well).
 *
 * A module is a shared object that exports one symbol, `leat_module`. The smallest one:
 *
 * 	#include <leat.h>
 *
 * 	static void greet(struct leat_call *call)
 * 	{
 * 		struct leat_text name = leat->text(leat->member(leat->input(call), "name"));
 *
 * 		leat->json_text(leat->result(call), name.ptr, name.len);
 * 	}
 *
 * 	static const struct leat_function functions[] = {
 * 		{ "greet", "Gives the name back.", greet, NULL },
 * 		LEAT_END
 * 	};
 *
 * 	LEAT_MODULE("hello", functions, NULL, NULL, NULL);
 *
 * 	cc -std=c11 -shared -fPIC $(pkg-config --cflags leat) -o hello.so hello.c
 *
 * and in leat.yaml, by a path relative to that file:
 *
 * 	modules: [hello.so]
 * 	routes:
 * 	  GET /greet/{name}:
 * 	    tasks:
 * 	      greeting: { native: hello.greet, with: { name: "${path.name}" } }
 * 	    reply: { json: "${greeting}" }
 *
 * A module has functions, which YAML calls by `native: MODULE.FUNCTION` and which run on a thread
 * of the compute pool; verbs, with keys of their own, which run there, too, or start tasks on
 * the loop of the request and await them: timers, HTTP requests, counters, futures, computations,
 * signals, in series, in parallel, in a graph. Those are leat's own tasks, what YAML is compiled to: they have
 * the request's deadline, and are cancelled with it. And it has actors: state that only messages
 * touch, one at a time, which flows reach by `send:` and `ask:`, and HTTP by /ACTOR/HANDLER.
 *
 * Everything that leat does for a module is a function of the table `leat`. So a module needs no
 * library to link with, the daemon exports no symbols, and a module that is too new for a daemon is
 * told from one that fits before any of its code is called.
 *
 * Threads. A call belongs to one thread: that of the compute pool which runs it, until its function
 * returns; or that of the loop, until its last task has ended. What takes a call, a task, a value or
 * a writer is called on that thread, from what leat is just calling; what may be called on any
 * thread says so. (That is, on threads of leat, and on the module's own from init() on until fini()
 * returns.) On a loop nothing may block, or compute for more than a millisecond: all other
 * requests of that loop wait. Work goes to the pool.
 *
 * Mistakes. What a module must not do (a task that is started twice, a result that is set twice, the
 * wrong thread, a call that has ended) ends the daemon with a line that names the module, the verb and the function: going on
 * would corrupt what is not corrupt yet. What users, files and networks do wrong is never a mistake:
 * it is a failure, by leat->fail(), or the outcome of a task.
 *
 * Memory. Texts, values, tasks and writers are leat's, and live until their call has ended. What a
 * module hands over is copied, unless it says otherwise. A call's memory is bounded by
 * `limits.memory`; where it is used up a function says what it returns, and leat itself fails the
 * task with `memory_limit`: a module need not look, unless it would follow a NULL.
 *
 * Life. A module is loaded with the configuration that names it, each time from a private copy, so
 * that its file may be replaced at any time: `leat reload` takes the new one. A module whose file
 * is the same goes on, with its state and its actors. When no configuration and no request uses a module any more
 * its actors are ended, in order: what is in their mailboxes is handled still, nothing new is taken. fini() is called, and the
 * module unloaded, after the last of them has ended. (Those of the module that comes in its place live beside
 * them meanwhile, under the same names: requests of the new configuration reach the new ones.) `leat check` reads a module's tables and calls nothing in it
 * but what the dynamic linker calls (constructors): so those must do no harm. (A C++ module can be
 * unloaded only when it is built with -fno-gnu-unique.)
 *
 * Versions. Within one LEAT_ABI_MAJOR the structs of this header stay as they are, but two: functions are
 * added to the end of struct leat_api, and tables to the end of struct leat_module, by which LEAT_ABI_MINOR
 * grows. What a module of an older minor version does not have is not looked for. 1.1: actors. 1.2: defer(),
 * associate(). 1.3: link_name(), unlink_name(). */
#ifndef LEAT_H
#define LEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_ABI_MAJOR 1
#define LEAT_ABI_MINOR 3
#define LEAT_ABI (((uint32_t)LEAT_ABI_MAJOR << 16) | LEAT_ABI_MINOR)

struct leat_actor;   /* state, and a mailbox; a handle of one */
struct leat_call;    /* one run of a function or a verb, or of a handler for one message */
struct leat_delayed; /* a message that is to be sent later */
struct leat_json;    /* a writer of JSON */
struct leat_promise; /* what a future waits for */
struct leat_task;    /* a task on the loop */
struct leat_value;   /* a value: null, a boolean, a number, a text, a list, an object */

typedef void leat_fn(struct leat_call *call);
typedef void leat_task_fn(struct leat_task *task);
typedef void leat_free_fn(void *data);

/* Bytes, with no NUL behind them; `ptr` may be NULL when `len` is 0. */
struct leat_text {
	const char *ptr;
	size_t len;
};

/* ------------------------------------------------------------ what a module is: its tables
 *
 * All of it is constant and is read when the configuration is loaded, by `leat check` and `leat
 * schema`, too. A table ends with a row whose name is NULL: LEAT_END. Names are lower-case letters,
 * digits and _, at most 64, and begin with a letter. */

/* The type of a key says what may stand there in YAML, and what leat->key() gives. */
enum leat_key_type {
	LEAT_KEY_VALUE,    /* anything, also lists and maps; the same */
	LEAT_KEY_BOOL,     /* true, false; a boolean */
	LEAT_KEY_INT,      /* a whole number from min to max; the number */
	LEAT_KEY_TEXT,     /* a scalar; a text */
	LEAT_KEY_DURATION, /* 200ms, 5s, 10m, 3h, 2d; milliseconds, from min to max */
	LEAT_KEY_SIZE,     /* 64k, 8m, 1g; bytes, from min to max */
	LEAT_KEY_CHOICE,   /* one of `choices`; that text */
};

enum {
	LEAT_REQUIRED = 1, /* of a key: a task without it is an error */
	LEAT_EXPRESSION =
		2, /* of a key: ${…} may stand there; what it gives is checked by the type at
			      * run time, and is otherwise the failure `invalid_input` */
	LEAT_SECRET =
		4, /* of a key with LEAT_EXPRESSION: ${secret.…} may be in it. The module takes
			      * care that it appears in no result and no log */
	LEAT_IDEMPOTENT = 8, /* of a function or a verb: a second run does no harm, so `retry:` may
			      * repeat it without being told which failures */
	LEAT_ON_POOL =
		16, /* of a kind: its messages are handled on threads of the compute pool, still one
			      * at a time for each actor: for what computes or blocks. They start no tasks */
	LEAT_EXPOSE =
		32, /* of a kind: POST /NAME/HANDLER reaches it without a route, with the body as the
			      * message, when the configuration has no route of that pattern */
	LEAT_GET = 64, /* of a handler: GET does instead, with the query as the message */
};

struct leat_key {
	const char *name;
	const char *help; /* one sentence, for `leat schema` */
	enum leat_key_type type;
	unsigned flags;             /* LEAT_REQUIRED, LEAT_EXPRESSION, LEAT_SECRET */
	const char *value_default;  /* as it would be written in YAML; NULL: null */
	int64_t min, max;           /* both 0: any */
	const char *const *choices; /* for LEAT_KEY_CHOICE: NULL at the end; else NULL */
};

/* Called by `native: MODULE.NAME`, with `with:` as leat->input(), on a thread of the compute pool:
 * of the queue that `queue:` names. */
struct leat_function {
	const char *name;
	const char *help;
	leat_fn *run;
	unsigned flags; /* LEAT_IDEMPOTENT */
};

/* A verb of tasks. Its name is that of the module, or begins with it and an underscore: so it
 * cannot be that of another module or of a later leat. It has the keys of its table, `queue` (the
 * compute queue that it uses), and all modifiers. */
struct leat_verb {
	const char *name;
	const char *help;
	const struct leat_key *value; /* what stands at the verb itself (its name is not used):
					 leat->input(); NULL: LEAT_KEY_VALUE with LEAT_EXPRESSION */
	const struct leat_key *keys;  /* or NULL */
	leat_fn *run;                 /* on a thread of the compute pool; NULL: `start` */
	size_t state_size;            /* of leat->state(), cleared */
	leat_free_fn
		*release; /* NULL, or called once with the state when all is over: on any thread */
	unsigned flags;   /* LEAT_IDEMPOTENT */
	/* In place of `run`: on the loop, where it makes and starts tasks. The call ends when the last
	 * of them has ended; without any, when it returns. */
	leat_fn *start;
};

/* One kind of message that an actor handles: its name is the `handler:` of `send` and `ask`. */
struct leat_handler {
	const char *name;
	const char *help;
	/* With a call of its own: leat->input() is the message, leat->state() the actor's state, what it writes
	 * as leat->result() is the reply, leat->fail() fails who asks. On the loop it may start tasks, as a
	 * verb's start(): then the message is in work until the last of them has ended. No other message of
	 * this actor is begun meanwhile. */
	leat_fn *run;
	unsigned flags; /* LEAT_GET */
};

/* What becomes of a message when the mailbox has no room for it. */
enum leat_full {
	LEAT_REJECT,      /* its sender is told: queue_full */
	LEAT_WAIT,        /* it waits for room, in order: as many as waiting_max, then queue_full */
	LEAT_DROP_OLDEST, /* the oldest messages make room; who has asked by them is told: queue_full */
	LEAT_DROP_NEWEST, /* it is dropped, as if it had been taken; who asks is told: queue_full */
};

/* Actors that do the same. leat->spawn() makes any number of them. */
struct leat_kind {
	/* "counter", or with keys as in `actors:`: "room/{id}". YAML can name what is in this table: so a
	 * configuration is refused that asks for an actor or a handler that is none, or that has an actor
	 * of the same name itself. */
	const char *name;
	const char *help;
	const struct leat_handler *handlers; /* at least one */
	/* NULL, or handles the notice that an actor has ended to which this one is linked: leat->input() is
	 * { "actor": its name or null, "reason": "normal" … }, leat->subject() is that actor; NULL when it was linked to by
	 * its name. It comes before all messages. */
	leat_fn *on_exit;
	/* NULL, or called once with the state of each actor when it has ended: on its loop, or any thread
	 * of the pool. */
	leat_free_fn *release;
	unsigned flags;        /* LEAT_ON_POOL, LEAT_EXPOSE */
	unsigned messages_max; /* in a mailbox; 0: 1,000 */
	unsigned waiting_max;  /* for room, with LEAT_WAIT; 0: 1,000 */
	size_t bytes_max; /* of the messages in a mailbox; 0: 16 MiB. `limits.total_memory` counts them, too */
	enum leat_full full;
	uint64_t
		timeout_ms; /* of a message in work, on the loop: then its tasks are cancelled and who asked is told `timeout`; 0: 30 s */
};

struct leat_api;

struct leat_module {
	uint32_t abi;                 /* LEAT_ABI */
	const struct leat_api **leat; /* where leat puts its table */
	const char *name;
	const struct leat_function *functions; /* or NULL */
	const struct leat_verb *verbs;         /* or NULL */
	/* NULL, or called once, when a configuration that names the module is taken into use, before
	 * anything else; on some thread of its own. Returns NULL, or what is wrong, as constant text:
	 * then the configuration is refused with it. */
	const char *(*init)(void);
	/* NULL, or called once after init() has succeeded, when nothing of the module runs any more,
	 * before it is unloaded; on some thread. It ends the threads that the module has started: when
	 * it returns none of them may be in the module's code, and its promises are used up. */
	void (*fini)(void);
	const struct leat_kind *kinds; /* or NULL; since 1.1 */
};

#ifdef __cplusplus
#define LEAT_END                                                                                   \
	{                                                                                          \
	}
#else
#define LEAT_END                                                                                   \
	{                                                                                          \
		0                                                                                  \
	}
#endif

#if defined(__GNUC__) || defined(__clang__)
#define LEAT_EXPORT __attribute__((visibility("default")))
#define LEAT_HIDDEN __attribute__((visibility("hidden")))
#define LEAT_FORMAT(at, from) __attribute__((format(printf, at, from)))
/* A struct may be initialised in part, as modules for older versions of this file do it. */
#define LEAT_PARTLY                                                                                \
	_Pragma("GCC diagnostic push")                                                             \
		_Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")
#define LEAT_WHOLLY _Pragma("GCC diagnostic pop")
#else
#define LEAT_EXPORT
#define LEAT_HIDDEN
#define LEAT_FORMAT(at, from)
#define LEAT_PARTLY
#define LEAT_WHOLLY
#endif

/* The functions below; set before init() is called. */
extern LEAT_HIDDEN const struct leat_api *leat;
extern LEAT_EXPORT const struct leat_module leat_module;

/* Once in a module: name, functions, verbs, init, fini, kinds; what is left out at the end is NULL. In C
 * also by name: LEAT_MODULE(.name = "hello", .functions = functions). */
#define LEAT_MODULE(...)                                                                           \
	LEAT_PARTLY                                                                                \
	const struct leat_api *leat;                                                               \
	const struct leat_module leat_module = { LEAT_ABI, &leat, __VA_ARGS__ };                   \
	LEAT_WHOLLY                                                                                \
	extern LEAT_EXPORT const struct leat_module leat_module

/* ------------------------------------------------------------ what leat does for a module */

enum leat_type {
	LEAT_NULL,
	LEAT_BOOL,
	LEAT_NUMBER,
	LEAT_TEXT,
	LEAT_LIST,
	LEAT_OBJECT,
};

enum leat_level {
	LEAT_ERROR,
	LEAT_WARNING,
	LEAT_INFO,
	LEAT_DEBUG,
};

/* How a task has ended. */
enum leat_outcome {
	LEAT_OK,
	LEAT_FAILED,    /* leat->error() tells */
	LEAT_TIMED_OUT, /* its own time, leat->timeout(), has passed */
	LEAT_CANCELLED, /* or its turn never came */
};

/* When a parallel ends, and how. */
enum leat_policy {
	/* OK when all children are. The first that is not gives its outcome; the rest is cancelled. */
	LEAT_ALL,
	/* OK with the first child that is, and the rest is cancelled: a race. When none is, the outcome
	 * of the first. */
	LEAT_ANY,
	/* OK when all have ended, however: Workflow's ParallelWork. */
	LEAT_EACH,
};

struct leat_request {
	const char *method; /* NULL: GET */
	/* "NAME:/path" of a service of the section `http`, or http://host/path, or https://. Characters
	 * that a URL cannot have are the module's to encode. */
	const char *url;
	/* NULL, or name, value, name, value, …, NULL. Host, Content-Length and what concerns the
	 * connection are leat's. */
	const char *const *headers;
	const void *body; /* NULL: none */
	size_t body_size;
	size_t body_max; /* bytes of the response's; 0: as the service says, 8 MiB unless told */
};

struct leat_work {
	leat_fn *run;                   /* with a call of its own */
	const struct leat_value *input; /* its leat->input(), copied; NULL: null */
	const void *data;               /* its leat->state(): a copy of these `size` bytes */
	size_t size;
	leat_free_fn
		*release; /* NULL, or called once with the copy when all is over: on any thread */
};

struct leat_signal {
	const char *name;
	const char *json; /* what it brings: `json_len` bytes of JSON, copied; 0: null */
	size_t json_len;
	uint64_t wake;    /* how many it wakes, those first who have waited longest; 0: all */
	uint64_t keep_ms; /* how long it is kept when there are fewer; 0: it is lost */
};

/* Why an actor has ended. */
enum leat_exit {
	LEAT_LIVES,
	LEAT_NORMAL, /* it was asked to end, in order, or wanted to */
	LEAT_BROKEN, /* it said so: leat->exit(call, true) */
	LEAT_KILLED, /* it was ended at once */
	LEAT_NOBODY, /* of a notice: it had ended before it was linked to */
};

/* A message. */
struct leat_mail {
	struct leat_actor *actor; /* to that one; or NULL, and: */
	const char *name; /* to the actor of that name: of a module, or of the section `actors` */
	const char *handler;
	const char *json; /* `json_len` bytes of JSON, copied; 0: null */
	size_t json_len;
};

struct leat_api {
	size_t size; /* of this table as the daemon has it */

	/* -------------------------------------------------------- the call */

	/* What the task gave: `with:` of `native`, the verb's own value; null without one. */
	const struct leat_value *(*input)(struct leat_call *call);

	/* The value of one of the verb's keys; its default, or null, when the task does not have it. A
	 * name that is not in the table is a mistake. */
	const struct leat_value *(*key)(struct leat_call *call, const char *name);

	/* The writer of the result, what ${task} will be. Nothing written is null. The value is whole
	 * when the call ends; a second one is a mistake: a result that is set twice. */
	struct leat_json *(*result)(struct leat_call *call);

	/* In place of JSON: a text of any bytes, such as an image: `reply: {body: "${task}"}`. Once. */
	void (*result_bytes)(struct leat_call *call, const void *ptr, size_t size);

	/* Fails the task: with one of leat's codes ("invalid_input", "unavailable", …) or one of the
	 * module's own, whose status is 500. `status` 0 is that of the code. The detail, at most 1,000
	 * bytes, is for the log and ${error.detail}; it never appears in an answer by itself. A
	 * failure drops the result. The first one counts. On the loop it ends the call: all tasks that
	 * are live are cancelled. */
	void (*fail)(struct leat_call *call, const char *code, int status, const char *format, ...)
		LEAT_FORMAT(4, 5);

	/* Memory of the call, aligned for any type, cleared, freed at the call's end. NULL when there
	 * is no more of it; the call is then failed with memory_limit. */
	void *(*alloc)(struct leat_call *call, size_t size);

	/* The verb's state_size bytes, cleared at the call's beginning; NULL of a function. */
	void *(*state)(struct leat_call *call);

	/* Nobody waits for the result any more: the deadline has passed, the client has left, the flow
	 * has failed elsewhere, the actor is terminated at once. A function that computes for long asks now and
	 * then, and returns.
	 * Any thread. */
	bool (*is_cancelled)(const struct leat_call *call);

	/* A line of the daemon's log, with the module's name. Any thread. */
	void (*log)(const struct leat_module *module, enum leat_level level, const char *format,
		    ...) LEAT_FORMAT(3, 4);

	/* -------------------------------------------------------- values: read
	 *
	 * Of a NULL value each says what it says of null: leat->member(leat->member(v, "a"), "b") needs
	 * no question in between. */

	enum leat_type (*type)(const struct leat_value *value);
	bool (*boolean)(const struct leat_value *value); /* false for what is none */

	/* True, and the number; false for what is no number, or none that fits: not whole, too large.
	 * 1.0 and 1e3 are whole. Then *ret is untouched. */
	bool (*integer)(const struct leat_value *value, int64_t *ret);
	bool (*number)(const struct leat_value *value, double *ret);

	struct leat_text (*text)(const struct leat_value *value); /* empty for what is none */
	size_t (*len)(const struct leat_value *value); /* of lists and objects; 0 for others */
	const struct leat_value *(*at)(const struct leat_value *list, size_t index); /* or NULL */
	const struct leat_value *(*member)(const struct leat_value *object,
					   const char *name); /* or NULL */
	/* The member at that place, in the order of the text; *ret_name, if not NULL, is its name. */
	const struct leat_value *(*member_at)(const struct leat_value *object, size_t index,
					      struct leat_text *ret_name);

	/* A list of exactly n numbers into an array; false, and the array half written, for others. */
	bool (*numbers)(const struct leat_value *list, double *ret, size_t n);

	/* -------------------------------------------------------- values: written
	 *
	 * One value, by calls in the order of its text: json_object(), json_key(), json_int(), …,
	 * json_end(). What is no JSON (a key where none may stand, a value without one, a second value)
	 * is a mistake; running out of memory fails the call. */

	void (*json_null)(struct leat_json *json);
	void (*json_bool)(struct leat_json *json, bool boolean);
	void (*json_int)(struct leat_json *json, int64_t integer);
	void (*json_number)(struct leat_json *json, double number); /* what is not finite is null */
	void (*json_text)(struct leat_json *json, const char *ptr,
			  size_t len); /* what is not UTF-8 becomes U+FFFD */
	void (*json_value)(struct leat_json *json, const struct leat_value *value);
	void (*json_list)(struct leat_json *json);
	void (*json_object)(struct leat_json *json);
	void (*json_key)(struct leat_json *json, const char *name);
	void (*json_end)(struct leat_json *json); /* of the innermost list or object */
	void (*json_numbers)(struct leat_json *json, const double *numbers, size_t n); /* a list */

	/* A writer for something else than the result, as the body of a request; and what it has
	 * written, when that is whole. */
	struct leat_json *(*json)(struct leat_call *call);
	struct leat_text (*json_done)(struct leat_json *json);

	/* -------------------------------------------------------- tasks: for verbs with start()
	 *
	 *   made ---> start(), or given to a series, a parallel, a graph ---> on_end(task)
	 *
	 * A task is made by one of the functions below, which start nothing, and is then started or
	 * given away, once; else it is as if it had never been. on_end (NULL: none) is called exactly
	 * once, however the task ends, with nothing of the module's on the stack. There, results are
	 * read and more tasks are made, started, given away. (A composite that is cancelled before its
	 * turn has come has not taken its tasks: they are as if they had never been.) A task may be
	 * looked at until its call has ended; after its own end nothing else can be done with it.
	 *
	 * A call may have as many tasks as its memory allows, at about 1 KiB each; past that it fails
	 * with memory_limit, and what is still made does nothing.
	 *
	 * These are the tasks of leat's core (core/task/ in its sources). Some are named after those of
	 * Workflow, and do the same but for what is said here. */

	void (*start)(struct leat_task *task);

	/* One that is live ends soon, as CANCELLED unless its outcome is decided. No effect on others. */
	void (*cancel)(struct leat_task *task);

	/* A series, a parallel or a graph that lasts longer is TIMED_OUT, and all in it is cancelled.
	 * Before its start. To bound a single task, make a series of it. */
	void (*timeout)(struct leat_task *task, uint64_t timeout_ms);

	enum leat_outcome (*outcome)(const struct leat_task *task); /* after its end */
	const char *(*error)(
		const struct leat_task *task); /* "connect_failed", …; "" unless FAILED */
	const char *(*detail)(const struct leat_task *task); /* for a log; may be "" */

	/* What a computation or a future has given, or the body of a response that is JSON. NULL when
	 * there is none, or the task is not OK. */
	const struct leat_value *(*value)(struct leat_task *task);

	/* The bytes of a computation, as it has left them, or the pointer of promise_set_data(): until
	 * the call ends. NULL when the task is not OK. */
	void *(*data)(const struct leat_task *task);

	struct leat_call *(*call_of)(const struct leat_task *task);

	/* A pointer of the module's: Workflow's user_data. NULL at first. */
	void (*set_context)(struct leat_task *task, void *context);
	void *(*context)(const struct leat_task *task);

	/* -------------------------------------------------------- one after the other, side by side
	 *
	 * A composite ends after all of its children have ended, and its on_end comes after theirs. A
	 * child may be a composite. */

	/* Tasks in a row: Workflow's SeriesWork. One that is not OK ends the series with its outcome, and
	 * what is left is CANCELLED; with `go_on`, as in Workflow, the rest runs all the same, and the
	 * series is OK. */
	struct leat_task *(*series)(struct leat_call *call, bool go_on, leat_task_fn *on_end);

	/* As the last, as the next; before the series starts and while it runs, the last time in the
	 * on_end of its last task. */
	void (*push_back)(struct leat_task *series, struct leat_task *task);
	void (*push_front)(struct leat_task *series, struct leat_task *task);

	/* The series that a task was given to, or NULL. */
	struct leat_task *(*series_of)(const struct leat_task *task);

	/* Tasks side by side, at most `max` at once (0: all). */
	struct leat_task *(*parallel)(struct leat_call *call, enum leat_policy policy, unsigned max,
				      leat_task_fn *on_end);
	void (*add)(struct leat_task *parallel, struct leat_task *task); /* before its start */

	/* Tasks in the order of their dependencies: Workflow's WFGraphTask
	 * (docs/en/tutorial-11-graph_task.md). One starts when all that are before it have ended and are
	 * OK; else it is CANCELLED. The outcome is that of the first that was not OK. Nodes and edges
	 * are added before the graph is started or given away; edges that make a cycle are a mistake. */
	struct leat_task *(*graph)(struct leat_call *call, leat_task_fn *on_end);
	void (*node)(struct leat_task *graph, struct leat_task *task);
	void (*edge)(struct leat_task *graph, struct leat_task *before, struct leat_task *after);

	/* -------------------------------------------------------- time, counting */

	/* Ends so many milliseconds after its start, never before. Unlike Workflow's
	 * (docs/en/about-timer.md) it can be cancelled. */
	struct leat_task *(*timer)(struct leat_call *call, uint64_t delay_ms, leat_task_fn *on_end);

	/* Ends when it has been counted `target` times: Workflow's anonymous counter
	 * (docs/en/about-counter.md). Counting may begin before its start. Counting past the target,
	 * which Workflow forbids, has no effect. A target of 0 is reached by the start. */
	struct leat_task *(*counter)(struct leat_call *call, uint64_t target, leat_task_fn *on_end);
	void (*count)(struct leat_task *counter, uint64_t n);

	/* -------------------------------------------------------- HTTP */

	/* One request, with the service's connections, timeouts and TLS. OK whatever the status; else
	 * FAILED with connect_failed, dns_failed, tls_failed, timeout, bad_response, too_large,
	 * unavailable; with invalid_input for what cannot be sent, with not_found for a service that the
	 * section `http` does not have. It is not repeated, but when a kept connection turns out to have
	 * been closed and repeating does no harm (RFC 9110 9.2.2). */
	struct leat_task *(*http)(struct leat_call *call, const struct leat_request *request,
				  leat_task_fn *on_end);
	int (*http_status)(const struct leat_task *http); /* 0 when it is not OK */
	/* The first header of that name, whatever its case; .ptr is NULL when there is none. */
	struct leat_text (*http_header)(const struct leat_task *http, const char *name);
	struct leat_text (*http_body)(const struct leat_task *http);

	/* -------------------------------------------------------- computing */

	/* work->run() on a thread of the compute pool, in the queue that the task's `queue` names. Its
	 * result is leat->value(), what it leaves in its state leat->data(). FAILED as its leat->fail()
	 * says, or with queue_full or unavailable when the pool has too much to do. One that is cancelled
	 * while it runs is left behind: its own call goes on, with leat->is_cancelled(). */
	struct leat_task *(*compute)(struct leat_call *call, const struct leat_work *work,
				     leat_task_fn *on_end);

	/* -------------------------------------------------------- what others complete
	 *
	 * A future is a task that ends when its promise is completed: by a thread of the module, a
	 * callback of another library, another call. (libprocess' Future and Promise. For Workflow it is
	 * a counter of 1: docs/en/about-counter.md.)
	 *
	 * The promise belongs to whoever completes it, and is used up by promise_set(),
	 * promise_set_data(), promise_fail() or promise_drop(). One of them is due in any case, also when
	 * nobody waits any more: then it has no effect. They may be called on any thread, until fini()
	 * returns. A second one is a mistake. */

	struct leat_task *(*future)(struct leat_call *call, struct leat_promise **ret_promise,
				    leat_task_fn *on_end);

	/* `len` bytes of JSON, copied: leat->value(). What is no JSON fails with bad_response. */
	void (*promise_set)(struct leat_promise *promise, const char *json, size_t len);

	/* A pointer: leat->data(). free_data (or NULL) is called with it when the call has ended, or at
	 * once when nobody waits: on any thread. */
	void (*promise_set_data)(struct leat_promise *promise, void *data, leat_free_fn *free_data);

	/* FAILED with that code, which is copied, and a detail of at most 1,000 bytes. */
	void (*promise_fail)(struct leat_promise *promise, const char *code, const char *format,
			     ...) LEAT_FORMAT(3, 4);

	/* FAILED with `aborted`: there will be nothing. */
	void (*promise_drop)(struct leat_promise *promise);

	/* Nobody waits any more. Any thread, before the promise is used up. */
	bool (*promise_is_cancelled)(struct leat_promise *promise);

	/* -------------------------------------------------------- names that all requests share
	 *
	 * The names of YAML's `signal:` and `await:`, whatever loop or module uses them. A name that is
	 * made of values has to be made so that no value forges another one. */

	/* Ends when `count` signals of that name have come (0 is 1): Workflow's named counter
	 * (docs/en/about-counter.md), which may be counted before it is there when the signals are kept.
	 * leat->value() is the list of what they have brought. TIMED_OUT when that takes longer than
	 * wait_ms; UINT64_MAX: as long as the call may. */
	struct leat_task *(*await)(struct leat_call *call, const char *name, unsigned count,
				   uint64_t wait_ms, leat_task_fn *on_end);

	/* Ends when the signal has been delivered; leat->value() is how many it has reached. */
	struct leat_task *(*signal)(struct leat_call *call, const struct leat_signal *signal,
				    leat_task_fn *on_end);

	/* -------------------------------------------------------- actors (since 1.1)
	 *
	 *   spawn() ---> lives ---> (terminate(), exit(), the module goes) ---> has ended
	 *
	 * libprocess' processes. An actor handles one message at a time. What one thread sends to one actor is
	 * handled in that order; each message once, or never: then who asked by it is told, always. It
	 * keeps itself until it has ended; a handle keeps its memory, and is counted. After its end a handle is good for asking why, and
	 * messages to it are `unavailable`. All handles are given back before fini() returns.
	 *
	 * Messages, and actors with what is said here to be theirs, count in `limits.total_memory`. */

	/* A new actor of one of the module's kinds, on a loop that leat chooses, or on the pool. Its state is the
	 * pointer, which the kind's release() gets when it has ended. With a name, which is that of the kind with keys
	 * in place of {…}, at most 127 bytes, others find it: `send: "room/${path.id}"`; values in names that YAML makes are
	 * percent-encoded. NULL: it has no name, and only its handles reach it. Returns a handle that is the
	 * caller's; or NULL, and the state is the caller's still: the name is taken or not the kind's, there is no memory,
	 * or the module is on its way out. Any thread. */
	struct leat_actor *(*spawn)(const struct leat_module *module, const struct leat_kind *kind,
				    const char *name, void *state);

	/* The module's own actor of that name, as a handle that is the caller's; NULL: there is none. Any
	 * thread. */
	struct leat_actor *(*find)(const struct leat_module *module, const char *name);

	struct leat_actor *(*actor_ref)(struct leat_actor *actor); /* one more handle. Any thread */
	void (*actor_unref)(struct leat_actor *actor); /* NULL is accepted. Any thread */

	/* The actor whose message this call handles; NULL: it is no such call. Lent, for the call. */
	struct leat_actor *(*self)(struct leat_call *call);

	/* In on_exit: the actor that has ended, of link(); else NULL. Lent, for the call. */
	struct leat_actor *(*subject)(struct leat_call *call);

	/* Ends it: in order, when all messages that it has are handled (LEAT_NORMAL); at once, when the one in work
	 * is, whose tasks are cancelled (LEAT_KILLED). No message is taken from now on. Any thread. */
	void (*terminate)(struct leat_actor *actor, bool at_once);

	/* From a handler: the actor ends after this message, as LEAT_NORMAL or LEAT_BROKEN. Those that wait are not handled. */
	void (*exit)(struct leat_call *call, bool broken);

	/* LEAT_LIVES, or why it has ended. Any thread. */
	enum leat_exit (*ended)(struct leat_actor *actor);

	/* Ends, OK, when the actor has ended. One that joins itself would wait for ever, and is told `unavailable`. */
	struct leat_task *(*join)(struct leat_call *call, struct leat_actor *actor,
				  leat_task_fn *on_end);

	/* Sends it to mail->actor, and nobody hears what becomes of it: libprocess' dispatch. NULL: it is in the
	 * mailbox, or waits for room there; else it will never be handled: "queue_full", "too_large", "memory_limit",
	 * "unavailable" (the actor has ended), "not_found" (it has no such handler), "invalid_input" (that is
	 * no JSON). Any thread. */
	const char *(*dispatch)(const struct leat_mail *mail);

	/* Sends it when the task starts. Ends when the mailbox has it; FAILED as dispatch(), or with invalid_input for a
	 * name that has other keys. It waits as long as the mailbox lets it wait. */
	struct leat_task *(*send)(struct leat_call *call, const struct leat_mail *mail,
				  leat_task_fn *on_end);

	/* The same; ends with the handler's reply, leat->value(), or FAILED with its failure. When it is cancelled before the handler
	 * has begun, that will never be; later it goes on to its end. An actor that asks itself would wait for ever, and is
	 * told `unavailable`. */
	struct leat_task *(*ask)(struct leat_call *call, const struct leat_mail *mail,
				 leat_task_fn *on_end);

	/* Sends it after so many milliseconds, to mail->actor: libprocess' delay. It is dropped when it then cannot be taken, or the actor ends before, or leat stops. NULL: for one of
	 * dispatch()'s reasons it cannot be. The caller's, until delayed_drop(). Any thread. */
	struct leat_delayed *(*delay)(const struct leat_mail *mail, uint64_t delay_ms);

	/* True: it was not sent, and will not be. Any thread. */
	bool (*delayed_cancel)(struct leat_delayed *delayed);
	void (*delayed_drop)(
		struct leat_delayed
			*delayed); /* NULL is accepted; it is sent all the same. Any thread */

	/* From a handler: its actor's on_exit is called once when the other has ended, soon when it has ended already
	 * (LEAT_NOBODY). A second link to the same has no effect. `links:` of the section `actors` are told of actors
	 * with a name as well. */
	void (*link)(struct leat_call *call, struct leat_actor *other);
	void (*unlink)(struct leat_call *call,
		       struct leat_actor *other); /* a notice on its way still comes */

	/* -------------------------------------------------------- answers that are messages (since 1.2)
	 *
	 * A handler that awaits tasks keeps its message in work, and its actor handles no other meanwhile. Where it
	 * should go on, what it waits for comes as a message of its own:
	 *
	 * 	struct leat_mail then = { .actor = leat->self(call), .handler = "counted" };
	 * 	struct leat_mail mail = { .actor = other, .handler = "count" };
	 * 	struct leat_promise *promise = leat->defer(&then);
	 *
	 * 	if (promise)
	 * 		leat->associate(promise, &mail);
	 *
	 * is libprocess' dispatch(other, &Other::count).onAny(defer(self(), &Self::counted, lambda::_1)). */

	/* A promise, the caller's, whose end is a message to mail->actor: mail->handler gets { "value": …, "with": … } of
	 * promise_set(); or { "error": code, "detail": text, "with": … } of promise_fail() and promise_drop(). `with` is mail->json: what
	 * it is about. It comes before the messages that wait, however full the mailbox is; therefore it counts in
	 * `limits.total_memory` from now on. When the actor has ended by then nobody hears of it: promise_is_cancelled() says so.
	 * NULL: "not_found" (it has no such handler), "invalid_input" (that is no JSON), or there is no memory. Any thread. */
	struct leat_promise *(*defer)(const struct leat_mail *mail);

	/* Sends it to mail->actor, as dispatch(), and the handler's reply completes the promise, which is used up: libprocess'
	 * Promise::associate(). It fails as ask() does, always: when the message cannot be sent, when the actor ends before it
	 * has answered. Also from handlers on the pool, and to oneself. A message that still waits when nobody waits for the promise any more is
	 * not handled. Any thread. */
	void (*associate)(struct leat_promise *promise, const struct leat_mail *mail);

	/* -------------------------------------------------------- links to any actor, by its name (since 1.3) */

	/* From a handler: its actor's on_exit is called once when the actor of that name has ended: one of `actors:` ("cart/7",
	 * keys percent-encoded where they have / % : or @), of any module ("room/blue"), of another host ("cart/7@there",
	 * "slave(1)@mesos"): libprocess' link(UPID). leat->input() is { "actor": name, "reason": … } there, with the host's name
	 * in `peers:` in the place of its address, leat->subject() is NULL. The reason is one of those of `link:` in leat.yaml(5),
	 * whose rules these links follow: "no_actor" soon when it does not live, "no_connection" when its host is lost. A second link
	 * to the same has no effect; one by a handle is another. NULL, or why not: "not_found" (no actor can have that name),
	 * "invalid_input", "queue_full" (it is linked to 10,000 already), "memory_limit", "unavailable". With LEAT_ON_POOL it is
	 * NULL always, and what would have been such a reason comes as "no_actor". */
	const char *(*link_name)(struct leat_call *call, const char *name);

	/* Takes it back: no on_exit comes for it but one that is in the mailbox already. */
	void (*unlink_name)(struct leat_call *call, const char *name);
};

#ifdef __cplusplus
}
#endif

#endif
