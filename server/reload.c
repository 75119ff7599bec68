/* server/reload.c: one generation after the other.
 *
 *   server_reload() --> load on the pool --> open what is new to listen on --> swap on each loop --> told
 *                          \--> refused: nothing has changed ----------------------------------------/
 *
 * The swap is a post to each worker. When all have taken the new generation, the old one has
 * only the references of requests that began with it; each worker tells when it has let go of
 * its last, and then the main thread frees it. A reload that is asked for while one is in
 * progress waits, and reads the file again: the file may have changed since. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/flow/shared.h"
#include "server/inherited.h"
#include "server/log_output.h"
#include "server/logger.h"
#include "server/notify.h"
#include "server/peers/peer_loop.h"
#include "server/server.h"
#include "server/upgrade/takeover.h"
#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------ listeners */

static struct listener *server_find_listener(struct server *server, const struct net_addr *addr,
					     bool admin)
{
	struct listener *listener, *found = NULL;

	list_each(listener, &server->listeners, struct listener, link)
		if (listener->admin == admin && net_addr_eq(&listener->addr, addr))
			found = listener;
	return found;
}

static int server_open_listener(struct server *server, struct listen_spec *spec, bool admin,
				struct list *opened, struct diag *diag)
{
	struct listener *listener = server_find_listener(server, &spec->addr, admin);
	struct worker *acceptor = admin ? server->main
					: server->workers[server->n_opened % server->n_workers];
	int r;

	if (listener) {
		listener->kept = true;
		spec->number = listener->number;
		return 0;
	}
	r = listener_create(&listener, server, acceptor, spec->text, &spec->addr, admin);
	if (r < 0) {
		if (admin &&
		    !spec->place
			     .source) { /* nobody asked for it: the default is worth a try, no more */
			log_warning(
				"admin socket not opened address=%s error=%s, going on without it",
				LOG_QUOTE(spec->text), strerrorname_np(-r));
			return 0;
		}
		diag_error(diag, spec->place, "cannot listen on %.*s: %s", STR_ARG(spec->text),
			   r == -ENOENT && inherited_is_meant(spec->text)
				   ? "systemd has passed no socket of that name"
				   : strerror(-r));
		return r;
	}
	server->n_opened += !admin;
	listener->number = spec->number = ++server->n_listeners_ever;
	listener->kept = true;
	list_add(opened, &listener->link);
	return 0;
}

/* Opens what the generation wants and is not open yet. All or nothing. */
int server_open_listeners(struct server *server, struct generation *generation, struct diag *diag)
{
	struct list opened = LIST_INIT(opened);
	struct listener *listener;
	int r = 0;

	list_each(listener, &server->listeners, struct listener, link)
		listener->kept = false;
	for (size_t i = 0; i < generation->n_listens && r == 0; i++)
		r = server_open_listener(server, &generation->listens[i], false, &opened, diag);
	if (r == 0 && generation->admin.text.len)
		r = server_open_listener(server, &generation->admin, true, &opened, diag);
	if (r < 0) {
		list_each(listener, &opened, struct listener, link)
			listener_stop(listener);
		return r;
	}
	list_each(listener, &opened, struct listener, link) {
		list_remove(&listener->link);
		list_add(&server->listeners, &listener->link);
	}
	return 0;
}

/* When every worker has the generation that says what holds for them; until then clients wait in
 * the sockets' backlogs. */
static void server_start_listeners(struct server *server)
{
	struct listener *listener;

	list_each(listener, &server->listeners, struct listener, link)
		if (!listener->started) {
			listener_start(listener);
			if (!server->starting)
				listener_store(listener);
		}
}

