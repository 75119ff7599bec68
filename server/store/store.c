/* server/store/store.c: the thread that writes, and what waits for it. */
#include "server/store/store.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/logger.h"
#include "server/store/store_private.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH_MAX = 1000 }; /* ops of one transaction */

/* ------------------------------------------------------------ whether it works */

void store_note_trouble(struct store *store, int trouble)
{
	char problem[160] = "";
	int before;

	if (trouble)
		snprintf(problem, sizeof(problem), "%s",
			 trouble == -ENOSPC ? "the disk is full, or store.max is reached"
					    : store->db.problem);
	if (trouble && !store->broken)
		store->probe_ns = clock_monotonic_ns() + PROBE_MS * NS_PER_MS;
	store->broken = trouble != 0;
	lock_acquire(&store->lock);
	before = store->trouble;
	store->trouble = trouble;
	memcpy(store->problem, problem, sizeof(problem));
	lock_release(&store->lock);
	if (trouble && trouble != before)
		log_error("store does not work path=%s error=%s problem=%s, going on without it, "
			  "trying again",
			  LOG_QUOTE(str_of(store->path)), strerrorname_np(-trouble),
			  LOG_QUOTE(str_of(problem)));
	else if (!trouble && before)
		log_warning("store works again path=%s", LOG_QUOTE(str_of(store->path)));
}

/* After a commit that has worked. */
void store_measure(struct store *store)
{
	int64_t n_pages = store_number(&store->db, "pragma page_count", STORE_NO_ARGS, 0, NULL);
	int64_t size = store_number(&store->db, "pragma page_size", STORE_NO_ARGS, 0, NULL);

	atomic_store(&store->size_bytes, (uint64_t)(n_pages * size));
}

/* ------------------------------------------------------------ transactions */

static bool store_is_in_transaction(struct store *store)
{
	return !sqlite3_get_autocommit(store->db.sqlite);
}

/* 0, also when the op alone has failed; or what the whole transaction fails with. */
static int store_run_op(struct store *store, struct store_op *op)
{
	struct store_db *db = &store->db;
	int r = (int)MIN(store_write(db, "savepoint op", STORE_NO_ARGS), (int64_t)0);

	if (r == 0) {
		op->result = op->run(op, db);
		check(op->result <= 0);
		store_db_reset(db);
		if (db->trouble || !store_is_in_transaction(store))
			return db->trouble ? db->trouble : op->result < 0 ? op->result : -EIO;
		if (op->result < 0)
			r = (int)MIN(store_write(db, "rollback to op", STORE_NO_ARGS), (int64_t)0);
	}
	if (r == 0)
		r = (int)MIN(store_write(db, "release op", STORE_NO_ARGS), (int64_t)0);
	return r;
}

/* All of it is on the disk, or nothing: then a negative errno. */
static int store_transaction(struct store *store, struct list *ops)
{
	struct store_op *op;
	int r;

	store->db.trouble = 0;
	r = store_db_exec(&store->db, "begin immediate");
	list_each(op, ops, struct store_op, link)
		if (r == 0)
			r = store_run_op(store, op);
	if (r == 0)
		r = (int)MIN(store_write(&store->db, "commit", STORE_NO_ARGS), (int64_t)0);
	if (r < 0 && store_is_in_transaction(store))
		sqlite3_exec(store->db.sqlite, "rollback", NULL, NULL, NULL);
	if (r == 0)
		atomic_fetch_add(&store->n_commits, 1);
	return r;
}

static void store_tell(struct store *store, struct list *ops)
{
	struct store_op *op;
	struct list *link;
	size_t n_told = 0;

	lock_acquire(&store->lock);
	list_each(op, ops, struct store_op, link) {
		n_told++;
		store->n_waiting--;
		store->waiting_bytes -= op->size;
	}
	store->n_telling += n_told;
	lock_release(&store->lock);
	while ((link = list_pop(ops))) {
		op = container_of(link, struct store_op, link);
		atomic_fetch_add(&store->n_ops, 1);
		if (store_error_is_of_file(op->result))
			atomic_fetch_add(&store->n_failed, 1);
		loop_post(op->loop, &op->post); /* it may be gone from here on */
	}
	lock_acquire(&store->lock);
	store->n_telling -= n_told;
	if (store->n_waiting + store->n_telling == 0)
		pthread_cond_signal(&store->told);
	lock_release(&store->lock);
}

