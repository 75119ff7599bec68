/* tests/core/io/file_tree.c: each test once with the kernel's ring, once with the pool. */
#include "core/io/file_tree.h"
#include "core/base/arena.h"
#include "core/io/file_ring.h"
#include "core/io/file_sync.h"
#include "core/io/net.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static bool with_ring;
static struct loop *loop;
static struct pool *pool;
static struct file_engine engine;
static struct file_io io;
static struct arena_budget budget;
static char folder[64];
static struct file_handle *root;
static unsigned n_ended;

static void setup(void)
{
	int fd;

	check(loop_create(&loop) == 0 && pool_create(&pool, "test", 4) == 0);
	file_engine_open(&engine, pool, 1, with_ring);
	file_io_init(&io, loop, &engine, NULL);
	atomic_init(&budget.used, 0);
	atomic_init(&budget.max, 1 << 20);
	strcpy(folder, "/tmp/leat-file-tree-XXXXXX");
	check(mkdtemp(folder));
	fd = file_root_open(folder);
	check(fd >= 0);
	root = file_handle_create(fd, NULL);
	n_ended = 0;
}

static void turn(void)
{
	loop_run_once(loop, false);
	sched_yield();
}

static void teardown(void)
{
	char command[100];

	while (io.n_jobs > 0)
		turn();
	is_int(budget.used, 0);
	file_handle_unref(root);
	file_io_fini(&io);
	file_engine_close(&engine);
	pool_destroy(pool);
	loop_run_once(loop, false);
	loop_destroy(loop);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	check(system(command) == 0);
}

static void count_end(struct file_job *job)
{
	(void)job;
	n_ended++;
}

/* Runs it to its end; its error. */
static int run(struct file_job *job)
{
	unsigned before = n_ended;

	check(job && file_io_start(&io, job, count_end) == 0);
	while (n_ended == before)
		turn();
	return job->error;
}

static int run_and_drop(struct file_job *job)
{
	int error = run(job);

	file_job_drop(job);
	return error;
}

static struct file_place place(const char *path)
{
	return (struct file_place){ .root = root, .path = str_of(path) };
}

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* What is in a file, as a text; "(none)". */
static const char *content(const char *name)
{
	static char bytes[1000];
	scoped(fd_close) int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes) - 1);

	if (n < 0)
		return "(none)";
	bytes[n] = '\0';
	return bytes;
}

static void put(const char *name, const char *text)
{
	scoped(fd_close) int fd =
		open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static int mode_of(const char *name)
{
	struct stat stat;

	return lstat(path_of(name), &stat) < 0 ? -1 : (int)(stat.st_mode & 07777);
}

static const struct file_change plain = { true, true, false, FILE_MODE_DEFAULT };

static int store(const char *path, const char *text, struct file_change change)
{
	struct file_place at = place(path);

	return run_and_drop(file_store_create(&at, &change, str_of(text), &budget));
}

static size_t n_entries(const char *path)
{
	struct file_place at = place(path);
	struct file_job *job =
		file_list_create(&at, &(struct file_list_spec){ 100, true, NULL, 0 }, &budget);
	const struct file_entry *entries;
	size_t n;

	is_int(run(job), 0);
	n = file_list_entries(job, &entries);
	file_job_drop(job);
	return n;
}

/* ------------------------------------------------------------ paths */

static void a_proper_path_leads_down(void)
{
	is_true(file_path_is_proper(STR("a")));
	is_true(file_path_is_proper(STR("a/b.c/..d/...")));
	is_true(file_path_is_proper(STR(".")));
	is_false(file_path_is_proper(STR("")));
	is_false(file_path_is_proper(STR("/a")));
	is_false(file_path_is_proper(STR("a/")));
	is_false(file_path_is_proper(STR("a//b")));
	is_false(file_path_is_proper(STR("..")));
	is_false(file_path_is_proper(STR("./a")));
	is_false(file_path_is_proper(STR("a/../b")));
	is_false(file_path_is_proper(STR("a/..")));
	is_false(file_path_is_proper(STR("a\0b")));
}

static void nothing_leads_out_of_the_root(void)
{
	static const char *const paths[] = { "out/passwd", "out", "deep/out/passwd" };
	struct file_place at;

	setup();
	put("file", "x");
	check(mkdir(path_of("deep"), 0700) == 0);
	check(symlink("/etc", path_of("out")) == 0);
	check(symlink("../../../../../../etc", path_of("deep/out")) == 0);
	for (unsigned links = 0; links < 2; links++) {
		for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
			const struct file_range all = { 0, UINT64_MAX, 1 << 20 };
			int r;

			at = place(paths[i]);
			at.links = links;
			r = run_and_drop(file_load_create(&at, &all, &budget));
			is_true(r == -EXDEV || r == -ELOOP);
			r = run_and_drop(file_list_create(
				&at, &(struct file_list_spec){ 100, true, NULL, 0 }, &budget));
			is_true(r == -EXDEV || r == -ELOOP || r == -ENOTDIR);
		}
		at = place("out/leat-test");
		at.links = links;
		is_true(run_and_drop(file_store_create(&at, &plain, STR("x"), &budget)) < 0);
		is_true(run_and_drop(file_append_create(&at, &plain, STR("x"), &budget)) < 0);
		at.path = STR("out/hostname");
		is_true(run_and_drop(file_remove_create(&at, true, &budget)) < 0);
		is_true(run_and_drop(file_flush_create(&at, &budget)) < 0);
		at.path = STR("file");
		is_true(run_and_drop(file_rename_create(&at, STR("out/x"), &plain, &budget)) < 0);
	}
	is_int(access("/etc/leat-test", F_OK), -1);
	/* what has the name of a link is replaced, not what it leads to */
	is_int(store("out", "mine", plain), 0);
	is_text(content("out"), "mine");
	teardown();
}

