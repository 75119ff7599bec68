/* server/worker.c */
#include "server/worker.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/client/checks.h"
#include "server/connection.h"
#include "server/jobs/agenda.h"
#include "server/live/live.h"
#include "server/logger.h"
#include "server/peers/peer_loop.h"
#include "server/redis/redis_pool.h"
#include "server/server.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static void worker_on_arrival(struct loop *loop, int fd, uint32_t tag, uint32_t events)
{
	struct worker *worker = loop_user(loop);

	if (unlikely(worker->stopped)) { /* it came when the last of the others had gone */
		close(fd);
		server_conn_closed(worker);
		return;
	}
	conn_accept(worker, tag, fd, events); /* the tag is the listener's number */
}

/* ------------------------------------------------------------ detached flows */

static void worker_begin_detached(struct detacher *detacher, void *generation)
{
	struct worker *worker = container_of(detacher, struct worker, detacher);

	worker->n_detached++;
	worker_pin(worker, generation);
}

static void worker_end_detached(struct detacher *detacher, void *generation)
{
	struct worker *worker = container_of(detacher, struct worker, detacher);

	worker->n_detached--;
	worker_unpin(worker, generation);
	worker_check_drained(worker);
}

static void worker_on_no_process(struct processes *processes)
{
	worker_check_drained(container_of(processes, struct worker, processes));
}

static void worker_on_no_file(struct file_io *io)
{
	worker_check_drained(container_of(io, struct worker, file_io));
}

void worker_open_files(struct worker *worker, struct file_engine *engine)
{
	file_io_init(&worker->file_io, worker->loop, engine, worker_on_no_file);
	scheduler_set_files(worker->scheduler, &worker->file_io);
	if (worker->actors)
		actor_loop_host(worker->actors)->context.files = &worker->file_io;
}

/* ------------------------------------------------------------ upstreams that nobody calls any
 * more */

static void worker_sweep_here(struct post *post)
{
	struct worker *worker = container_of(post, struct worker, sweep);

	atomic_store(&worker->sweep_posted,
		     false); /* first: what is asked from now on is another sweep */
	client_sweep(worker->client);
	redis_loop_sweep(worker->redis);
}

void worker_sweep(struct worker *worker)
{
	if (!atomic_exchange(&worker->sweep_posted, true))
		loop_post(worker->loop, &worker->sweep);
}

/* ------------------------------------------------------------ making */

static struct flow *worker_find_flow(void *generation, struct str name)
{
	return map_find(&((struct generation *)generation)->flows, name);
}

static void worker_on_no_message(struct actor_host *host)
{
	worker_check_drained(loop_user(host->loop));
}

static void worker_create_actors(struct worker *worker)
{
	const struct actor_host host = {
		.loop = worker->loop,
		.context = { .loop = worker->loop,
			     .client = worker->client,
			     .redis = worker->redis,
			     .detacher = &worker->detacher,
			     .processes = &worker->processes,
			     .jq = worker->server->jq,
			     .agendas = worker->server->agendas,
			     .store = worker->server->store },
		.on_quiet = worker_on_no_message,
	};

	worker->actors = actors_add_loop(worker->server->actors, &host);
	scheduler_set_actors(worker->scheduler, worker->actors);
	if (!worker->server->peers) /* in tests */
		return;
	worker->peers = peers_add_loop(worker->server->peers, worker->loop,
				       client_names(worker->client), worker->actors,
				       &worker->server->memory);
	actor_loop_host(worker->actors)->remote = &peers_remote;
	actor_loop_host(worker->actors)->peers = worker->peers;
}

