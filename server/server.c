/* server/server.c: start, signals, watchdog, shutdown.
 *
 *   start --> serving --(SIGTERM)--> draining --(nothing left)--> end
 *                                       \--(timeouts.shutdown)--> cancelling --(nothing left)--> end
 *                                        \--(second SIGTERM)--------^
 *
 * Cancelling ends every request and run; what does not end within a second after that is left
 * behind with _exit(). */
#include "server/server.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/base/version.h"
#include "core/task/home.h"
#include "server/admin/admin.h"
#include "server/auth/logins.h"
#include "server/body/uploads.h"
#include "server/cpus.h"
#include "server/inherited.h"
#include "server/jobs/agenda.h"
#include "server/jq/jq_pool.h"
#include "server/live/topics.h"
#include "server/logger.h"
#include "server/notify.h"
#include "server/peers/peer_loop.h"
#include "server/share.h"
#include "server/store/store.h"
#include "server/upgrade/takeover.h"
#include "server/upgrade/upgrade.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	CANCEL_GRACE_MS = 1000,
	REFUSING_MAX =
		256, /* connections past limits.connections that are answered with 503; more are closed */
};

/* ------------------------------------------------------------ connections */

static void server_count_conn(struct worker *worker)
{
	atomic_fetch_add_explicit(&worker->stats.n_conns, 1, memory_order_relaxed);
	if (!worker->is_main)
		atomic_fetch_add_explicit(&worker->server->n_conns, 1, memory_order_relaxed);
}

void server_conn_closed(struct worker *worker)
{
	atomic_fetch_sub_explicit(&worker->stats.n_conns, 1, memory_order_relaxed);
	if (!worker->is_main)
		atomic_fetch_sub_explicit(&worker->server->n_conns, 1, memory_order_relaxed);
}

bool server_is_short_of_memory(const struct server *server)
{
	size_t max = atomic_load_explicit(&server->memory.max, memory_order_relaxed);

	return mem_is_short() ||
	       atomic_load_explicit(&server->memory.used, memory_order_relaxed) > max - max / 10;
}

bool server_is_full(struct server *server)
{
	return atomic_load_explicit(&server->n_conns, memory_order_relaxed) >
	       atomic_load_explicit(&server->connections_max, memory_order_relaxed);
}

struct worker *server_pick_worker(struct server *server, bool admin)
{
	struct worker *least = admin ? server->main : server->workers[0];
	size_t n_conns = atomic_load_explicit(&server->n_conns, memory_order_relaxed);

	if (!admin &&
	    n_conns >= atomic_load_explicit(&server->connections_max, memory_order_relaxed) +
			       REFUSING_MAX)
		return NULL;
	for (size_t i = 1; i < server->n_workers && !admin; i++)
		if (atomic_load_explicit(&server->workers[i]->stats.n_conns, memory_order_relaxed) <
		    atomic_load_explicit(&least->stats.n_conns, memory_order_relaxed))
			least = server->workers[i];
	server_count_conn(least);
	return least;
}

size_t server_job_home(const struct server *server, struct str name)
{
	return (size_t)todo_slot_of(name) % server->n_workers;
}

/* ------------------------------------------------------------ shutdown */

static void server_drain_here(struct post *post)
{
	worker_drain(container_of(post, struct worker, drain), false);
}

static void server_cancel_here(struct post *post)
{
	worker_drain(container_of(post, struct worker, cancel), true);
}

/* Each once; a loop that has stopped meanwhile leaves the post where it is. */
static void server_drain_workers(struct server *server, bool cancel)
{
	for (size_t i = 0; i < server->n_workers; i++) {
		struct worker *worker = server->workers[i];
		struct post *post = cancel ? &worker->cancel : &worker->drain;

		post->run = cancel ? server_cancel_here : server_drain_here;
		loop_post(worker->loop, post);
	}
}

/* Each loop has run what was posted before: all listeners have stopped, and whom they accepted is
 * counted where it goes. Only now can a loop tell that it has nothing left. */
static void server_on_settled(struct post *post)
{
	struct server *server = container_of(post, struct worker, drain)->server;

	if (--server->n_unsettled == 0)
		server_drain_workers(server, false);
}

static void server_settle_here(struct post *post)
{
	struct worker *worker = container_of(post, struct worker, drain);

	post->run = server_on_settled;
	loop_post(worker->server->main->loop, post);
}

static void server_settle_workers(struct server *server)
{
	server->n_unsettled = (unsigned)server->n_workers;
	for (size_t i = 0; i < server->n_workers; i++) {
		server->workers[i]->drain.run = server_settle_here;
		loop_post(server->workers[i]->loop, &server->workers[i]->drain);
	}
}

static void server_give_up(struct timer *timer)
{
	(void)timer;
	log_warning("shutdown not clean, leaving what is left behind");
	logger_end(); /* its locks are in use by the loops, which go on */
	_exit(1);
}

static void server_cancel_all(struct timer *timer)
{
	struct server *server = container_of(timer, struct server, shutdown);

	log_warning("shutdown cancels what is still in work connections=%zu",
		    atomic_load(&server->n_conns));
	server_drain_workers(server, true);
	server->shutdown.on_fire = server_give_up;
	timer_start(&server->shutdown, CANCEL_GRACE_MS);
	server_on_alone(server); /* it is not waited for any more */
}