static void store_run_alone(struct store *store, struct store_op *op)
{
	struct list alone = LIST_INIT(alone);
	int r;

	list_add(&alone, &op->link);
	r = store_transaction(store, &alone);
	if (r < 0)
		op->result = r;
	if (store->db.trouble)
		store_note_trouble(store, store->db.trouble);
	store_tell(store, &alone);
}

static void store_fail(struct store *store, struct list *ops, int error)
{
	struct store_op *op;

	store_note_trouble(store, error);
	list_each(op, ops, struct store_op, link)
		op->result = error;
	store_tell(store, ops);
}

/* When they fail together, each has its own chance: what is too large for the disk does not take
 * the others with it. But when another program writes, each would wait as long for it. */
static void store_run_batch(struct store *store, struct list *ops)
{
	struct list *link;

	if (list_is_empty(ops))
		return;
	if (store_transaction(store, ops) == 0) {
		store_measure(store);
		store_tell(store, ops);
		return;
	}
	if (store->db.trouble == -EBUSY) {
		store_fail(store, ops, -EBUSY);
		return;
	}
	while ((link = list_pop(ops)))
		store_run_alone(store, container_of(link, struct store_op, link));
}

/* More than what is left over in pages that are not full. */
static int store_probe_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return (int)MIN(store_write(db,
				    "insert or replace into meta values ('probe', zeroblob(65536))",
				    STORE_NO_ARGS),
			(int64_t)0);
}

static int store_unprobe_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return (int)MIN(store_write(db, "delete from meta where key = 'probe'", STORE_NO_ARGS),
			(int64_t)0);
}

static int store_try_alone(struct store *store, store_run_fn *run)
{
	struct store_op op = { .run = run };
	struct list alone = LIST_INIT(alone);
	int r;

	list_add(&alone, &op.link);
	r = store_transaction(store, &alone);
	list_remove(&op.link);
	return r < 0 ? r : op.result;
}

/* Only this says that the file works again: what has just worked may have been a query, or an
 * update that needs no room. */
static void store_probe(struct store *store)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (!store->broken || now_ns < store->probe_ns)
		return;
	store->probe_ns = now_ns + PROBE_MS * NS_PER_MS;
	if (store_try_alone(store, store_probe_run) == 0 &&
	    store_try_alone(store, store_unprobe_run) == 0)
		store_note_trouble(store, 0);
}

/* ------------------------------------------------------------ the thread */

/* False: it is to end. Nothing in `ret_ops`: it is time to try whether the file works. */
static bool store_take(struct store *store, struct list *ret_ops)
{
	bool waits = true;
	struct list *link;

	lock_acquire(&store->lock);
	while (list_is_empty(&store->waiting) && !store->stopping && waits) {
		if (store->trouble)
			waits = lock_wait_ms(&store->lock, &store->wake, PROBE_MS);
		else
			lock_wait(&store->lock, &store->wake);
	}
	for (size_t i = 0; i < BATCH_MAX && (link = list_pop(&store->waiting)); i++)
		list_add(ret_ops, link);
	waits = !store->stopping || !list_is_empty(ret_ops);
	lock_release(&store->lock);
	return waits;
}

/* Nobody gets an answer from a file that cannot be had. */
void store_fail_waiting(struct store *store, int error)
{
	struct list ops = LIST_INIT(ops);
	struct store_op *op;

	lock_acquire(&store->lock);
	list_move_all(&ops, &store->waiting);
	lock_release(&store->lock);
	list_each(op, &ops, struct store_op, link)
		op->result = error;
	store_tell(store, &ops);
}

static void *store_thread(void *arg)
{
	struct store *store = arg;
	struct list ops = LIST_INIT(ops);

	pthread_setname_np(pthread_self(), "leat-store");
	logger_attach();
	if (!atomic_load(&store->open) && !store_open_late(store))
		return NULL;
	while (store_take(store, &ops)) {
		store_run_batch(store, &ops);
		store_probe(store);
	}
	return NULL;
}

