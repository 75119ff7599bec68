/* tests/server/files/file.c: finding a file beneath its root, and seeing that it has changed. */
#include "server/files/file.h"
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[32], root[64];
static struct arena_budget budget;
static const struct file_coding br = { STR_INIT("br"), STR_INIT(".br") };
static const struct file_coding gz = { STR_INIT("gzip"), STR_INIT(".gz") };

static char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void write_bytes(const char *name, const char *bytes, size_t size)
{
	FILE *file = fopen(path_of(name), "w");

	check(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static void make_root(void)
{
	static const char large[FILE_SMALL_MAX + 1];

	strcpy(folder, "/tmp/leat-file-XXXXXX");
	check(mkdtemp(folder));
	snprintf(root, sizeof(root), "%s/root", folder);
	check(mkdir(root, 0700) == 0 && mkdir(path_of("sub"), 0700) == 0 &&
	      mkdir(path_of("empty"), 0700) == 0);
	write_text("../outside", "outside");
	write_text("a.txt", "text");
	write_text("a.txt.gz", "gz");
	write_text("sub/index.html", "index");
	write_bytes("large", large, sizeof(large));
	write_bytes("largest-small", large, FILE_SMALL_MAX);
	check(symlink("a.txt", path_of("inside")) == 0);
	check(symlink("../outside", path_of("out")) == 0);
	check(symlink("..", path_of("up")) == 0);
	check(mkfifo(path_of("pipe"), 0600) == 0);
}

static void remove_root(void)
{
	char *command = mem_printf("rm -rf %s", folder);

	check(system(command) == 0);
	free(command);
}

static struct file_query query_of(const char *path)
{
	return (struct file_query){
		.root = root, .path = path, .index = "index.html", .budget = &budget
	};
}

static int load_error(struct file_query query)
{
	struct file *file = NULL;
	int r = file_load(&query, &file);

	file_unref(file);
	return r;
}

static struct file *load(struct file_query query)
{
	struct file *file = NULL;

	is_int(file_load(&query, &file), 0);
	check(file);
	return file;
}

static void setup(void)
{
	budget.used = 0;
	budget.max = 1 << 20;
	make_root();
}

static void teardown(void)
{
	is_int(budget.used, 0);
	remove_root();
}

static void small_files_are_read_and_large_ones_are_kept_open(void)
{
	struct file *file;

	setup();
	file = load(query_of("a.txt"));
	is_str(((struct str){ file->bytes, file->size }), STR("text"));
	is_str(file->name, STR("a.txt"));
	is_null(file->disk);
	file_unref(file);
	file = load(query_of("largest-small"));
	is_true(file->bytes && !file->disk);
	is_true(budget.used >= FILE_SMALL_MAX);
	file_unref(file);
	file = load(query_of("large"));
	is_true(!file->bytes && file->disk);
	is_int(file->disk->size, FILE_SMALL_MAX + 1);
	file_unref(file);
	teardown();
}

static void a_folder_is_its_index_when_it_is_asked_for_with_a_slash(void)
{
	struct file *file;

	setup();
	file = load(query_of("sub/"));
	is_str(((struct str){ file->bytes, file->size }), STR("index"));
	is_str(file->name, STR("index.html"));
	file_unref(file);
	is_int(load_error(query_of("sub")), -EISDIR);
	is_int(load_error(query_of("empty/")), -ENOENT);
	is_int(load_error(query_of(".")), -ENOENT);
	is_int(load_error(query_of("a.txt/")), -ENOTDIR);
	is_int(load_error(query_of("a.txt/index.html")), -ENOTDIR);
	teardown();
}

static void what_is_no_file_is_not_there(void)
{
	setup();
	is_int(load_error(query_of("none")), -ENOENT);
	is_int(load_error(query_of("pipe")), -ENOENT); /* and is not waited for */
	is_int(load_error((struct file_query){ .root = "/nowhere/at/all", .path = "a" }), -ENOENT);
	teardown();
}

static void links_are_followed_as_far_as_they_may(void)
{
	struct file_query query = query_of("inside");

	setup();
	is_int(load_error(query), 0);
	is_int(load_error(query_of("out")), -EXDEV);
	is_int(load_error(query_of("up/outside")), -EXDEV);
	is_int(load_error(query_of("../outside")), -EXDEV);
	query.links = FILE_LINKS_NONE;
	is_int(load_error(query), -ELOOP);
	query.path = "a.txt";
	is_int(load_error(query), 0);
	query.links = FILE_LINKS_ANY;
	query.path = "out";
	is_int(load_error(query), 0);
	teardown();
}

static void the_first_coding_that_is_there_is_taken(void)
{
	struct file_query query = query_of("a.txt");
	struct file *file;

	setup();
	query.n_codings = 2;
	query.codings[0] = &br;
	query.codings[1] = &gz;
	file = load(query);
	is_ptr(file->coding, &gz);
	is_str(file->name, STR("a.txt")); /* whose type it has */
	is_int(file_check(&query, file), 0);
	write_text("a.txt.br", "br");
	is_int(file_check(&query, file), -ESTALE);
	file_unref(file);
	file = load(query);
	is_ptr(file->coding, &br);
	file_unref(file);
	query.path = "none"; /* nothing stands in for what is not there */
	write_text("none.gz", "gz");
	is_int(load_error(query), -ENOENT);
	teardown();
}

static void a_file_that_is_another_one_is_stale(void)
{
	struct file_query query = query_of("a.txt");
	struct file *file;
	char *next;

	setup();
	file = load(query);
	is_int(file_check(&query, file), 0);
	write_text("next", "text"); /* the same bytes, and put in its place */
	next = mem_strdup(path_of("next"));
	check(rename(next, path_of("a.txt")) == 0);
	free(next);
	is_int(file_check(&query, file), -ESTALE);
	file_unref(file);
	file = load(query);
	check(unlink(path_of("a.txt")) == 0);
	is_int(file_check(&query, file), -ESTALE);
	file_unref(file);
	teardown();
}

static void that_nothing_is_there_is_stale_when_something_is(void)
{
	struct file_query query = query_of("new");
	struct file *file;

	setup();
	file = file_create_missing(&query, -ENOENT);
	is_int(file_check(&query, file), 0);
	check(mkdir(path_of("new"), 0700) == 0);
	is_int(file_check(&query, file), -ESTALE); /* now a redirect is due */
	file_unref(file);
	teardown();
}

static void memory_that_is_not_there_refuses_the_file(void)
{
	setup();
	budget.max = FILE_SMALL_MAX;
	is_int(load_error(query_of("largest-small")), -ENOMEM);
	budget.max = 10;
	is_int(load_error(query_of("a.txt")), -ENOMEM);
	teardown();
}

int main(void)
{
	TEST(small_files_are_read_and_large_ones_are_kept_open);
	TEST(a_folder_is_its_index_when_it_is_asked_for_with_a_slash);
	TEST(what_is_no_file_is_not_there);
	TEST(links_are_followed_as_far_as_they_may);
	TEST(the_first_coding_that_is_there_is_taken);
	TEST(a_file_that_is_another_one_is_stale);
	TEST(that_nothing_is_there_is_stale_when_something_is);
	TEST(memory_that_is_not_there_refuses_the_file);
	return tap_done();
}