/* A log that cannot be written is a reason to refuse a configuration, not to go on without it. */
int server_check_access_log(const struct generation *generation, struct diag *diag)
{
	const struct node *node = node_find(generation->conf.root, "log");
	struct str path = generation->settings.log_access;
	scoped(fd_close) int fd = -1;
	int r;

	if (str_eq(path, STR("off")) || str_eq(path, STR("stderr")))
		return 0;
	r = log_output_open(path.ptr, &fd);
	if (r < 0) {
		node = node ? node_find(node, "access") : NULL;
		diag_error(diag, node ? node->place : (struct place){ 0 },
			   "cannot open the access log %.*s: %s", STR_ARG(path), strerror(-r));
	}
	return r;
}

static void server_close_unwanted(struct server *server)
{
	struct listener *listener;

	list_each(listener, &server->listeners, struct listener, link)
		if (!listener->kept)
			listener_stop(listener);
}

/* ------------------------------------------------------------ generations */

struct release {
	struct post post;
	struct server *server;
	struct generation *generation;
};

static void server_forget(struct server *server, struct generation *generation)
{
	for (size_t i = 0; i < server->n_old; i++) {
		if (server->old[i] != generation)
			continue;
		server->old[i] = server->old[--server->n_old];
		generation_destroy(generation);
		/* at the end of the process the main loop is the last: the workers are gone, or about to go */
		for (size_t j = 0; j < server->n_workers && !server->stopping; j++)
			worker_sweep(server->workers[j]);
		return;
	}
}

/* Each worker (the main one too) holds a generation from the moment it takes it until its last
 * reference is gone, which happens once: a worker that has let go of an old generation never
 * takes it up again. */
static void server_on_release(struct post *post)
{
	struct release *release = container_of(post, struct release, post);
	struct server *server = release->server;
	struct generation *generation = release->generation;

	free(release);
	check(generation->n_holders > 0);
	if (--generation->n_holders == 0)
		server_forget(server, generation);
}

void server_generation_released(struct server *server, struct generation *generation)
{
	struct release *release = mem_alloc(sizeof(*release));

	*release = (struct release){ { .run = server_on_release }, server, generation };
	loop_post(server->main->loop, &release->post);
}

void server_apply_settings(struct server *server)
{
	const struct settings *settings = &server->generation->settings;
	const struct logger_settings logger = {
		.level = (enum log_level)settings->log_level,
		.format = (enum logger_format)settings->log_format,
		.access = settings->log_access.ptr,
		.share = settings->log_share,
	};
	int r = logger_set(&logger);

	if (r < 0)
		log_error("access log not opened path=%s error=%s, the old one stays",
			  LOG_QUOTE(settings->log_access), strerrorname_np(-r));
	atomic_store(&server->connections_max, (size_t)settings->connections);
	atomic_store(&server->memory.max, (size_t)settings->total_memory);
}

struct swap {
	struct post post;
	struct worker *worker;
	struct generation *generation;
};

static void server_reload_done(struct server *server);

static void server_on_swapped(struct post *post)
{
	struct swap *swap = container_of(post, struct swap, post);
	struct server *server = swap->worker->server;

	free(swap);
	check(server->n_unswapped > 0);
	if (--server->n_unswapped > 0)
		return;
	server_reload_done(server);
	if (server->stop_asked)
		server_shutdown(server);
}

static void server_swap_here(struct post *post)
{
	struct swap *swap = container_of(post, struct swap, post);

	worker_set_generation(swap->worker, swap->generation);
	swap->post.run = server_on_swapped;
	loop_post(swap->worker->server->main->loop, &swap->post);
}

/* Gives every worker the generation; n_unswapped counts those that have not said yes. */
#if WITH_KAFKA
static struct loop *server_outbox_home(void *arg, struct str name)
{
	struct server *server = arg;

	return server->workers[server_job_home(server, name)]->loop;
}
#endif

/* Who writes `persist: true` thinks of a disk. */
static void server_warn_of_store(struct server *server, const struct actor_section *section)
{
	struct store_stats stats = { .in_memory = false };

	if (server->store)
		store_stats(server->store, &stats);
	for (size_t i = 0; stats.in_memory && i < section->n_specs; i++) {
		if (!section->specs[i].persists)
			continue;
		log_warning("actor state is lost with this process name=%s: the store is in "
			    "memory; say store: {path: FILE}",
			    LOG_QUOTE(section->specs[i].name));
		return;
	}
}