static void links_inside_are_followed_when_they_may_be(void)
{
	struct file_place at = place("link");
	const struct file_range all = { 0, UINT64_MAX, 1 << 20 };
	struct file_job *job;

	setup();
	at.root = root;
	put("file", "x");
	check(symlink("file", path_of("link")) == 0);
	is_int(run_and_drop(file_load_create(&at, &all, &budget)), -ELOOP);
	job = file_stat_create(&at, &budget);
	is_int(run(job), 0);
	is_true(S_ISLNK(file_stat_found(job)->stx_mode));
	file_job_drop(job);
	at.links = true;
	is_int(run_and_drop(file_load_create(&at, &all, &budget)), 0);
	job = file_stat_create(&at, &budget);
	is_int(run(job), 0);
	is_true(S_ISREG(file_stat_found(job)->stx_mode));
	file_job_drop(job);
	teardown();
}

/* ------------------------------------------------------------ reading */

static int load(const char *path, struct file_range range, char *out)
{
	struct file_place at = place(path);
	struct file_job *job = file_load_create(&at, &range, &budget);
	struct arena_block *block;
	size_t size;
	int r = run(job);

	out[0] = '\0';
	block = file_load_take(job, &size);
	if (block)
		memcpy(out, arena_block_bytes(block), size + 1);
	arena_block_destroy(block);
	file_job_drop(job);
	return r;
}

static void files_are_read_whole_and_by_range(void)
{
	char out[100];

	setup();
	put("f", "0123456789");
	put("empty", "");
	is_int(load("f", (struct file_range){ 0, UINT64_MAX, 10 }, out), 0);
	is_text(out, "0123456789");
	is_int(load("f", (struct file_range){ 0, UINT64_MAX, 9 }, out), -EMSGSIZE);
	is_text(out, "");
	is_int(load("f", (struct file_range){ 3, 4, 4 }, out), 0);
	is_text(out, "3456");
	is_int(load("f", (struct file_range){ 8, 100, 100 }, out), 0);
	is_text(out, "89");
	is_int(load("f", (struct file_range){ 50, 5, 100 }, out), 0);
	is_text(out, "");
	is_int(load("empty", (struct file_range){ 0, UINT64_MAX, 10 }, out), 0);
	is_int(load("none", (struct file_range){ 0, UINT64_MAX, 10 }, out), -ENOENT);
	is_int(load("f/x", (struct file_range){ 0, UINT64_MAX, 10 }, out), -ENOTDIR);
	is_int(load(".", (struct file_range){ 0, UINT64_MAX, 10 }, out), -EISDIR);
	check(mkfifo(path_of("fifo"), 0600) == 0);
	is_int(load("fifo", (struct file_range){ 0, UINT64_MAX, 10 }, out), -EINVAL);
	teardown();
}

static void what_was_read_becomes_an_arena_s_without_a_copy(void)
{
	struct file_place at = place("f");
	const struct file_range all = { 0, UINT64_MAX, 1 << 20 };
	struct arena_block *block;
	struct file_job *job;
	struct arena arena;
	const char *bytes;
	size_t size;

	setup();
	at.root = root;
	put("f", "in an arena");
	job = file_load_create(&at, &all, &budget);
	is_int(run(job), 0);
	is_true(budget.used > 0);
	block = file_load_take(job, &size);
	is_int(budget.used, 0);
	file_job_drop(job);
	bytes = arena_block_bytes(block);
	arena_init(&arena, 4);
	is_false(arena_adopt(&arena, block));
	arena_init(&arena, 1 << 20);
	arena.budget = &budget;
	is_text(arena_strdup(&arena, "first"), "first");
	is_true(arena_adopt(&arena, block));
	is_text(arena_strdup(&arena, "behind"), "behind");
	is_text(bytes, "in an arena");
	is_int(size, 11);
	arena_fini(&arena);
	teardown();
}

