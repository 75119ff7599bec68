/* server/server.h: the process: its workers, listeners and generations, reload and shutdown.
 *
 * The main thread runs a loop of its own: signals, the admin listener, reloads. What other
 * threads may call says so. */
#pragma once
#include "core/io/signals.h"
#include "core/thread/pool.h"
#include "server/generation.h"
#include "server/kafka/kafka_outboxes.h"
#include "server/listener.h"
#include "server/reply.h"
#include "server/worker.h"

struct logins;
struct server;
struct reload;
struct upgrade;

/* Told once when a reload has ended: `text` is what it has to say (diagnostics); main thread. */
typedef void reload_fn(struct reload *reload, bool accepted, struct str text);

struct reload {
	struct list link; /* waiting for the one in progress to end */
	reload_fn *on_done;
};

struct server {
	const char *conf_path;
	char *const *argv; /* of this process: those of one that takes its place */
	char *program;     /* the file of both */
	struct pool *pool;
	struct file_engine file_engine; /* of tasks on files */
	struct logins *logins;
	struct uploads *uploads; /* the files of forms */
	struct spawner *spawner; /* starts programs */
	char *dns_servers;       /* NULL: those of /etc/resolv.conf */
	struct jq_pool *jq;
	struct native_host natives; /* of modules' actors */
	struct actors *actors;
	struct peers *peers;
	struct store *store;
	struct agendas *agendas; /* of what is done once */
	struct kafka_outboxes kafka_outboxes;
	struct homes *
		homes; /* of what flows share: locks, pools, queues, signals; on the workers' loops */
	struct topics *topics; /* of what is published, on the same loops */
	size_t n_workers;      /* that serve; workers[n_workers] is the main thread's */
	struct worker **workers;
	struct worker *main;
	struct generation *generation; /* at work */
	struct generation **old;       /* replaced, but still used by requests */
	size_t n_old;
	struct list listeners;
	size_t n_opened;           /* listeners so far: they take turns on the loops */
	uint32_t n_listeners_ever; /* the admin one too: the number of the last */
	struct signals signals;
	struct timer watchdog, shutdown;
	uint64_t *watchdog_turns; /* of each loop when it was last looked at */
	int64_t started_wall_ns;
	uint64_t started_ns;
	struct arena_budget memory;    /* of all requests: limits.total_memory */
	atomic_size_t n_conns;         /* of all workers but the main one */
	atomic_size_t connections_max; /* limits.connections */
	/* reload: see server/reload.c */
	struct list reloads;      /* of struct reload that wait for the load at hand */
	struct list reloads_next; /* that came while it ran: they want another */
	bool reloading;           /* from the request to the last swap */
	bool starting;            /* the same, for the first generation: nobody has asked for it */
	struct buf reload_text;   /* what the reload at hand has to say */
	unsigned n_unswapped;     /* workers that have not taken the new generation yet */
	uint64_t n_reloads, n_reloads_refused;
	/* shutdown */
	bool stop_asked; /* while workers take a generation: it stops when they have */
	bool stopping;
	uint64_t stopping_ns; /* since when; 0: it is not */
	unsigned n_unsettled; /* workers that may still be given connections */
	unsigned n_undrained;
	int exit_code;
	bool failed; /* ends by itself: the exit code says so */
	/* upgrade: see server/upgrade/ */
	struct upgrade *upgrade; /* in progress, or NULL */
	bool handed_over;        /* another process has taken this one's place; before `stopping` */
	bool unconfirmed;        /* this process takes another's, and is not the main one yet */
	bool predecessor;        /* that one has not ended yet */
};

/* Serves until a signal ends it; the exit code of the process. */
int server_run(const char *conf_path, char *const *argv);

/* Reloads the file; `reload` is embedded in who asks and told at the end. Main thread. */
void server_reload(struct server *server, struct reload *reload);
void server_shutdown(struct server *server);

/* ---- of server_upgrade.c, main thread */

/* Where argv[0] is, as an absolute path: a package that is upgraded puts another file there. */
char *server_find_program(char *const *argv);

/* Another process accepts what comes from now on: this one drains. True: a reload was asked for meanwhile,
 * which is that one's now. */
bool server_hand_over(struct server *server);
void server_confirm(struct server *server);  /* this is the main process, from now on */
void server_on_alone(struct server *server); /* the one before has ended */

/* systemd is told that it serves, and what to keep. */
void server_say_ready(struct server *server);

/* ---- any thread */

/* The worker with the fewest connections (for the admin listener the main one), with one more
 * counted; NULL when there are far too many. */
struct worker *server_pick_worker(struct server *server, bool admin);
void server_conn_closed(struct worker *worker);              /* one that was counted is gone */
bool server_is_short_of_memory(const struct server *server); /* 90 % of limits.total_memory */
bool server_is_full(struct server *server);                  /* more than limits.connections */
size_t server_job_home(const struct server *server, struct str name);

/* The last reference of a worker to a generation is gone. That worker's thread. */
void server_generation_released(struct server *server, struct generation *generation);
void server_worker_drained(struct server *server);

/* 405, or 204 for OPTIONS, with an Allow that lists the methods of the mask. Constant. */
const struct reply *server_allow_reply(uint32_t methods, bool is_options);

/* The answer where no route takes the request: as above when the path has routes for the methods
 * `allowed`, else 404, or 501 for a method that is none. Constant. */
const struct reply *server_no_route_reply(const struct http_head *head, uint32_t allowed);

/* ---- of server_build.c, main thread: loops, pool, queues, folders; nothing runs yet. 0 or a
 * negative errno */
int server_build(struct server *server, const struct generation *generation);

/* ---- of server_stop.c, main thread: the loops' threads have ended, the loops are still there */
void server_settle_swaps(
	struct server *server); /* a start that failed: the generation is on its way */
void server_stop_clients(struct server *server); /* of databases and Kafka */
void server_stop_store(struct server *server);

/* ---- of reload.c, main thread */
void server_apply_generation(struct server *server, struct generation *generation);
int server_check_access_log(const struct generation *generation, struct diag *diag);
int server_open_listeners(struct server *server, struct generation *generation, struct diag *diag);
void server_apply_settings(struct server *server);
void server_resume_reloads(struct server *server); /* those that came while they could not begin */
bool server_drop_reloads(struct server *server);   /* false: there were none */

/* ---- of server.c, main thread */
void server_check_ended(struct server *server); /* after whatever may have been the last thing */