int worker_create(struct worker **ret_worker, struct server *server, size_t index, bool is_main)
{
	struct worker *worker = mem_zalloc(sizeof(*worker));
	int r;

	worker->server = server;
	worker->index = index;
	worker->is_main = is_main;
	list_init(&worker->conns);
	list_init(&worker->requests);
	list_init(&worker->live);
	list_init(&worker->lives);
	digest_cache_init(&worker->tokens, WORKER_TOKENS);
	key_fetches_init(&worker->fetches);
	desk_init(&worker->files, worker);
	list_init(&worker->detacher.runs);
	worker->sweep.run = worker_sweep_here;
	worker->detacher.begin = worker_begin_detached;
	worker->detacher.end = worker_end_detached;
	worker->in = mem_alloc(WORKER_IN_SIZE);
	worker->out = mem_alloc(WORKER_OUT_SIZE);
	arena_init(&worker->path_arena, 256 << 10);
	check(getrandom(&worker->id_prefix, sizeof(worker->id_prefix), 0) ==
	      sizeof(worker->id_prefix));
	r = loop_create(&worker->loop);
	if (r == 0)
		r = client_create(&worker->client, worker->loop);
	if (r < 0) {
		worker_destroy(worker);
		return r;
	}
	round_init(&worker->round, worker->loop);
	tracer_init(&worker->tracer, worker->loop, worker->client, &worker->detacher);
	worker->redis = redis_loop_create(worker->loop, client_names(worker->client));
	coders_init(&worker->coders, worker->loop, &server->memory);
	loop_set_user(worker->loop, worker);
	loop_on_arrival(worker->loop, worker_on_arrival);
	processes_init(&worker->processes, worker->loop, server->spawner, worker_on_no_process);
	if (!is_main) {
		worker->scheduler =
			scheduler_create(worker->loop, worker->client, &worker->detacher, 0);
		scheduler_set_redis(worker->scheduler, worker->redis);
		scheduler_set_flows(worker->scheduler, worker_find_flow);
		scheduler_set_store(worker->scheduler, server->store);
		if (server->agendas)
			agendas_add_scheduler(server->agendas, worker->scheduler);
		scheduler_set_tracer(worker->scheduler, &worker->tracer);
		scheduler_set_programs(worker->scheduler, &worker->processes, server->jq);
		if (server->actors)
			worker_create_actors(worker);
	}
	*ret_worker = worker;
	return 0;
}

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	char name[16];

	snprintf(name, sizeof(name), "leat-loop-%zu", worker->index % 1000);
	pthread_setname_np(pthread_self(), name);
	logger_attach();
	loop_run(worker->loop);
	return NULL;
}

int worker_start(struct worker *worker)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&worker->thread, NULL, worker_thread, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		worker->thread = 0;
	return -r;
}

void worker_join(struct worker *worker)
{
	if (!worker || !worker->thread)
		return;
	loop_stop(worker->loop);
	pthread_join(worker->thread, NULL);
	worker->thread = 0;
}

void worker_destroy(struct worker *worker)
{
	struct list *link;

	if (!worker)
		return;
	worker_join(worker);
	while ((link = list_pop(&worker->requests))) {
		struct request *request = container_of(link, struct request, link);

		arena_fini(&request->arena);
		free(request);
	}
	digest_cache_fini(&worker->tokens);
	desk_fini(&worker->files);
	if (worker->file_io.loop)
		file_io_fini(&worker->file_io);
	coders_fini(&worker->coders);
	scheduler_destroy(worker->scheduler);
	redis_loop_destroy(worker->redis);
	if (worker->tracer.loop)
		tracer_fini(&worker->tracer);
	client_destroy(worker->client);
	loop_destroy(worker->loop);
	arena_fini(&worker->path_arena);
	free(worker->in);
	free(worker->out);
	free(worker);
}

/* ------------------------------------------------------------ generations */

void worker_pin(struct worker *worker, struct generation *generation)
{
	generation->n_refs[worker->index]++;
}

void worker_unpin(struct worker *worker, struct generation *generation)
{
	check(generation->n_refs[worker->index] > 0);
	if (--generation->n_refs[worker->index] == 0)
		server_generation_released(worker->server, generation);
}

/* Each upstream is checked by one loop of the process. */
static void worker_check_upstreams(struct worker *worker, const struct generation *generation)
{
	for (size_t i = 0; i < generation->http.n_upstreams; i++) {
		struct upstream *upstream = generation->http.upstreams[i];

		if (server_job_home(worker->server, upstream->name) == worker->index)
			client_check(worker->client, upstream);
	}
}

