/* tests/server/files/cache.c: what is kept of files, and what is not. */
#include "server/files/cache.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct arena_budget budget;
static struct file_cache cache;

static void setup(void)
{
	budget.used = 0;
	budget.max = SIZE_MAX / 2;
	file_cache_init(&cache);
}

static void teardown(void)
{
	file_cache_fini(&cache);
	is_int(budget.used, 0);
}

/* A small file without a name, as the cache sees it. */
static struct file *file_of(size_t size)
{
	const struct file_query query = { .budget = &budget };
	struct file *file = file_create_missing(&query, 0);

	check(file && file_charge(file, size));
	file->bytes = calloc(1, size + 1);
	file->size = size;
	return file;
}

static struct file *large_file(void)
{
	const struct file_query query = { .budget = &budget };
	struct file *file = file_create_missing(&query, 0);

	file->disk = disk_file_create(dup(0), 100000);
	check(file->disk);
	file->size = 100000;
	return file;
}

static struct file *miss(void)
{
	const struct file_query query = { .budget = &budget };

	return file_create_missing(&query, -ENOENT);
}

/* The cache has the only reference then. */
static void add(unsigned key, struct file *file)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", key);
	file_cache_add(&cache, str_of(text), file);
	file_unref(file);
}

static struct file *find(unsigned key)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", key);
	return file_cache_find(&cache, str_of(text));
}

static void what_is_added_is_found_until_it_is_removed(void)
{
	struct file *file;
	uint64_t epoch;

	setup();
	file = file_of(10);
	is_null(find(1));
	add(1, file);
	is_ptr(find(1), file);
	is_int(cache.files.n_files, 1);
	is_int(cache.files.n_bytes, budget.used);
	epoch = cache.epoch;
	file_ref(file);
	file_cache_remove(&cache, file);
	is_true(cache.epoch != epoch);
	is_null(find(1));
	is_int(cache.files.n_files + cache.files.n_bytes, 0);
	file_cache_remove(&cache, file); /* twice is harmless */
	is_int(file->n_refs, 1);
	file_unref(file);
	file_cache_remove(&cache, NULL);
	teardown();
}

static void another_file_of_the_same_key_takes_its_place(void)
{
	struct file *first, *second;

	setup();
	add(1, first = file_of(10));
	file_ref(first);
	add(1, second = file_of(20));
	is_ptr(find(1), second);
	is_false(first->cached);
	is_int(cache.files.n_files, 1);
	is_int(cache.files.n_bytes, second->charged);
	file_unref(first);
	add(1, miss()); /* and what is gone */
	is_int(find(1)->error, -ENOENT);
	is_int(cache.files.n_files, 0);
	is_int(cache.misses.n_files, 1);
	teardown();
}

static void the_one_that_was_used_longest_ago_goes_first(void)
{
	setup();
	for (unsigned i = 0; i < FILE_CACHE_MAX; i++)
		add(i, file_of(1));
	is_true(find(0) != NULL);
	add(FILE_CACHE_MAX, file_of(1));
	is_int(cache.files.n_files, FILE_CACHE_MAX);
	is_true(find(0) != NULL);
	is_null(find(1));
	teardown();
}

static void bytes_and_descriptors_are_bounded(void)
{
	setup();
	for (unsigned i = 0; i < 1000; i++)
		add(i, file_of(FILE_SMALL_MAX));
	is_true(cache.files.n_bytes <= FILE_CACHE_BYTES_MAX);
	is_true(cache.files.n_bytes > FILE_CACHE_BYTES_MAX - 2 * FILE_SMALL_MAX);
	cache.bytes_max = 1 << 20; /* total_memory is less now */
	add(1, file_of(FILE_SMALL_MAX));
	is_true(cache.files.n_bytes <= 1 << 20);
	is_true(find(1) != NULL);
	cache.bytes_max = FILE_CACHE_BYTES_MAX;
	for (unsigned i = 1000; i < 1200; i++)
		add(i, large_file());
	is_int(cache.files.n_fds, FILE_CACHE_FDS_MAX);
	is_true(find(1199) != NULL);
	teardown();
}

static void paths_that_lead_nowhere_drop_no_file(void)
{
	setup();
	add(0, file_of(10));
	for (unsigned i = 1; i < 5000; i++)
		add(i, miss());
	is_int(cache.misses.n_files, FILE_CACHE_MISSES_MAX);
	is_true(find(0) != NULL && find(4999) != NULL);
	is_null(find(1));
	cache.bytes_max = 8 << 10;
	add(1, miss());
	is_true(cache.misses.n_bytes <= 2 << 10 && cache.misses.n_files > 0);
	teardown();
}

static void what_has_a_long_key_or_no_memory_is_not_kept(void)
{
	char key[FILE_CACHE_KEY_MAX + 1] = { 0 };
	struct file *file;

	setup();
	file = file_of(10);
	file_cache_add(&cache, (struct str){ key, sizeof(key) }, file);
	is_int(file->n_refs, 1);
	is_false(file->cached);
	budget.max = budget.used + 3;
	file_cache_add(&cache, STR("four"), file);
	is_false(file->cached);
	file_cache_add(&cache, STR("one"), file);
	is_true(file->cached);
	is_int(budget.used, budget.max);
	file_unref(file);
	teardown();
}

static void descriptors_that_nobody_uses_can_be_had_back(void)
{
	struct file *used;

	setup();
	add(0, file_of(10));
	add(1, large_file());
	add(2, used = large_file());
	file_ref(used);
	file_cache_drop_fds(&cache);
	is_true(find(0) != NULL && find(2) != NULL);
	is_null(find(1));
	is_int(cache.files.n_fds, 1);
	file_unref(used);
	teardown();
}

int main(void)
{
	TEST(what_is_added_is_found_until_it_is_removed);
	TEST(another_file_of_the_same_key_takes_its_place);
	TEST(the_one_that_was_used_longest_ago_goes_first);
	TEST(bytes_and_descriptors_are_bounded);
	TEST(paths_that_lead_nowhere_drop_no_file);
	TEST(what_has_a_long_key_or_no_memory_is_not_kept);
	TEST(descriptors_that_nobody_uses_can_be_had_back);
	return tap_done();
}