static void memory_that_is_not_there_is_not_used(void)
{
	char *big = calloc(1, 600000), out[100];

	setup();
	memset(big, 'x', 599999);
	put("big", big);
	atomic_store(&budget.max, 300000);
	is_int(load("big", (struct file_range){ 0, UINT64_MAX, 1 << 20 }, out), -ENOMEM);
	is_null(file_store_create(&(struct file_place){ root, false, STR("f") }, &plain,
				  str_of(big), &budget));
	is_int(budget.used, 0);
	free(big);
	teardown();
}

/* ------------------------------------------------------------ writing */

static void a_file_is_made_and_replaced_whole(void)
{
	struct file_change change = plain;

	setup();
	umask(022);
	is_int(store("new", "first", plain), 0);
	is_text(content("new"), "first");
	is_int(mode_of("new"), 0644);
	check(chmod(path_of("new"), 0600) == 0);
	is_int(store("new", "second", plain), 0);
	is_text(content("new"), "second");
	is_int(mode_of("new"), 0600); /* its own */
	change.mode = 0666;
	is_int(store("new", "third", change), 0);
	is_int(mode_of("new"), 0666); /* whatever the umask says */
	change.replace = false;
	is_int(store("new", "fourth", change), -EEXIST);
	is_text(content("new"), "third");
	is_int(store("other", "", change), 0);
	is_text(content("other"), "");
	change.durable = false;
	is_int(store("third", "quick", change), 0);
	is_text(content("third"), "quick");
	is_int(n_entries("."), 3); /* and nothing else */
	teardown();
}

static void folders_are_made_when_they_may_be(void)
{
	struct file_change change = plain;

	setup();
	is_int(store("a/b/c/f", "x", plain), -ENOENT);
	is_int(n_entries("."), 0);
	change.folders = true;
	is_int(store("a/b/c/f", "x", change), 0);
	is_text(content("a/b/c/f"), "x");
	is_int(store("a/b/d/f", "y", change), 0);
	is_text(content("a/b/d/f"), "y");
	is_int(store("a/b/d/f/g", "z", change), -ENOTDIR);
	is_int(n_entries("a/b"), 2);
	teardown();
}

static void a_write_that_fails_leaves_the_old_file_and_no_other(void)
{
	struct rlimit before, limit;
	char big[5000];

	signal(SIGXFSZ, SIG_IGN);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	setup();
	put("f", "old");
	check(getrlimit(RLIMIT_FSIZE, &before) == 0);
	limit = before;
	limit.rlim_cur = 3000;
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	is_int(store("f", big, plain), -EFBIG);
	check(setrlimit(RLIMIT_FSIZE, &before) == 0);
	is_text(content("f"), "old");
	check(mkdir(path_of("folder"), 0700) == 0);
	is_int(store("folder", "x", plain), -EISDIR); /* at the very end */
	is_int(n_entries("."), 2);
	teardown();
}

static void a_write_that_was_left_is_whole_or_did_not_happen(void)
{
	setup();
	for (unsigned i = 0; i < 60; i++) {
		struct file_place at = place("f");
		struct file_job *job;

		put("f", "old");
		job = file_store_create(&at, &plain, STR("new"), &budget);
		check(file_io_start(&io, job, count_end) == 0);
		for (unsigned n = 0; n < i; n++)
			turn();
		if (job->state == FILE_JOB_ENDED) {
			file_job_drop(job);
			break;
		}
		file_job_leave(job);
		while (io.n_jobs > 0)
			turn();
		is_true(strcmp(content("f"), "old") == 0 || strcmp(content("f"), "new") == 0);
		is_int(n_entries("."), 1);
	}
	teardown();
}

