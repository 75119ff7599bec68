/* tests/server/store/store.c: what was acknowledged is there; what went wrong is said, and undone. */
#include "server/store/store.h"
#include "core/base/memory.h"
#include "server/store/store_db.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/leat-store-XXXXXX";
static char *path;
static struct loop *loop;
static struct store *store;
static struct diag diag;

static char *beside(const char *suffix)
{
	return mem_printf("%s%s", path, suffix);
}

static void forget_files(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-lock" };

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char *name = beside(suffixes[i]);

		unlink(name);
		free(name);
	}
}

static bool open_with(const struct store_settings *settings)
{
	diag_init(&diag);
	if (!loop)
		check(loop_create(&loop) == 0);
	store = store_create(settings, &diag);
	return store != NULL;
}

static bool open_store(const char *place)
{
	const struct store_settings settings = { place, 1 << 30, false };

	return open_with(&settings);
}

static void close_store(void)
{
	store_destroy(store);
	store = NULL;
	diag_fini(&diag);
	loop_run_once(loop, false);
	loop_destroy(loop);
	loop = NULL;
}

static bool said(const char *part)
{
	return diag.n_errors == 1 && str_find(str_of(diag.entries[0].message), str_of(part)) >= 0;
}

/* ------------------------------------------------------------ ops */

struct write {
	struct store_op op;
	int number;
	size_t bytes;
	int fails; /* after it has written */
	bool done;
	int at; /* in which place it was told */
};

static int n_told;

static int write_run(struct store_op *op, struct store_db *db)
{
	struct write *write = container_of(op, struct write, op);
	int64_t r;

	r = store_write(db, "create table if not exists t (n integer primary key, bytes)",
			STORE_NO_ARGS);
	if (r >= 0)
		r = store_write(
			db, "insert into t values (?1, zeroblob(?2))",
			STORE_ARGS(store_int(write->number), store_int((int64_t)write->bytes)));
	return r < 0 ? (int)r : write->fails;
}

static void write_done(struct store_op *op)
{
	struct write *write = container_of(op, struct write, op);

	check(loop_is_current(loop));
	write->done = true;
	write->at = n_told++;
	loop_stop(loop);
}

static void submit(struct write *write)
{
	write->op.loop = loop;
	if (!write->op.run)
		write->op.run = write_run;
	write->op.on_done = write_done;
	check(store_submit(store, &write->op, write->bytes) == 0);
}

static int finish(struct write *write)
{
	while (!write->done)
		loop_run(loop); /* until one was told */
	return write->op.result;
}

static int write_now(int number, size_t bytes)
{
	struct write write = { .number = number, .bytes = bytes };

	submit(&write);
	return finish(&write);
}

static int count_run(struct store_op *op, struct store_db *db)
{
	int r;

	container_of(op, struct write, op)->number =
		(int)store_number(db, "select count(*) from t", STORE_NO_ARGS, -1, &r);
	return r;
}

static int count_rows(void)
{
	struct write write = { .op.run = count_run };

	submit(&write);
	is_int(finish(&write), 0);
	return write.number;
}

static void what_was_acknowledged_is_there_after_a_new_start(void)
{
	is_true(open_store(path));
	is_int(write_now(1, 10), 0);
	close_store();
	is_true(open_store(path));
	is_int(count_rows(), 1);
	close_store();
	forget_files();
}

/* Not closed: as after kill -9. */
static void what_was_acknowledged_survives_the_end_of_the_process(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		open_store(path);
		for (int i = 0; i < 10; i++)
			check(write_now(i, 100) == 0);
		_exit(0);
	}
	is_int(waitpid(child, &status, 0), child);
	is_int(status, 0);
	is_true(open_store(path));
	is_int(count_rows(), 10);
	close_store();
	forget_files();
}

