/* tests/server/auth/digest_cache.c */
#include "server/auth/digest_cache.h"
#include "tests/lib/tap.h"

/* The digest number `n`, which falls into the set `set`. */
static const unsigned char *digest(unsigned char n, unsigned char set)
{
	static unsigned char bytes[DIGEST_SIZE];

	memset(bytes, n, sizeof(bytes));
	bytes[0] = set;
	return bytes;
}

static void what_was_added_is_there_until_its_time(void)
{
	struct digest_cache cache;

	digest_cache_init(&cache, 64);
	is_false(digest_cache_has(&cache, digest(1, 1), 0));
	digest_cache_add(&cache, digest(1, 1), 100);
	is_true(digest_cache_has(&cache, digest(1, 1), 99));
	is_false(digest_cache_has(&cache, digest(1, 1), 100));
	is_false(digest_cache_has(&cache, digest(2, 1), 99));
	digest_cache_add(&cache, digest(1, 1), 200);
	is_true(digest_cache_has(&cache, digest(1, 1), 199));
	is_false(digest_cache_has(&cache, digest(0, 0), 0));
	digest_cache_fini(&cache);
}

static void the_one_that_goes_first_makes_room(void)
{
	struct digest_cache cache;

	digest_cache_init(&cache, 64);
	for (unsigned char n = 1; n <= DIGEST_WAYS; n++)
		digest_cache_add(&cache, digest(n, 3), 1000 - n);
	digest_cache_add(&cache, digest(5, 4), 1); /* of another set */
	digest_cache_add(&cache, digest(6, 3), 2000);
	is_false(digest_cache_has(&cache, digest(DIGEST_WAYS, 3), 10));
	for (unsigned char n = 1; n < DIGEST_WAYS; n++)
		is_true(digest_cache_has(&cache, digest(n, 3), 10));
	is_true(digest_cache_has(&cache, digest(6, 3), 10));
	digest_cache_fini(&cache);
}

static void adding_again_takes_no_second_place(void)
{
	struct digest_cache cache;

	digest_cache_init(&cache, 4);
	for (unsigned char n = 1; n <= DIGEST_WAYS; n++)
		digest_cache_add(&cache, digest(n, 0), 100 + n);
	for (int i = 0; i < 10; i++)
		digest_cache_add(&cache, digest(2, 0), 500);
	for (unsigned char n = 1; n <= DIGEST_WAYS; n++)
		is_true(digest_cache_has(&cache, digest(n, 0), 10));
	digest_cache_fini(&cache);
}

int main(void)
{
	TEST(what_was_added_is_there_until_its_time);
	TEST(the_one_that_goes_first_makes_room);
	TEST(adding_again_takes_no_second_place);
	return tap_done();
}