/* Where the filesystem has no O_TMPFILE: the program of the job without an engine. */
static void without_files_that_have_no_name_one_with_a_name_is_renamed(void)
{
	for (unsigned fails = 0; fails < 2; fails++) {
		struct file_place at;
		struct file_job *job;
		int64_t result = 0;
		unsigned n_named = 0;

		setup();
		put("f", "old");
		at = place("f");
		job = file_store_create(&at, &plain, STR("new"), &budget);
		while (job->ops->next(job, result)) {
			const struct file_call *call = &job->call;
			bool nameless = call->kind == FILE_CALL_OPEN &&
					(call->how.flags & O_TMPFILE) == O_TMPFILE;

			n_named += call->kind == FILE_CALL_OPEN && (call->how.flags & O_EXCL);
			result = nameless ? -EOPNOTSUPP
				 : fails && call->kind == FILE_CALL_SYNC
					 ? -EIO
					 : file_call_make(call, job);
		}
		is_int(n_named, 1);
		is_int(job->error, fails ? -EIO : 0);
		is_text(content("f"), fails ? "old" : "new");
		file_job_drop(job);
		is_int(n_entries("."), 1);
		teardown();
	}
}

static void another_file_is_copied(void)
{
	static char big[700000];
	struct file_place at;
	struct file_job *job;
	struct stat stat;

	setup();
	memset(big, 'b', sizeof(big) - 1);
	put("from", big);
	at = place("to");
	job = file_copy_create(&at, &plain, path_of("from"), &budget);
	is_int(run(job), 0);
	is_int(file_store_size(job), sizeof(big) - 1);
	file_job_drop(job);
	is_int(lstat(path_of("to"), &stat), 0);
	is_int(stat.st_size, sizeof(big) - 1);
	is_int(run_and_drop(file_copy_create(&at, &plain, "/nowhere/at/all", &budget)), -ENOENT);
	is_int(n_entries("."), 2);
	teardown();
}

/* ------------------------------------------------------------ appending */

static int append(const char *path, const char *text, struct file_change change, int *ret_fd)
{
	struct file_place at = place(path);
	struct file_job *job = file_append_create(&at, &change, str_of(text), &budget);
	int r = run(job);

	*ret_fd = file_append_take(job);
	file_job_drop(job);
	return r;
}

static void what_is_appended_goes_behind_the_end(void)
{
	struct file_change change = plain;
	int fd;

	setup();
	change.durable = false;
	is_int(append("log", "one\n", change, &fd), 0);
	is_int(fd, -1);
	change.durable = true;
	is_int(append("log", "two\n", change, &fd), 0);
	is_true(fd >= 0);
	fd_close(&fd);
	is_text(content("log"), "one\ntwo\n");
	is_int(append("a/b/log", "x", change, &fd), -ENOENT);
	is_int(fd, -1);
	change.folders = true;
	change.mode = 0666;
	is_int(append("a/b/log", "x", change, &fd), 0);
	fd_close(&fd);
	is_int(mode_of("a/b/log"), 0666);
	is_int(append("a", "x", change, &fd), -EISDIR);
	is_int(fd, -1);
	teardown();
}

static unsigned n_synced;
static int sync_error;

static void on_synced(struct file_sync_wait *wait, int error)
{
	(void)wait;
	n_synced++;
	sync_error = error;
}

static void those_who_wait_at_once_share_one_sync(void)
{
	enum { N = 20 };
	struct file_sync_wait waits[N], left;
	struct statx stat;

	setup();
	n_synced = 0;
	put("f", "x");
	put("g", "x");
	check(statx(AT_FDCWD, path_of("f"), 0, STATX_BASIC_STATS, &stat) == 0);
	for (unsigned i = 0; i < N; i++)
		is_int(file_sync_join(&io, open(path_of("f"), O_WRONLY | O_CLOEXEC), &stat,
				      &waits[i], on_synced),
		       0);
	is_int(file_sync_join(&io, open(path_of("f"), O_WRONLY | O_CLOEXEC), &stat, &left,
			      on_synced),
	       0);
	file_sync_leave(&left);
	is_int(n_synced, 0); /* never inside */
	while (n_synced < N)
		turn();
	is_int(sync_error, 0);
	while (io.n_jobs > 0)
		turn();
	is_int(io.n_done, 2); /* the first's own, and one for all who came while it ran */
	is_true(list_is_empty(&io.syncs));

	check(statx(AT_FDCWD, "/dev/null", 0, STATX_BASIC_STATS, &stat) == 0);
	is_int(file_sync_join(&io, open("/dev/null", O_WRONLY | O_CLOEXEC), &stat, &waits[0],
			      on_synced),
	       0);
	while (n_synced < N + 1)
		turn();
	is_int(sync_error, -EINVAL);
	teardown();
}

/* ------------------------------------------------------------ the rest */

static int rename_to(const char *from, const char *to, struct file_change change)
{
	struct file_place at = place(from);

	return run_and_drop(file_rename_create(&at, str_of(to), &change, &budget));
}