static void many_are_one_transaction_and_told_in_order(void)
{
	enum { N_WRITES = 5000 };
	struct write *writes = mem_zalloc(N_WRITES * sizeof(*writes));
	struct store_stats stats;

	is_true(open_store(path));
	n_told = 0;
	for (int i = 0; i < N_WRITES; i++) {
		writes[i] = (struct write){ .number = i };
		submit(&writes[i]);
	}
	for (int i = 0; i < N_WRITES; i++) {
		check(finish(&writes[i]) == 0);
		check(writes[i].at == i);
	}
	store_stats(store, &stats);
	is_int(stats.n_ops, N_WRITES);
	is_true(stats.n_commits < N_WRITES / 10);
	is_int(stats.n_waiting, 0);
	is_int(count_rows(), N_WRITES);
	close_store();
	forget_files();
	free(writes);
}

static void one_that_fails_is_undone_alone(void)
{
	struct write writes[3] = { { .number = 1 },
				   { .number = 2, .fails = -EINVAL },
				   { .number = 3 } };

	is_true(open_store(":memory:"));
	is_int(write_now(0, 0), 0);
	for (size_t i = 0; i < 3; i++)
		submit(&writes[i]);
	is_int(finish(&writes[0]), 0);
	is_int(finish(&writes[1]), -EINVAL);
	is_int(finish(&writes[2]), 0);
	is_int(count_rows(), 3);
	is_int(write_now(3, 0), -EEXIST);
	is_int(count_rows(), 3);
	close_store();
}

static int half_run(struct store_op *op, struct store_db *db)
{
	struct sqlite3_stmt *statement = store_query(db, "select n from t", STORE_NO_ARGS);

	(void)op;
	return store_row(db, statement) == 1 ? 0 : -EIO;
}

static void a_query_that_was_not_read_to_its_end_holds_up_nobody(void)
{
	struct write write = { .op.run = half_run };

	is_true(open_store(path));
	is_int(write_now(1, 0), 0);
	is_int(write_now(2, 0), 0);
	submit(&write);
	is_int(finish(&write), 0);
	is_int(write_now(3, 0), 0);
	is_int(count_rows(), 3);
	close_store();
	forget_files();
}

/* ------------------------------------------------------------ bounds */

static _Atomic bool held;

static int hold_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	(void)db;
	while (atomic_load(&held))
		usleep(1000);
	return 0;
}

static void its_queue_is_bounded_in_number_and_bytes(void)
{
	struct write *writes = mem_zalloc((STORE_WAITING_MAX + 1) * sizeof(*writes));
	struct write large = { .number = -1 };
	struct store_stats stats;

	is_true(open_store(":memory:"));
	atomic_store(&held, true);
	writes[0].op.run = hold_run;
	for (int i = 0; i < STORE_WAITING_MAX; i++) {
		writes[i].number = i;
		if (i > 0)
			writes[i].op.run = NULL;
		submit(&writes[i]);
	}
	is_int(store_submit(store, &writes[STORE_WAITING_MAX].op, 0), -EAGAIN);
	store_stats(store, &stats);
	is_int(stats.n_refused, 1);
	is_int(stats.n_waiting, STORE_WAITING_MAX);
	atomic_store(&held, false);
	for (int i = 0; i < STORE_WAITING_MAX; i++)
		check(finish(&writes[i]) == 0);
	is_int(store_submit(store, &large.op, STORE_WAITING_BYTES_MAX + 1), -EAGAIN);
	is_int(count_rows(), STORE_WAITING_MAX - 1);
	close_store();
	free(writes);
}

static void what_waits_at_the_end_is_done(void)
{
	struct write writes[100] = { { { 0 } } };

	is_true(open_store(path));
	for (int i = 0; i < 100; i++) {
		writes[i].number = i;
		submit(&writes[i]);
	}
	store_destroy(store);
	loop_run_once(loop, false);
	for (int i = 0; i < 100; i++)
		check(writes[i].done && writes[i].op.result == 0);
	is_true(open_store(path));
	is_int(count_rows(), 100);
	close_store();
	forget_files();
}

