/* server/client/srv.c
 *
 *   RECORDS --> TARGETS (all at once) --> done
 *       \-----------------------------------^     (no records, or no answer)
 *
 * Targets whose names are not found are left out while others are. The answer is good until the
 * first of its parts has expired. */
#include "server/client/srv.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>

enum {
	WEIGHT_MAX = 1000,
	TTL_MIN_S = 1,
	TTL_MAX_S = 300, /* as core/io/records.h keeps them */
	AGAIN_MS = 1000, /* when nothing was found */
};

static void srv_drop_targets(struct srv *srv)
{
	for (size_t i = 0; i < srv->n_targets; i++) {
		if (srv->targets[i].running)
			lookup_cancel(&srv->targets[i].lookup);
		free((char *)(uintptr_t)srv->targets[i].host.ptr);
	}
	free(srv->targets);
	srv->targets = NULL;
	srv->n_targets = srv->n_running = 0;
}

static void srv_finish(struct srv *srv)
{
	srv->running = false;
	srv->on_done(srv);
}

static void srv_fail(struct srv *srv, int error)
{
	srv->answer.error = error;
	srv->answer.n_addresses = 0;
	srv->answer.expires_ns = clock_monotonic_ns() + AGAIN_MS * NS_PER_MS;
	srv_finish(srv);
}

/* ------------------------------------------------------------ addresses */

static void srv_take_target(struct srv *srv, const struct srv_target *target)
{
	const struct lookup *lookup = &target->lookup;
	struct upstream_answer *answer = &srv->answer;

	answer->expires_ns = MIN(answer->expires_ns, lookup->expires_ns);
	if (lookup->error && !answer->error)
		answer->error = lookup->error;
	for (unsigned i = 0; !lookup->error && i < lookup->n_addrs; i++) {
		if (answer->n_addresses == ARRAY_LEN(srv->addresses))
			return;
		srv->addresses[answer->n_addresses++] =
			(struct upstream_address){ target->host, lookup->addrs[i], target->weight,
						   target->rank };
	}
}

/* A name that is not found says nothing of the service, as long as others are. */
static void srv_on_addresses(struct lookup *lookup)
{
	struct srv_target *target = container_of(lookup, struct srv_target, lookup);
	struct srv *srv = target->srv;

	target->running = false;
	if (--srv->n_running > 0)
		return;
	for (size_t i = 0; i < srv->n_targets; i++)
		srv_take_target(srv, &srv->targets[i]);
	if (srv->answer.n_addresses == 0) {
		srv_fail(srv, srv->answer.error ? srv->answer.error : -ENOENT);
		return;
	}
	srv->answer.error = 0;
	srv_finish(srv);
}

/* ------------------------------------------------------------ records */

static int target_compare(const void *a, const void *b)
{
	const struct srv_target *p = a, *q = b;

	if (p->priority != q->priority)
		return p->priority < q->priority ? -1 : 1;
	return p->weight < q->weight ? 1 : p->weight > q->weight ? -1 : 0;
}

/* One priority's, whose greatest weight is that of the first. Without any weight they are alike; with
 * one, those of weight 0 are called hardly ever. */
static void srv_weigh(struct srv_target *targets, size_t n_targets, uint16_t rank)
{
	uint32_t most = targets[0].weight;

	for (size_t i = 0; i < n_targets; i++) {
		targets[i].rank = rank;
		targets[i].weight = most ? targets[i].weight * WEIGHT_MAX / most : 1;
		targets[i].weight = MAX(targets[i].weight, 1u);
	}
}

static void srv_rank(struct srv *srv)
{
	uint16_t rank = 0;
	size_t from = 0;

	qsort(srv->targets, srv->n_targets, sizeof(srv->targets[0]), target_compare);
	for (size_t i = 1; i <= srv->n_targets; i++) {
		if (i < srv->n_targets && srv->targets[i].priority == srv->targets[from].priority)
			continue;
		srv_weigh(srv->targets + from, i - from, rank++);
		from = i;
	}
}

/* What can be called; a single "." says that there is no such service. */
static bool record_is_target(const struct dns_record *record)
{
	return record->port > 0 && record->text.len > 0 && !str_eq(record->text, STR("."));
}

static void srv_take_records(struct srv *srv, const struct dns_answer *answer)
{
	srv->targets = mem_zalloc((answer->n_records + 1) * sizeof(srv->targets[0]));
	for (size_t i = 0; i < answer->n_records; i++) {
		const struct dns_record *record = &answer->records[i];

		if (!record_is_target(record))
			continue;
		srv->targets[srv->n_targets++] = (struct srv_target){
			.srv = srv,
			.host = { mem_strndup(record->text.ptr, record->text.len),
				  record->text.len },
			.priority = record->priority,
			.port = record->port,
			.weight = record->weight,
		};
	}
	srv_rank(srv);
	while (srv->n_targets > SRV_TARGETS_MAX) /* those that would be called last */
		free((char *)(uintptr_t)srv->targets[--srv->n_targets].host.ptr);
}

static void srv_on_records(struct record_lookup *lookup)
{
	struct srv *srv = container_of(lookup, struct srv, records);
	uint32_t ttl_s;

	if (lookup->error) {
		srv_fail(srv, lookup->error);
		return;
	}
	srv_take_records(srv, lookup->answer);
	if (srv->n_targets == 0) {
		srv_fail(srv, -ENOENT);
		return;
	}
	ttl_s = MAX(MIN(lookup->answer->ttl_s, (uint32_t)TTL_MAX_S), (uint32_t)TTL_MIN_S);
	srv->answer.expires_ns = clock_monotonic_ns() + ttl_s * NS_PER_S;
	srv->n_running = srv->n_targets;
	for (size_t i = 0; i < srv->n_targets; i++) {
		struct srv_target *target = &srv->targets[i];

		target->running = true;
		lookup_start(&target->lookup, srv->client->names, target->host, target->port,
			     srv_on_addresses);
	}
}

/* ------------------------------------------------------------ the whole of it */

void srv_init(struct srv *srv, struct client *client, srv_fn *on_done, void *user)
{
	*srv = (struct srv){ .client = client, .on_done = on_done, .user = user };
}

void srv_start(struct srv *srv, struct str name)
{
	check(!srv->running);
	srv_drop_targets(srv);
	srv->running = true;
	srv->answer = (struct upstream_answer){ .addresses = srv->addresses };
	record_lookup_start(&srv->records, client_records(srv->client), name, DNS_SRV,
			    srv_on_records);
}

void srv_fini(struct srv *srv)
{
	if (srv->running)
		record_lookup_cancel(&srv->records);
	srv->running = false;
	srv_drop_targets(srv);
}