static int store_start(struct store *store)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&store->thread, NULL, store_thread, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

struct store *store_create(const struct store_settings *settings, struct diag *diag)
{
	struct store *store = mem_zalloc(sizeof(*store));
	bool in_memory = strcmp(settings->path, ":memory:") == 0, later = settings->wait;
	int r = later ? store_db_look(settings->path, diag)
		      : store_db_open(&store->db, settings, diag);

	if (later)
		store->db.lock_fd = -1;
	if (r == 0) {
		store->path = mem_strdup(settings->path);
		store->settings = *settings;
		store->settings.path = store->path;
		store->in_memory = in_memory;
		atomic_init(&store->open, !later);
		lock_init(&store->lock);
		check(pthread_cond_init(&store->wake, NULL) == 0);
		check(pthread_cond_init(&store->told, NULL) == 0);
		list_init(&store->waiting);
		if (!later)
			store_measure(store);
		r = store_start(store);
		if (r == 0)
			return store;
		diag_error(diag, (struct place){ 0 }, "cannot start the thread of the store: %s",
			   strerror(-r));
		lock_fini(&store->lock);
		pthread_cond_destroy(&store->wake);
		pthread_cond_destroy(&store->told);
	}
	store_db_close(&store->db);
	free(store->path);
	free(store);
	return NULL;
}

void store_wait(struct store *store)
{
	if (!store)
		return;
	lock_acquire(&store->lock);
	while (atomic_load(&store->open) && store->n_waiting + store->n_telling > 0)
		lock_wait(&store->lock, &store->told);
	lock_release(&store->lock);
}

void store_stop(struct store *store)
{
	if (!store || !store->thread)
		return;
	lock_acquire(&store->lock);
	store->stopping = true;
	pthread_cond_signal(&store->wake);
	lock_release(&store->lock);
	pthread_join(store->thread, NULL);
	store->thread = 0;
	store_db_close(&store->db);
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	store_stop(store);
	lock_fini(&store->lock);
	pthread_cond_destroy(&store->wake);
	pthread_cond_destroy(&store->told);
	free(store->path);
	free(store);
}

/* ------------------------------------------------------------ any thread */

static void store_on_post(struct post *post)
{
	struct store_op *op = container_of(post, struct store_op, post);

	op->on_done(op);
}

int store_submit(struct store *store, struct store_op *op, size_t size)
{
	bool full;

	op->post.run = store_on_post;
	op->size = size;
	op->result = 0;
	list_init(&op->link);
	lock_acquire(&store->lock);
	full = store->stopping || store->n_waiting >= STORE_WAITING_MAX ||
	       store->waiting_bytes + size > STORE_WAITING_BYTES_MAX;
	if (!full) {
		store->n_waiting++;
		store->waiting_bytes += size;
		if (list_is_empty(&store->waiting))
			pthread_cond_signal(&store->wake);
		list_add(&store->waiting, &op->link);
	}
	lock_release(&store->lock);
	if (full)
		atomic_fetch_add(&store->n_refused, 1);
	return full ? -EAGAIN : 0;
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
	*ret_stats = (struct store_stats){
		.in_memory = store->in_memory,
		.n_ops = atomic_load(&store->n_ops),
		.n_failed = atomic_load(&store->n_failed),
		.n_commits = atomic_load(&store->n_commits),
		.n_refused = atomic_load(&store->n_refused),
		.size_bytes = atomic_load(&store->size_bytes),
	};
	lock_acquire(&store->lock);
	ret_stats->degraded = store->trouble != 0;
	ret_stats->n_waiting = store->n_waiting;
	memcpy(ret_stats->problem, store->problem, sizeof(store->problem));
	lock_release(&store->lock);
}

const char *store_path(const struct store *store)
{
	return store->path;
}

bool store_is_open(struct store *store)
{
	return atomic_load(&store->open);
}

bool store_has_waited(struct store *store)
{
	return store->settings.wait && !store->in_memory;
}