/* ------------------------------------------------------------ a full disk */

static bool is_degraded(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.degraded;
}

static int drop_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return (int)MIN(store_write(db, "delete from t where length(bytes) > 1000", STORE_NO_ARGS),
			INT64_C(0));
}

static void a_full_store_says_so_and_works_again_when_there_is_room(void)
{
	const struct store_settings settings = { path, 1 << 20, false };
	struct write small = { .number = 1000 }, large = { .number = 1001, .bytes = 2 << 20 };
	struct write drop = { .op.run = drop_run };
	struct store_stats stats;
	int r = 0;

	is_true(open_with(&settings));
	is_int(write_now(0, 0), 0);
	submit(&small);
	submit(&large); /* they fail together, then one alone */
	is_int(finish(&small), 0);
	is_int(finish(&large), -ENOSPC);
	is_true(is_degraded());
	store_stats(store, &stats);
	is_true(strstr(stats.problem, "full") != NULL);
	is_int(count_rows(), 2);
	while (is_degraded())
		usleep(10000); /* by itself: nobody asks for anything */
	for (int i = 1; i < 100 && r == 0; i++)
		r = write_now(i, 50000);
	is_int(r, -ENOSPC);
	submit(&drop);
	is_int(finish(&drop), 0);
	while (is_degraded())
		usleep(10000);
	is_int(write_now(2000, 50000), 0);
	close_store();
	forget_files();
}

/* ------------------------------------------------------------ files that are not right */

static void write_file(const char *name, const char *bytes, size_t size, off_t at)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	check(fd >= 0 && pwrite(fd, bytes, size, at) == (ssize_t)size);
	close(fd);
}

static void a_file_that_is_no_database_is_refused_with_a_way_on(void)
{
	write_file(path, "this is not a database, by no means, whoever may ask\n", 53, 0);
	is_false(open_store(path));
	is_true(said("is broken"));
	is_true(said("if_corrupt: move_aside"));
	close_store();
	forget_files();
}

static void damage_in_the_middle_is_found_at_the_start(void)
{
	char noise[4096];

	is_true(open_store(path));
	for (int i = 0; i < 100; i++)
		check(write_now(i, 3000) == 0);
	close_store();
	memset(noise, 0xa5, sizeof(noise));
	for (off_t page = 2; page < 20; page++)
		write_file(path, noise, sizeof(noise), page * 4096);
	is_false(open_store(path));
	is_true(said("is broken"));
	close_store();
	forget_files();
}

static void a_broken_file_is_moved_aside_when_that_is_wanted(void)
{
	const struct store_settings settings = { path, 1 << 20, true };
	char *command = mem_printf("rm %s.broken-*", path); /* fails when there is none */

	write_file(path, "this is not a database, by no means, whoever may ask\n", 53, 0);
	is_true(open_with(&settings));
	is_int(write_now(1, 10), 0);
	close_store();
	is_int(system(command), 0);
	free(command);
	forget_files();
}

static int newer_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return (int)MIN(store_write(db, "pragma user_version = 9999", STORE_NO_ARGS), INT64_C(0));
}

static void a_schema_of_a_newer_leat_is_refused(void)
{
	struct write write = { .op.run = newer_run };

	is_true(open_store(path));
	submit(&write);
	is_int(finish(&write), 0);
	close_store();
	is_false(open_store(path));
	is_true(said("newer leat"));
	close_store();
	forget_files();
}

static int vandal_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return (int)MIN(store_write(db, "drop table t", STORE_NO_ARGS), INT64_C(0));
}

static void a_table_that_was_taken_away_is_damage_and_no_crash(void)
{
	struct write vandal = { .op.run = vandal_run }, count = { .op.run = count_run };
	struct store_stats stats;

	is_true(open_store(path));
	is_int(write_now(1, 10), 0);
	submit(&vandal);
	is_int(finish(&vandal), 0);
	submit(&count);
	is_int(finish(&count), -EBADMSG);
	is_true(is_degraded());
	store_stats(store, &stats);
	is_text(stats.problem, "no such table: t");
	close_store();
	forget_files();
}