void server_apply_generation(struct server *server, struct generation *generation)
{
	struct generation *before = server->generation;

	if (before) {
		server->old = mem_realloc_array(server->old, server->n_old + 1,
						sizeof(struct generation *));
		server->old[server->n_old++] = before;
	}
	generation->n_refs = mem_zalloc((server->n_workers + 1) * sizeof(size_t));
	generation->n_holders = (unsigned)server->n_workers + 1;
	server->generation = generation;
	queues_open(&generation->queues, server->pool);
	shared_watch(generation->shared, server->homes);
	upstream_section_apply(&generation->http);
	peers_apply(server->peers, &generation->peers, &generation->actors);
#if WITH_KAFKA
	kafka_outboxes_set(&server->kafka_outboxes, &generation->kafka, server->store,
			   server_outbox_home, server);
#endif
	server_apply_settings(server);
	server_warn_of_store(server, &generation->actors);
	worker_set_generation(server->main, generation);
	server->n_unswapped = (unsigned)server->n_workers;
	for (size_t i = 0; i < server->n_workers; i++) {
		struct swap *swap = mem_alloc(sizeof(*swap));

		*swap = (struct swap){ { .run = server_swap_here },
				       server->workers[i],
				       generation };
		loop_post(server->workers[i]->loop, &swap->post);
	}
}

/* ------------------------------------------------------------ loading */

struct load_work {
	struct work work;
	struct post post;
	struct server *server;
	struct generation *generation; /* the result */
	struct diag diag;
};

static void server_tell(struct server *server, bool accepted, struct str text)
{
	struct list asked = LIST_INIT(asked);
	struct list *link;

	list_move_all(&asked, &server->reloads);
	while ((link = list_pop(&asked))) {
		struct reload *reload = container_of(link, struct reload, link);

		reload->on_done(reload, accepted, text);
	}
}

static void server_begin_load(struct server *server);

static void server_end_reload(struct server *server)
{
	server->reloading = false;
	server_check_ended(server);
	server_resume_reloads(server);
}

void server_resume_reloads(struct server *server)
{
	if (server->reloading || server->n_unswapped > 0 || server->upgrade)
		return;
	list_move_all(&server->reloads, &server->reloads_next);
	if (!list_is_empty(&server->reloads) && !server->stopping)
		server_begin_load(server);
	else if (!list_is_empty(&server->reloads))
		server_tell(server, false, STR("leat is stopping\n"));
}

bool server_drop_reloads(struct server *server)
{
	list_move_all(&server->reloads, &server->reloads_next);
	if (list_is_empty(&server->reloads))
		return false;
	server_tell(server, false, STR("leat was upgraded meanwhile: the new process reloads\n"));
	return true;
}

static void server_reload_done(struct server *server)
{
	char status[64];

	if (!server->stopping)
		server_start_listeners(server);
	if (server->starting) {
		server->starting = false;
		if (server->unconfirmed && !server->stopping)
			takeover_serve(server);
		server_end_reload(server);
		return;
	}
	snprintf(status, sizeof(status), "serving generation %llu",
		 (unsigned long long)server->generation->number);
	log_info("reload done generation=%llu routes=%zu jobs=%zu",
		 (unsigned long long)server->generation->number, server->generation->n_routes,
		 server->generation->n_jobs);
	notify_ready(status);
	server_tell(server, true, buf_str(&server->reload_text));
	buf_fini(&server->reload_text);
	server_end_reload(server);
}

