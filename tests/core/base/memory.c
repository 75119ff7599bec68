/* tests/core/base/memory.c: the reserve. */
#include "core/base/memory.h"
#include "core/base/arena.h"
#include "tests/lib/tap.h"
#include <stdlib.h>
#include <sys/resource.h>

/* A sanitizer maps terabytes, and has its own idea of a system without memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMITED = 0 };
#else
enum { LIMITED = 1 };
#endif

enum { RESERVE = 4 << 20, BIG = 1 << 20 };

static size_t mapped(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	check(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	return pages * 4096;
}

static void limit(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = bytes;
	setrlimit(RLIMIT_AS, &limit);
}

static void what_cannot_be_refused_has_a_reserve_when_the_system_has_no_more(void)
{
	struct arena arena;
	void *big;

	arena_init(&arena, SIZE_MAX);
	mem_keep_reserve(RESERVE);
	is_true(!mem_is_short());
	limit(mapped() + BIG / 2);
	is_true(!malloc(BIG));
	is_true(!arena_alloc(&arena, BIG)); /* may be refused: it does not touch the reserve */
	is_true(!mem_is_short());
	big = mem_alloc(BIG);
	is_true(mem_is_short());
	is_true(!arena_alloc(&arena,
			     64)); /* would be there, but is left for those who must have it */
	limit(RLIM_INFINITY);
	is_true(!mem_is_short());
	is_true(arena_alloc(&arena, 64) != NULL);
	free(big);
	arena_fini(&arena);
	mem_keep_reserve(0);
}

static void without_a_reserve_memory_is_never_called_short(void)
{
	mem_keep_reserve(0);
	is_true(!mem_is_short());
}

int main(void)
{
	TEST(without_a_reserve_memory_is_never_called_short);
	if (LIMITED)
		TEST(what_cannot_be_refused_has_a_reserve_when_the_system_has_no_more);
	return tap_done();
}