static int remove_at(const char *path)
{
	struct file_place at = place(path);

	return run_and_drop(file_remove_create(&at, true, &budget));
}

static void names_are_changed_and_removed(void)
{
	struct file_change change = plain;

	setup();
	put("a", "a");
	put("b", "b");
	change.replace = false;
	is_int(rename_to("a", "b", change), -EEXIST);
	is_text(content("b"), "b");
	is_int(rename_to("a", "b", plain), 0);
	is_text(content("b"), "a");
	is_text(content("a"), "(none)");
	is_int(rename_to("a", "c", plain), -ENOENT);
	is_int(rename_to("b", "d/e/f", plain), -ENOENT);
	change.folders = true;
	is_int(rename_to("b", "d/e/f", change), 0);
	is_text(content("d/e/f"), "a");
	is_int(remove_at("d/e"), -ENOTEMPTY);
	is_int(remove_at("d/e/f"), 0);
	is_int(remove_at("d/e/f"), -ENOENT);
	is_int(remove_at("d/e"), 0);
	is_int(remove_at("no/such"), -ENOENT);
	is_int(n_entries("."), 1);
	teardown();
}

static void folders_are_listed_within_a_bound(void)
{
	struct file_place at;
	const struct file_entry *entries;
	struct file_job *job;
	char name[20];

	setup();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		put(name, "123");
	}
	put(".hidden", "");
	at = place(".");
	job = file_list_create(&at, &(struct file_list_spec){ 100, false, NULL, 0 }, &budget);
	is_int(run(job), 0);
	is_int(file_list_entries(job, &entries), 100);
	is_int(entries[0].size, 3);
	is_true(S_ISREG(entries[0].mode) && entries[0].mtime_ns > 0);
	file_job_drop(job);
	is_int(run_and_drop(file_list_create(&at, &(struct file_list_spec){ 99, false, NULL, 0 },
					     &budget)),
	       -EMSGSIZE);
	is_int(run_and_drop(file_list_create(&at, &(struct file_list_spec){ 100, true, NULL, 0 },
					     &budget)),
	       -EMSGSIZE);
	at = place("f1");
	is_int(run_and_drop(file_list_create(&at, &(struct file_list_spec){ 99, false, NULL, 0 },
					     &budget)),
	       -ENOTDIR);
	teardown();
}

static void files_and_folders_are_synced_and_opened(void)
{
	struct file_place at;
	struct file_job *job;
	int fd;

	setup();
	put("f", "12345");
	at = place("f");
	is_int(run_and_drop(file_flush_create(&at, &budget)), 0);
	job = file_open_create(&at, &budget);
	is_int(run(job), 0);
	is_int(file_open_stat(job)->stx_size, 5);
	fd = file_open_take(job);
	is_true(fd >= 0);
	fd_close(&fd);
	file_job_drop(job);
	is_int(run(job = file_open_create(&at, &budget)), 0);
	file_job_drop(job); /* not taken: closed with it */
	at = place(".");
	is_int(run_and_drop(file_flush_create(&at, &budget)), 0);
	is_int(run_and_drop(file_open_create(&at, &budget)), -EISDIR);
	at = place("none");
	is_int(run_and_drop(file_flush_create(&at, &budget)), -ENOENT);
	teardown();
}

static void run_all(void)
{
	TEST(nothing_leads_out_of_the_root);
	TEST(links_inside_are_followed_when_they_may_be);
	TEST(files_are_read_whole_and_by_range);
	TEST(what_was_read_becomes_an_arena_s_without_a_copy);
	TEST(memory_that_is_not_there_is_not_used);
	TEST(a_file_is_made_and_replaced_whole);
	TEST(folders_are_made_when_they_may_be);
	TEST(a_write_that_fails_leaves_the_old_file_and_no_other);
	TEST(a_write_that_was_left_is_whole_or_did_not_happen);
	TEST(another_file_is_copied);
	TEST(what_is_appended_goes_behind_the_end);
	TEST(those_who_wait_at_once_share_one_sync);
	TEST(names_are_changed_and_removed);
	TEST(folders_are_listed_within_a_bound);
	TEST(files_and_folders_are_synced_and_opened);
}

int main(void)
{
	uint32_t calls;
	int r = file_ring_probe(&calls);

	TEST(a_proper_path_leads_down);
	TEST(without_files_that_have_no_name_one_with_a_name_is_renamed);
	run_all();
	with_ring = r == 0;
	if (with_ring)
		run_all();
	else
		printf("# skipped with the ring: this kernel refuses io_uring: %s\n",
		       strerrorname_np(-r));
	return tap_done();
}