struct drained {
	struct post post;
	struct server *server;
};

static void server_on_drained(struct post *post)
{
	struct drained *drained = container_of(post, struct drained, post);
	struct server *server = drained->server;

	free(drained);
	server->n_undrained--;
	server_check_ended(server);
}

/* The process before ends here, too: what a service has left is killed when its main process has ended. */
void server_check_ended(struct server *server)
{
	if (server->stopping && server->n_undrained == 0 && !server->reloading &&
	    !server->predecessor)
		loop_stop(server->main->loop);
}

void server_worker_drained(struct server *server)
{
	struct drained *drained = mem_alloc(sizeof(*drained));

	*drained = (struct drained){ { .run = server_on_drained }, server };
	loop_post(server->main->loop, &drained->post);
}

void server_shutdown(struct server *server)
{
	struct listener *listener;

	if (server->stopping) {
		if (server->shutdown.on_fire == server_cancel_all)
			server_cancel_all(&server->shutdown); /* asked twice: at once */
		return;
	}
	/* not all listeners have been started: who waits in one is to be served, not reset */
	if (server->n_unswapped > 0) {
		server->stop_asked = true;
		return;
	}
	upgrade_abandon(server);
	server->stopping = true;
	server->stopping_ns = clock_monotonic_ns();
	log_info("stopping connections=%zu", atomic_load(&server->n_conns));
	notify_stopping("draining");
	list_each(listener, &server->listeners, struct listener, link)
		listener_stop(listener);
	server->n_undrained = (unsigned)server->n_workers;
	server_settle_workers(server);
	timer_start(&server->shutdown, server->generation->settings.timeout_shutdown);
}

/* ------------------------------------------------------------ signals and watchdog */

static void server_on_sighup_done(struct reload *reload, bool accepted, struct str text)
{
	(void)accepted;
	if (text.len) /* nobody else is there to read it */
		fprintf(stderr, "%.*s", STR_ARG(text));
	free(reload);
}

static void server_on_signal(struct signals *signals, int number)
{
	struct server *server = container_of(signals, struct server, signals);
	struct reload *reload;

	switch (number) {
	case SIGHUP:
		if (server->stopping)
			return;
		reload = mem_zalloc(sizeof(*reload));
		reload->on_done = server_on_sighup_done;
		server_reload(server, reload);
		return;
	case SIGUSR1:
		logger_reopen();
		return;
	default:
		server_shutdown(server);
		return;
	}
}

/* Fed only while every loop advances: one that sleeps in epoll_wait() does. */
static void server_on_watchdog(struct timer *timer)
{
	struct server *server = container_of(timer, struct server, watchdog);
	bool advancing = true;

	for (size_t i = 0; i < server->n_workers; i++) {
		struct loop_stats stats;

		loop_stats(server->workers[i]->loop, &stats);
		advancing &= stats.asleep || stats.turns != server->watchdog_turns[i];
		server->watchdog_turns[i] = stats.turns;
	}
	if (advancing)
		notify_watchdog();
	else
		log_error("a loop does not advance, the watchdog is not fed");
	timer_start(timer, notify_watchdog_ms());
}

/* ------------------------------------------------------------ start and end */

static const int signal_numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1 };

static int server_open(struct server *server, struct generation *generation)
{
	struct diag diag;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write past the limit of a file's size just fails */
	signal(SIGCHLD, SIG_DFL); /* ignored, it would hide how programs have ended */
	r = server_build(server, generation);
	if (r == 0)
		r = signals_open(&server->signals, server->main->loop, signal_numbers,
				 ARRAY_LEN(signal_numbers), server_on_signal);
	if (r < 0) {
		log_error("start failed error=%s", strerrorname_np(-r));
		return r;
	}
	timer_init(&server->watchdog, server->main->loop, server_on_watchdog);
	timer_init(&server->shutdown, server->main->loop, server_cancel_all);
	diag_init(&diag);
	r = server_check_access_log(generation, &diag);
	if (r == 0)
		r = server_open_listeners(server, generation, &diag);
	diag_print(&diag, stderr);
	takeover_tell(&diag);
	diag_fini(&diag);
	return r;
}

/* After the loops know the generation, before they run: so what init() sends finds it. */
static bool server_start_natives(struct server *server, const struct generation *generation)
{
	struct diag diag;
	bool ok;

	diag_init(&diag);
	ok = natives_start(&generation->natives, &server->natives, &diag);
	diag_print(&diag, stderr);
	takeover_tell(&diag);
	diag_fini(&diag);
	return ok;
}

static int server_start_workers(struct server *server)
{
	for (size_t i = 0; i < server->n_workers; i++) {
		int r = worker_start(server->workers[i]);

		if (r < 0) {
			log_error("start failed what=thread error=%s", strerrorname_np(-r));
			return r;
		}
	}
	return 0;
}

