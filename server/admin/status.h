/* server/admin/status.h: what the figures for people and those for Prometheus are made of. */
#pragma once
#include "server/admin/admin.h"
#include "server/server.h"

struct totals {
	uint64_t requests, accepted, status[6];
	uint64_t handshakes, handshakes_resumed, handshakes_failed;
	unsigned n_conns, n_busy;
};
struct totals admin_totals(const struct server *server);

struct trace_totals {
	uint64_t spans, dropped, exported, failed;
};
struct trace_totals admin_trace_totals(const struct server *server);

void admin_write_live(struct buf *out, const struct server *server);
void admin_write_live_metrics(const struct server *server, struct buf *out);
struct server *admin_server(struct request *request);

void admin_write_actors(struct server *server, struct buf *out); /* a list */
void admin_write_actor_metrics(struct server *server, struct buf *out);
/* One figure without labels. */
void admin_write_metric(struct buf *out, const char *name, const char *type, const char *help,
			uint64_t number);
