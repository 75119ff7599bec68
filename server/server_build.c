/* server/server_build.c: what a server is made of, before it serves. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/task/home.h"
#include "server/admin/admin.h"
#include "server/async/async.h"
#include "server/auth/logins.h"
#include "server/body/uploads.h"
#include "server/cpus.h"
#include "server/jobs/todo_send.h"
#include "server/jq/jq_pool.h"
#include "server/live/topics.h"
#include "server/peers/peer_loop.h"
#include "server/server.h"
#include "server/store/store.h"
#include "server/upgrade/takeover.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { MEMORY_RESERVE = 1 << 20 }; /* for what cannot be refused while requests are served */

static unsigned server_n_threads(struct str text)
{
	uint64_t n_threads;

	return str_to_u64(text, &n_threads) == 0 ? (unsigned)n_threads : cpus_count();
}

/* Before the workers' threads run. */
static struct homes *server_create_homes(struct server *server)
{
	struct loop **loops = mem_alloc(server->n_workers * sizeof(struct loop *));
	struct homes *homes;

	for (size_t i = 0; i < server->n_workers; i++)
		loops[i] = server->workers[i]->loop;
	homes = homes_create(loops, server->n_workers);
	server->topics = topics_create(loops, server->n_workers, &server->memory);
	for (size_t i = 0; i < server->n_workers; i++) {
		scheduler_set_homes(server->workers[i]->scheduler, homes);
		scheduler_set_topics(server->workers[i]->scheduler, server->topics);
		actor_loop_host(server->workers[i]->actors)->context.homes = homes;
		actor_loop_host(server->workers[i]->actors)->context.topics = server->topics;
	}
	free(loops);
	return homes;
}

static int server_create_workers(struct server *server, size_t n_workers)
{
	server->n_workers = n_workers;
	server->actors = actors_create(n_workers, &server->memory);
	server->peers = peers_create(n_workers);
	server->workers = mem_zalloc((n_workers + 1) * sizeof(struct worker *));
	server->watchdog_turns = mem_zalloc(n_workers * sizeof(uint64_t));
	server->agendas = agendas_create(server->store, n_workers);
	todo_sends_begin(server->agendas);
	async_begin(server->agendas);
	for (size_t i = 0; i <= n_workers; i++) {
		int r = worker_create(&server->workers[i], server, i, i == n_workers);

		if (r < 0)
			return r;
	}
	server->homes = server_create_homes(server);
	server->main = server->workers[n_workers];
	server->main->router = admin_router();
	return 0;
}

/* As many descriptors as the connections may need, as far as the system lets. */
static void server_raise_files(const struct settings *settings)
{
	rlim_t wanted = (rlim_t)settings->connections * 2 + 1024;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : MIN(wanted, limit.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("descriptor limit not raised error=%s, going on",
			    strerrorname_np(errno));
	else if (limit.rlim_cur < (rlim_t)settings->connections + 64)
		log_warning("descriptor limit is lower than limits.connections limit=%llu "
			    "connections=%lld, going on",
			    (unsigned long long)limit.rlim_cur, (long long)settings->connections);
}

static void server_create_logins(struct server *server)
{
	server->logins = logins_create(server->pool);
	for (size_t i = 0; i < server->n_workers; i++)
		server->workers[i]->fetches.pool = logins_keys_queue(server->logins);
}

/* What a process before has left is removed now, not when the first file comes. Later is no harm: an
 * upload tries again, and is refused as long as there is no folder. */
static void server_open_uploads(struct server *server, const struct generation *generation)
{
	bool needed = false;
	int r;

	server->uploads = uploads_create(generation->settings.uploads);
	for (size_t i = 0; i < generation->n_routes; i++)
		needed |= generation->routes[i]->body.type == BODY_MULTIPART;
	if (!needed)
		return;
	r = uploads_open(server->uploads);
	if (r < 0)
		log_warning("uploads are refused folder=%s error=%s, trying again for each",
			    LOG_QUOTE(uploads_base(server->uploads)), strerrorname_np(-r));
}

/* DESIGN §2.1: what a sandbox or an old kernel refuses is done by the pool. */
static void server_open_files(struct server *server, const struct settings *settings)
{
	struct file_engine *engine = &server->file_engine;

	for (size_t i = 0; i < server->n_workers; i++)
		desk_open(&server->workers[i]->files, server->pool, server->n_workers);
	file_engine_open(engine, server->pool, server->n_workers,
			 settings->io_uring != IO_URING_OFF);
	for (size_t i = 0; i < server->n_workers; i++)
		worker_open_files(server->workers[i], engine);
	if (engine->ring_error)
		log_info("io_uring refused error=%s, threads work on files",
			 strerrorname_np(-engine->ring_error));
}

/* The list was looked at when it was loaded. */
static int server_set_dns(struct server *server, struct str servers)
{
	int r = 0;

	if (servers.len == 0)
		return 0;
	server->dns_servers = mem_strndup(servers.ptr, servers.len);
	for (size_t i = 0; r == 0 && i <= server->n_workers; i++)
		r = client_set_dns_servers(server->workers[i]->client, server->dns_servers);
	return r;
}

/* What it has to say goes to who starts leat, as errors of the
 * configuration do. */
static int server_open_store(struct server *server, const struct settings *settings)
{
	const struct store_settings store = {
		.path = settings->store_path.ptr,
		.size_max = settings->store_max,
		.move_corrupt = settings->store_if_corrupt == STORE_MOVE_ASIDE,
		.wait = server->unconfirmed,
	};
	struct diag diag;

	diag_init(&diag);
	server->store = store_create(&store, &diag);
	diag_print(&diag, stderr);
	takeover_tell(&diag);
	diag_fini(&diag);
	return server->store ? 0 : -EIO;
}

int server_build(struct server *server, const struct generation *generation)
{
	const struct settings *settings = &generation->settings;
	int r;

	server->spawner = spawner_create();
	server->jq = jq_pool_create(server->spawner, server_n_threads(settings->compute_threads));
	mem_keep_reserve(MEMORY_RESERVE);
	server_raise_files(settings);
	r = server_open_store(server, settings);
	if (r == 0)
		r = server_create_workers(server, server_n_threads(settings->threads));
	if (r == 0)
		r = server_set_dns(server, settings->dns_servers);
	if (r == 0)
		r = pool_create(&server->pool, "leat-compute",
				server_n_threads(settings->compute_threads));
	if (r < 0)
		return r;
	server->natives = (struct native_host){
		.actors = server->actors,
		.queue = pool_queue_open(server->pool, STR("actors"), &(struct pool_limits){ 0 }),
		.main = server->main->loop,
	};
	server_open_files(server, settings);
	server_create_logins(server);
	server_open_uploads(server, generation);
	return 0;
}
