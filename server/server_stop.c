/* server/server_stop.c: what outlives the loops' threads: connections to databases and to Kafka, the store. What
 * they have to tell is run by the main thread, on the loops' behalf. */
#include "core/base/clock.h"
#include "server/server.h"
#if WITH_KAFKA
#include "server/kafka/kafka_producer.h"
#endif
#include "server/sql/sql_threads.h"
#include "server/store/store.h"

#if WITH_KAFKA
/* What is left of `timeouts.shutdown`, for messages that nobody waits for any more; a second at least,
 * as for whatever is asked to end. */
static uint64_t server_time_left_ms(const struct server *server)
{
	uint64_t all_ms = server->generation ? server->generation->settings.timeout_shutdown : 0;
	uint64_t gone_ms = server->stopping_ns
				   ? (clock_monotonic_ns() - server->stopping_ns) / NS_PER_MS
				   : all_ms;

	return MAX(all_ms > gone_ms ? all_ms - gone_ms : 0, (uint64_t)1000);
}

static void server_stop_kafkas(struct server *server)
{
	uint64_t left_ms = server_time_left_ms(server);

	for (size_t i = 0; i < server->n_old; i++)
		kafka_section_stop(&server->old[i]->kafka, left_ms);
	if (server->generation)
		kafka_section_stop(&server->generation->kafka, left_ms);
}
#endif

static void server_run_loops(struct server *server)
{
	for (size_t i = 0; server->workers && i < server->n_workers && server->workers[i]; i++)
		if (server->workers[i]->loop)
			loop_run_once(server->workers[i]->loop, false);
}

/* The main loop must not be told of a worker when that is gone; and what the workers have begun by then ends. */
void server_settle_swaps(struct server *server)
{
	if (server->n_unswapped == 0)
		return;
	while (server->n_unswapped > 0) {
		server_run_loops(server);
		loop_run_once(server->main->loop, false);
	}
	server->n_undrained = (unsigned)server->n_workers;
	for (size_t i = 0; i < server->n_workers; i++)
		worker_drain(server->workers[i], true);
}

/* The loops' threads have ended, the loops are still there: what was on its way to them arrives. */
void server_stop_clients(struct server *server)
{
	for (size_t i = 0; i < server->n_old; i++)
		sql_section_stop(&server->old[i]->sql);
	if (server->generation)
		sql_section_stop(&server->generation->sql);
#if WITH_KAFKA
	server_stop_kafkas(server);
#endif
	sql_threads_wait();
	server_run_loops(server);
#if WITH_KAFKA
	kafka_wait_ends(server_time_left_ms(server));
	server_run_loops(server);
	kafka_outboxes_stop(&server->kafka_outboxes);
#endif
}

/* The same: what was to be kept is, and who waits for that is told. */
void server_stop_store(struct server *server)
{
	for (size_t n = 0; n < 3; n++) { /* some tell others, by the store or without it */
		store_wait(server->store);
		server_run_loops(server);
	}
	store_stop(server->store);
	server_run_loops(server);
#if WITH_KAFKA
	kafka_outboxes_fini(&server->kafka_outboxes);
#endif
}