static void server_announce(struct server *server)
{
	const struct generation *generation = server->generation;
	struct listener *listener;

	list_each(listener, &server->listeners, struct listener, link) {
		struct net_addr addr = listener->addr;
		const struct listen_spec *listen;
		char text[NET_ADDR_TEXT_MAX];

		net_local_addr(listener->fd, &addr); /* port 0 became a real one */
		listen = generation_listen(generation, listener->number);
		log_info("listening address=%s%s%s", net_addr_write(text, &addr),
			 listener->admin ? " for=admin" : "",
			 listen && listen->tls ? " tls=yes" : "");
	}
	if (!server->unconfirmed)
		inherited_settle();
	log_info("serving version=%s routes=%zu jobs=%zu loops=%zu", LEAT_VERSION,
		 generation->n_routes, generation->n_jobs, server->n_workers);
	if (!server->unconfirmed)
		server_say_ready(server);
}

static void server_ignore_signals(void)
{
	for (size_t i = 0; i < ARRAY_LEN(signal_numbers); i++)
		signal(signal_numbers[i], SIG_IGN);
}

/* Those that compute have told the loops all that they had to, when the pool is done with them. */
static void server_end_actors(struct server *server)
{
	actors_end(server->actors);
	if (server->pool)
		pool_settle(server->pool); /* and out of the loops, which go soon */
	actors_end(server->actors);        /* what they have posted last */
}

/* All loops but the main one have nothing left; their threads end in worker_destroy(). */
static void server_close(struct server *server)
{
	struct listener *listener;

	server->stopping = true; /* one more signal finds nothing that it could cancel */
	server->shutdown.on_fire = server_give_up;
	if (server->main) {
		timer_stop(&server->watchdog);
		timer_stop(&server->shutdown);
		list_each(listener, &server->listeners, struct listener, link)
			listener_stop(listener);
	}
	for (size_t i = 0; server->workers && i < server->n_workers; i++)
		worker_join(server->workers[i]);
	server_settle_swaps(server);
	server_stop_clients(server);
	server_stop_store(server);
	jq_pool_destroy(server->jq);
	spawner_destroy(server->spawner);
	for (size_t i = 0; i < server->n_old; i++)
		natives_close_actors(&server->old[i]->natives);
	if (server->generation)
		natives_close_actors(&server->generation->natives);
	if (server->pool) /* the ends of those that compute are told to other hosts */
		pool_settle(server->pool);
	peers_destroy(server->peers);
	server_end_actors(server);
	if (server->homes)
		homes_settle(server->homes);
	homes_destroy(server->homes);
	if (server->topics)
		topics_settle(server->topics);
	topics_destroy(server->topics);
	for (size_t i = 0; server->workers && i < server->n_workers; i++)
		worker_destroy(server->workers[i]);
	for (size_t i = 0; i < server->n_old; i++)
		queues_close(&server->old[i]->queues);
	if (server->generation)
		queues_close(&server->generation->queues);
	file_engine_close(&server->file_engine);
	if (server->natives.queue)
		pool_queue_close(server->natives.queue);
	pool_destroy(server->pool);
	logins_destroy(server->logins);
	uploads_destroy(server->uploads);
	if (server->main) {
		worker_drain(server->main, true);
		loop_run_once(server->main->loop, false);
		loop_run_once(server->main->loop, false);
		server_ignore_signals(); /* one more SIGTERM must not spoil the exit code now */
		signals_close(&server->signals);
		worker_destroy(server->main);
	}
	for (size_t i = 0; i < server->n_old; i++)
		generation_destroy(server->old[i]);
	generation_destroy(server->generation);
	free(server->old);
	free(server->workers);
	free(server->watchdog_turns);
	free(server->dns_servers);
	agendas_destroy(server->agendas);
	actors_destroy(server->actors);
	store_destroy(server->store);
}

int server_run(const char *conf_path, char *const *argv)
{
	struct server server = { .conf_path = conf_path, .argv = argv, .exit_code = 1 };
	struct generation *generation;
	struct logger_settings logger = { .level = LOG_INFO, .access = "off", .share = SHARE_ALL };
	struct diag diag;

	diag_init(&diag);
	inherited_begin();
	server.unconfirmed = server.predecessor = takeover_begin();
	generation = generation_load(conf_path, NULL, false, false, &diag);
	diag_print(&diag, stderr);
	diag_fini(&diag);
	if (!generation)
		return 1;
	takeover_use_stderr();
	server.program = server_find_program(argv);
	list_init(&server.listeners);
	list_init(&server.reloads);
	list_init(&server.reloads_next);
	server.started_wall_ns = clock_wall_ns();
	server.started_ns = clock_monotonic_ns();
	if (logger_start(&logger) < 0 || server_open(&server, generation) < 0) {
		generation_destroy(generation);
	} else {
		server.reloading = server.starting = true;
		server_apply_generation(&server, generation);
		if (server_start_natives(&server, generation) &&
		    server_start_workers(&server) == 0) {
			server_announce(&server);
			loop_run(server.main->loop);
			server.exit_code = server.failed ? 1 : 0;
			log_info("stopped");
		}
	}
	server_close(&server);
	takeover_end();
	inherited_end();
	free(server.program);
	logger_stop();
	return server.exit_code;
}