static void a_database_of_another_program_is_refused(void)
{
	sqlite3 *sqlite;

	is_int(sqlite3_open(path, &sqlite), SQLITE_OK);
	is_int(sqlite3_exec(sqlite, "create table theirs (x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sqlite);
	is_false(open_store(path));
	is_true(said("another program"));
	close_store();
	forget_files();
}

static void one_process_a_file(void)
{
	int status = -1, ready[2], done[2];
	char byte = 0;
	pid_t child;

	check(pipe(ready) == 0 && pipe(done) == 0);
	child = fork();
	if (child == 0) {
		byte = open_store(path);
		check(write(ready[1], &byte, 1) == 1);
		check(read(done[0], &byte, 1) == 1);
		_exit(0);
	}
	check(read(ready[0], &byte, 1) == 1);
	is_int(byte, 1);
	is_false(open_store(path));
	is_true(said("in use by another leat (process "));
	close_store();
	check(write(done[1], &byte, 1) == 1);
	is_int(waitpid(child, &status, 0), child);
	is_true(open_store(path)); /* the lock went with the process */
	close_store();
	forget_files();
}

/* Another process has the file until a byte is written to it. */
static pid_t start_owner(int ret_release[2])
{
	int ready[2];
	char byte = 0;
	pid_t child;

	check(pipe(ready) == 0 && pipe(ret_release) == 0);
	child = fork();
	if (child == 0) {
		check(open_store(path) && write_now(1, 1) == 0);
		check(write(ready[1], &byte, 1) == 1);
		check(read(ret_release[0], &byte, 1) == 1);
		_exit(0);
	}
	check(read(ready[0], &byte, 1) == 1);
	return child;
}

static void end_owner(pid_t child, const int release[2])
{
	check(write(release[1], "", 1) == 1);
	check(waitpid(child, NULL, 0) == child);
	close(release[0]);
	close(release[1]);
}

static void who_waits_has_the_file_when_another_has_let_go(void)
{
	const struct store_settings settings = { .path = path, .size_max = 1 << 30, .wait = true };
	struct write write = { .number = 2 };
	int release[2];
	pid_t child = start_owner(release);

	is_true(open_with(&settings));
	is_true(store_has_waited(store));
	is_false(store_is_open(store));
	submit(&write);
	store_wait(store); /* it is not waited for what another process holds up */
	is_false(store_is_open(store));
	end_owner(child, release);
	is_int(finish(&write), 0);
	is_true(store_is_open(store));
	is_int(count_rows(), 2);
	close_store();
	forget_files();
}

static void who_must_end_before_that_fails_what_waits(void)
{
	const struct store_settings settings = { .path = path, .size_max = 1 << 30, .wait = true };
	struct write write = { .number = 2 };
	int release[2];
	pid_t child = start_owner(release);

	is_true(open_with(&settings));
	submit(&write);
	store_stop(store);
	is_int(finish(&write), -EIO);
	is_int(store_submit(store, &write.op, 1), -EAGAIN);
	close_store();
	end_owner(child, release);
	forget_files();
}

static void who_waits_says_at_once_that_a_schema_is_too_new(void)
{
	const struct store_settings settings = { .path = path, .size_max = 1 << 30, .wait = true };
	sqlite3 *sqlite = NULL;

	is_true(open_store(path));
	close_store();
	check(sqlite3_open(path, &sqlite) == SQLITE_OK);
	check(sqlite3_exec(sqlite, "pragma user_version = 9999", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(sqlite);
	is_false(open_with(&settings));
	is_true(said("newer leat"));
	close_store();
	forget_files();
}

/* The first who finds the file busy waits until the others have been submitted. */
static struct busy {
	int gate[2];
	int n_calls;
} busy;

static int busy_call(void *arg, int n)
{
	char byte;

	(void)arg;
	(void)n;
	if (++busy.n_calls == 1)
		check(read(busy.gate[0], &byte, 1) == 1);
	return 0; /* as after two seconds */
}

static int busy_set_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	return sqlite3_busy_handler(db->sqlite, busy_call, NULL);
}

static void who_looks_into_the_file_holds_up_all_that_wait_at_most_once(void)
{
	struct write set = { .op.run = busy_set_run }, writes[20] = { 0 };
	sqlite3 *sqlite = NULL;

	is_true(open_store(path));
	is_int(write_now(1000, 1), 0);
	submit(&set);
	is_int(finish(&set), 0);
	check(pipe(busy.gate) == 0);
	check(sqlite3_open(path, &sqlite) == SQLITE_OK);
	check(sqlite3_exec(sqlite, "begin immediate", NULL, NULL, NULL) == SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
		writes[i].number = (int)i;
		submit(&writes[i]);
	}
	check(write(busy.gate[1], "", 1) == 1);
	for (size_t i = 0; i < ARRAY_LEN(writes); i++)
		is_int(finish(&writes[i]), -EBUSY);
	is_true(busy.n_calls <=
		3); /* with the first one alone, and a look whether it works again */
	sqlite3_close(sqlite);
	close(busy.gate[0]);
	close(busy.gate[1]);
	close_store();
	forget_files();
}

static void one_in_memory_waits_until_it_is_said_that_nobody_is_before_it(void)
{
	const struct store_settings settings = {
		.path = ":memory:", .size_max = 1 << 30, .wait = true
	};
	struct write write = { .number = 2 };

	is_true(open_with(&settings));
	submit(&write);
	is_false(store_is_open(store));
	is_false(write.done);
	store_set_alone(store);
	is_int(finish(&write), 0);
	is_true(store_is_open(store));
	close_store();
}

static void a_folder_that_is_not_there_is_an_error(void)
{
	is_false(open_store("/nonexistent/leat.db"));
	is_true(said("No such file"));
	close_store();
}

static void others_cannot_read_the_file(void)
{
	struct stat stat_;

	is_true(open_store(path));
	is_int(write_now(1, 1), 0);
	is_int(stat(path, &stat_), 0);
	is_int(stat_.st_mode & 0777, 0600);
	close_store();
	forget_files();
}

int main(void)
{
	check(mkdtemp(folder));
	path = mem_printf("%s/leat.db", folder);
	TEST(what_was_acknowledged_survives_the_end_of_the_process);
	TEST(one_process_a_file);
	TEST(who_waits_has_the_file_when_another_has_let_go);
	TEST(who_must_end_before_that_fails_what_waits);
	TEST(one_in_memory_waits_until_it_is_said_that_nobody_is_before_it);
	TEST(who_looks_into_the_file_holds_up_all_that_wait_at_most_once);
	TEST(what_was_acknowledged_is_there_after_a_new_start);
	TEST(many_are_one_transaction_and_told_in_order);
	TEST(one_that_fails_is_undone_alone);
	TEST(a_query_that_was_not_read_to_its_end_holds_up_nobody);
	TEST(its_queue_is_bounded_in_number_and_bytes);
	TEST(what_waits_at_the_end_is_done);
	TEST(a_full_store_says_so_and_works_again_when_there_is_room);
	TEST(a_file_that_is_no_database_is_refused_with_a_way_on);
	TEST(damage_in_the_middle_is_found_at_the_start);
	TEST(a_broken_file_is_moved_aside_when_that_is_wanted);
	TEST(a_schema_of_a_newer_leat_is_refused);
	TEST(who_waits_says_at_once_that_a_schema_is_too_new);
	TEST(a_table_that_was_taken_away_is_damage_and_no_crash);
	TEST(a_database_of_another_program_is_refused);
	TEST(a_folder_that_is_not_there_is_an_error);
	TEST(others_cannot_read_the_file);
	rmdir(folder);
	free(path);
	return tap_done();
}