static void server_refuse_reload(struct server *server, const struct diag *diag)
{
	const struct diag_entry *first = diag->n_entries ? &diag->entries[0] : NULL;
	char status[512];

	for (size_t i = 0; i < diag->n_entries && diag->entries[i].level != DIAG_ERROR; i++)
		first = &diag->entries[i + 1];
	server->n_reloads_refused++;
	log_error("reload refused errors=%zu first=%s", diag->n_errors,
		  LOG_QUOTE(str_of(first ? first->message : "")));
	snprintf(status, sizeof(status), "reload refused, generation %llu goes on: %s:%u: %s",
		 (unsigned long long)server->generation->number,
		 first && first->file ? first->file : "", first ? first->line : 0,
		 first ? first->message : "");
	notify_ready(status);
	server_tell(server, false, buf_str(&server->reload_text));
	buf_fini(&server->reload_text);
	server_end_reload(server);
}

/* What only a restart can change is said, not ignored. */
static void server_warn_fixed(struct server *server, const struct generation *generation,
			      struct diag *diag)
{
	const struct settings *old = &server->generation->settings, *new = &generation->settings;

	if (!str_eq(old->threads, new->threads) ||
	    !str_eq(old->compute_threads, new->compute_threads) ||
	    !str_eq(old->uploads, new->uploads) || !str_eq(old->dns_servers, new->dns_servers) ||
	    old->io_uring != new->io_uring)
		diag_warning(diag, (struct place){ 0 },
			     "server: threads, uploads, resolvers and io_uring are fixed for the "
			     "life of the process; restart leat to change them");
}

/* A file that holds what is yet to be done is not exchanged under those who do it. */
static bool server_check_store(struct server *server, const struct generation *generation,
			       struct diag *diag)
{
	const struct settings *old = &server->generation->settings, *new = &generation->settings;
	const struct node *node = node_find(generation->conf.root, "store");

	if (str_eq(old->store_path, new->store_path) && old->store_max == new->store_max)
		return true;
	diag_error(
		diag, node ? node->place : (struct place){ 0 },
		"store: path and max are fixed for the life of the process; restart leat to change "
		"them (the store is %s)",
		old->store_path.ptr);
	return false;
}

static void server_on_loaded(struct post *post)
{
	struct load_work *load = container_of(post, struct load_work, post);
	struct server *server = load->server;

	if (load->generation && server->stopping) {
		generation_destroy(take(&load->generation));
		diag_error(&load->diag, (struct place){ 0 }, "leat is stopping");
	}
	if (load->generation) {
		server_warn_fixed(server, load->generation, &load->diag);
		if (!server_check_store(server, load->generation, &load->diag) ||
		    server_check_access_log(load->generation, &load->diag) < 0 ||
		    server_open_listeners(server, load->generation, &load->diag) < 0)
			generation_destroy(take(&load->generation));
	}
	buf_init(&server->reload_text, SIZE_MAX);
	diag_write(&load->diag, &server->reload_text);
	if (load->generation) {
		server->n_reloads++;
		server_close_unwanted(server);
		server_apply_generation(server, load->generation);
	} else {
		server_refuse_reload(server, &load->diag);
	}
	diag_fini(&load->diag);
	free(load);
}

static void server_load(struct work *work)
{
	struct load_work *load = container_of(work, struct load_work, work);
	struct server *server = load->server;

	load->generation =
		generation_load(server->conf_path, server->generation, false, false, &load->diag);
	if (load->generation &&
	    !natives_start(&load->generation->natives, &server->natives, &load->diag)) {
		generation_destroy(load->generation);
		load->generation = NULL;
	}
	loop_post(server->main->loop, &load->post);
}

/* server->generation stays as it is until the load has ended, so the pool may read it. */
static void server_begin_load(struct server *server)
{
	struct load_work *load = mem_zalloc(sizeof(*load));

	server->reloading = true;
	load->server = server;
	load->work.run = server_load;
	load->post.run = server_on_loaded;
	diag_init(&load->diag);
	notify_reloading();
	pool_submit(server->pool, &load->work);
}

void server_reload(struct server *server, struct reload *reload)
{
	if (server->reloading || server->n_unswapped > 0 || server->upgrade) {
		list_add(&server->reloads_next, &reload->link);
		return;
	}
	list_add(&server->reloads, &reload->link);
	server_begin_load(server);
}