void worker_set_generation(struct worker *worker, struct generation *generation)
{
	struct generation *before = worker->generation;

	worker_pin(worker, generation);
	worker->generation = generation;
	head_memo_clear(&worker->head_memo);
	if (!worker->is_main)
		worker->router = generation->router;
	if (!worker->is_main)
		tracer_set(&worker->tracer, &generation->trace, generation);
	if (!worker->is_main && !worker->draining)
		worker_check_upstreams(worker, generation);
	if (worker->scheduler) {
		struct job_spec **specs =
			mem_alloc(sizeof(struct job_spec *) * (generation->n_jobs + 1));
		size_t n_specs = 0;

		for (size_t i = 0; i < generation->n_jobs; i++)
			if (server_job_home(worker->server, generation->jobs[i]->name) ==
			    worker->index)
				specs[n_specs++] = generation->jobs[i];
		scheduler_set_memory(worker->scheduler, generation->settings.memory,
				     &worker->server->memory);
		scheduler_set(worker->scheduler, generation, specs, n_specs);
		free(specs);
		if (worker->peers)
			peer_loop_set(worker->peers, &generation->peers);
		if (worker->actors)
			actor_loop_set(worker->actors, generation, generation->number,
				       &generation->actors, generation->settings.memory,
				       &worker->server->memory);
	}
	lives_check_routes(worker);
	if (before)
		worker_unpin(worker, before);
}

/* ------------------------------------------------------------ draining */

/* Also what goes on although its client has left. */
static void worker_cancel_work(struct worker *worker)
{
	struct request *request;

	list_each(request, &worker->live, struct request, link)
		request_cancel(request);
	detacher_cancel(&worker->detacher);
	lives_cancel(worker);
	tracer_cancel(&worker->tracer);
}

void worker_drain(struct worker *worker, bool cancel)
{
	struct conn *conn;

	worker->draining = true;
	worker->cancelling |= cancel; /* asked twice, the second may come here first */
	key_fetches_stop(&worker->fetches);
	client_stop_checks(worker->client);
	if (cancel)
		processes_hurry(&worker->processes, WORKER_HURRY_MS);
	if (worker->scheduler)
		scheduler_stop(worker->scheduler, cancel);
	if (worker->actors)
		actor_loop_drain(worker->actors, cancel);
	if (worker->peers)
		peer_loop_drain(worker->peers, cancel);
	list_each(conn, &worker->conns, struct conn, link)
		conn_drain(conn, cancel);
	lives_end(worker);
	if (cancel)
		worker_cancel_work(worker);
	worker_check_drained(worker);
}

void worker_check_drained(struct worker *worker)
{
	if (!worker->draining || worker->stopped || worker->is_main)
		return;
	/* also connections that are on their way here */
	if (atomic_load_explicit(&worker->stats.n_conns, memory_order_relaxed) > 0 ||
	    !list_is_empty(&worker->conns) || worker->n_detached > worker->tracer.holds ||
	    desk_is_busy(&worker->files) || worker->file_io.n_jobs > 0 ||
	    worker->processes.n_held > 0 ||
	    atomic_load_explicit(&worker->stats.n_busy, memory_order_relaxed) > 0 ||
	    scheduler_n_running(worker->scheduler) > 0 ||
	    (worker->actors && !actor_loop_is_quiet(worker->actors)))
		return;
	if (tracer_flush(&worker->tracer)) /* what all of that has told */
		return;
	worker->stopped = true;
	server_worker_drained(worker->server);
}

/* ------------------------------------------------------------ small things */

struct str worker_head_end(struct worker *worker)
{
	uint64_t now_ns = loop_now_ns(worker->loop);

	if (unlikely(now_ns >= worker->date_until_ns)) {
		int64_t wall_ns = clock_wall_ns();

		memcpy(worker->head_end, "Date: ", 6);
		http_date_write(worker->head_end + 6, wall_ns / (int64_t)NS_PER_S);
		memcpy(worker->head_end + 6 + HTTP_DATE_LEN, "\r\n\r\n", 4);
		worker->date_until_ns = now_ns + NS_PER_S - (uint64_t)(wall_ns % (int64_t)NS_PER_S);
	}
	return (struct str){ worker->head_end, WORKER_HEAD_END_LEN };
}

struct str worker_make_id(struct worker *worker, char out[32])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t high = worker->id_prefix, low = ++worker->id_next;

	for (unsigned i = 0; i < 12; i++, high >>= 4)
		out[i] = digits[high & 15];
	for (unsigned i = 0; i < 8; i++, low >>= 4)
		out[19 - i] = digits[low & 15];
	return (struct str){ out, 20 };
}
