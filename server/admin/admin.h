/* server/admin/admin.h: the admin API: HTTP on the admin listener, served by the main thread
 * (DESIGN §1.7).
 *
 * To add an endpoint: write its function in one of this folder's files, declare it here, list it
 * in admin.c. */
#pragma once
#include "server/request.h"

/* The routes of the admin listener; the same for the life of the process. */
const struct router *admin_router(void);

route_native_fn admin_status, admin_routes, admin_explain, admin_graph, admin_jobs,
	admin_job_history, admin_job_run, admin_job_pause, admin_job_resume, admin_upstreams,
	admin_reload, admin_health, admin_ready, admin_metrics, admin_page, admin_log,
	admin_log_set, admin_caches, admin_cache_purge;
route_native_fn admin_job_run_told, admin_async, admin_async_history;
route_native_fn admin_actors, admin_peers, admin_help, admin_help_one, admin_upgrade;

/* What is the same for the admin API and the commands that work on a file. Each appends to
 * `out`. */
void admin_write_routes(const struct generation *generation, struct buf *out);      /* for people */
void admin_write_routes_json(const struct generation *generation, struct buf *out); /* a list */

enum { ADMIN_GROUPS_MAX = 8 }; /* groups in groups, as deep as they are shown */

/* The tasks of a flow in waves, for people. */
void admin_write_waves(struct buf *out, const struct flow *flow, unsigned depth);

/* What a live route (`websocket:`, `events:`) does by itself: nothing of any other. */
struct live_view admin_live_view(const struct route *route);
void admin_write_handlers(struct buf *out, const struct route *route); /* each in waves */

void admin_reply_text(struct request *request, int status, struct buf *out);

/* The tasks as a list in JSON, each with how long it has taken; groups within, down to a depth. */
void admin_write_graph_json(const struct flow *flow, unsigned depth, struct buf *out);

/* ,"timed":…,"mean_ms":…,"p50_ms":…: members of an object; nothing when none has ended. */
void admin_write_times(const struct tally *tally, struct buf *out);

/* Parts of the status; lists in JSON. */
void admin_write_upstreams(const struct generation *generation, struct buf *out);
void admin_write_upstream_metrics(const struct generation *generation, struct buf *out);
void admin_write_label(struct str value, struct buf *out); /* of a metric, escaped */
struct agendas;
void admin_write_scheduled(struct agendas *agendas, struct buf *out);
void admin_write_async(struct agendas *agendas, struct buf *out);
void admin_write_shared_metrics(const struct server *server, struct buf *out);
void admin_write_scheduled_metrics(struct agendas *agendas, struct buf *out);
void admin_write_tally_metrics(const struct generation *generation, struct arena *arena,
			       struct buf *out);
void admin_write_process_metrics(const struct server *server, struct buf *out);
void admin_write_store(struct store *store, struct buf *out);
void admin_write_store_metrics(struct store *store, struct buf *out);
void admin_write_redises(struct buf *out, const struct generation *generation);
void admin_write_redis_metrics(const struct generation *generation, struct buf *out);
void admin_write_caches(struct buf *out, const struct generation *generation);
void admin_write_cache_metrics(const struct generation *generation, struct buf *out);
void admin_write_sqls(struct buf *out, const struct generation *generation);
void admin_write_peers(const struct generation *generation, struct buf *out);
void admin_write_peer_metrics(const struct generation *generation, struct buf *out);
void admin_write_kafkas(struct buf *out, const struct generation *generation);
void admin_write_kafka_metrics(const struct generation *generation, struct buf *out);

/* False when no route matches; *ret_status is then 404, 405 or 400, and the reason is appended. */
bool admin_write_explain(const struct generation *generation, struct str method, struct str target,
			 struct buf *out, int *ret_status);

enum graph_format { GRAPH_TEXT, GRAPH_DOT, GRAPH_MERMAID };
/* `name`: a route as written, or the name of a job or flow. False when there is none. */
bool admin_write_graph(const struct generation *generation, struct str name,
		       enum graph_format format, struct buf *out);
