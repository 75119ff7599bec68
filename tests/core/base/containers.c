/* tests/core/base/containers.c: list, heap, map, arena, buf, str. */
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>

struct item {
	struct list link;
	struct heap_node node;
	unsigned number;
};

static void list_keeps_the_order_of_adding(void)
{
	struct list list = LIST_INIT(list);
	struct item items[3];
	struct item *item;
	unsigned at = 0;

	for (unsigned i = 0; i < 3; i++) {
		items[i].number = i;
		list_add(&list, &items[i].link);
	}
	list_each(item, &list, struct item, link)
		is_int(item->number, at++);
	list_remove(&items[1].link);
	list_remove(&items[1].link); /* twice is harmless */
	is_false(list_is_linked(&items[1].link));
	is_ptr(list_pop(&list), &items[0].link);
	is_ptr(list_pop(&list), &items[2].link);
	is_null(list_pop(&list));
}

static void list_move_all_keeps_both_orders(void)
{
	struct list to = LIST_INIT(to), from = LIST_INIT(from);
	struct item items[4];

	for (unsigned i = 0; i < 4; i++)
		list_add(i < 2 ? &to : &from, &items[i].link);
	list_move_all(&to, &from);
	is_true(list_is_empty(&from));
	for (unsigned i = 0; i < 4; i++)
		is_ptr(list_pop(&to), &items[i].link);
}

static bool item_less(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct item, node)->number <
	       container_of(b, struct item, node)->number;
}

static void heap_gives_the_least_first_whatever_was_removed(void)
{
	enum { N = 1000 };
	static struct item items[N];
	struct heap heap;
	unsigned last = 0, n_popped = 0;
	struct heap_node *node;
	bool ordered = true;

	heap_init(&heap, item_less);
	srand(7);
	for (unsigned i = 0; i < N; i++) {
		items[i].number = (unsigned)rand() % 500;
		heap_add(&heap, &items[i].node);
	}
	for (unsigned i = 0; i < N; i += 3)
		heap_remove(&heap, &items[i].node);
	while ((node = heap_pop(&heap))) {
		unsigned number = container_of(node, struct item, node)->number;

		ordered = ordered && number >= last;
		last = number;
		n_popped++;
	}
	is_true(ordered);
	is_int(n_popped, N - (N + 2) / 3);
	is_null(heap_pop(&heap));
}

static void map_finds_what_was_set_and_not_what_was_removed(void)
{
	enum { N = 2000 };
	static char keys[N][16];
	struct map map;
	unsigned n_found = 0, n_walked = 0;
	size_t at = 0;

	map_init(&map);
	is_null(map_find(&map, STR("a")));
	for (unsigned i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key%u", i);
		map_set(&map, str_of(keys[i]), keys[i]);
	}
	for (unsigned i = 0; i < N; i += 2)
		map_remove(&map, str_of(keys[i]));
	for (unsigned i = 0; i < N; i++)
		n_found += map_find(&map, str_of(keys[i])) == (i % 2 ? keys[i] : NULL);
	is_int(n_found, N);
	is_int(map.n_items, N / 2);
	while (map_next(&map, &at))
		n_walked++;
	is_int(n_walked, N / 2);
	is_ptr(map_set(&map, STR("key1"), keys[0]), keys[1]);
	map_fini(&map);
}

static void map_churn_does_not_grow_it(void)
{
	struct map map;
	char key[16];

	map_init(&map);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "%u", i);
		map_set(&map, str_of(key), key);
		map_remove(&map, str_of(key));
	}
	is_true(map.n_slots <= 16);
	map_fini(&map);
}

static void arena_refuses_past_its_ceiling_and_goes_on(void)
{
	struct arena arena;

	arena_init(&arena, 8192);
	is_true(arena_alloc(&arena, 100) != NULL);
	is_null(arena_alloc(&arena, 9000));
	is_null(arena_alloc(&arena, SIZE_MAX));
	is_null(arena_alloc_array(&arena, SIZE_MAX / 2, 4));
	is_true(arena_alloc(&arena, 4000) != NULL);
	is_str(arena_printf(&arena, "%d-%s", 7, "x"), STR("7-x"));
	is_str(arena_str(&arena, STR_NONE), STR(""));
	is_true(arena.used <= 8192);
	arena_reset(&arena);
	is_true(arena.used <= 4096);
	is_true(arena_alloc(&arena, 4000) != NULL);
	arena_fini(&arena);
	is_int(arena.used, 0);
}

static void arena_memory_is_aligned_for_any_type(void)
{
	struct arena arena;
	bool aligned = true;

	arena_init(&arena, SIZE_MAX);
	for (size_t size = 1; size < 300; size++)
		aligned = aligned && ((uintptr_t)arena_alloc(&arena, size) & 15) == 0;
	is_true(aligned);
	arena_fini(&arena);
}

static void arenas_share_a_budget_and_give_it_back(void)
{
	struct arena_budget budget = { .max = 10000 };
	struct arena first, second;

	arena_init(&first, SIZE_MAX);
	arena_init(&second, SIZE_MAX);
	first.budget = second.budget = &budget;
	is_true(arena_alloc(&first, 6000) != NULL);
	is_null(arena_alloc(&second, 6000));
	is_true(budget.used <= 10000);
	arena_fini(&first);
	is_int(budget.used, 0);
	is_true(arena_alloc(&second, 6000) != NULL);
	arena_fini(&second);
	is_int(budget.used, 0);
}

static void buf_errors_stay_until_cleared(void)
{
	struct buf buf;

	buf_init(&buf, 16);
	buf_add(&buf, STR("0123456789"));
	buf_add(&buf, STR("0123456789"));
	is_int(buf.error, -EMSGSIZE);
	buf_add_char(&buf, 'x');
	is_str(buf_str(&buf), STR("0123456789"));
	buf_clear(&buf);
	buf_add_u64(&buf, UINT64_MAX / 100000);
	is_str(buf_str(&buf), STR("184467440737095"));
	buf_consume(&buf, 3);
	is_str(buf_str(&buf), STR("467440737095"));
	buf_fini(&buf);
}

static void buf_in_an_arena_grows(void)
{
	struct arena arena;
	struct buf buf;

	arena_init(&arena, SIZE_MAX);
	buf_init_arena(&buf, &arena);
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&buf, "%u,", i % 10);
	is_int(buf.len, 2000);
	is_int(buf.error, 0);
	arena_fini(&arena);
}

static void str_numbers_are_digits_only_and_fit(void)
{
	uint64_t u;
	int64_t i;

	is_int(str_to_u64(STR("18446744073709551615"), &u), 0);
	is_true(u == UINT64_MAX);
	is_int(str_to_u64(STR("18446744073709551616"), &u), -ERANGE);
	is_int(str_to_u64(STR(""), &u), -EINVAL);
	is_int(str_to_u64(STR("+1"), &u), -EINVAL);
	is_int(str_to_u64(STR("1 "), &u), -EINVAL);
	is_int(str_to_i64(STR("-9223372036854775808"), &i), 0);
	is_true(i == INT64_MIN);
	is_int(str_to_i64(STR("9223372036854775808"), &i), -ERANGE);
}

static void str_parts_keep_empty_ones(void)
{
	struct str rest = STR("a,,b"), part;

	is_true(str_next_part(&rest, ',', &part));
	is_str(part, STR("a"));
	is_true(str_next_part(&rest, ',', &part));
	is_str(part, STR(""));
	is_true(str_next_part(&rest, ',', &part));
	is_str(part, STR("b"));
	is_false(str_next_part(&rest, ',', &part));
}

static void utf8_refuses_what_rfc_3629_refuses(void)
{
	is_true(str_is_utf8(STR("plain text of some length")));
	is_true(str_is_utf8(STR("h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80")));
	is_false(str_is_utf8(STR("\xc0\x80")));         /* overlong */
	is_false(str_is_utf8(STR("\xed\xa0\x80")));     /* a surrogate */
	is_false(str_is_utf8(STR("\xf4\x90\x80\x80"))); /* past U+10FFFF */
	is_false(str_is_utf8(STR("\xe2\x82")));         /* cut */
	is_false(str_is_utf8(STR("\x80")));
}

static void distance_counts_edits(void)
{
	is_int(str_distance(STR("tsaks"), STR("tasks"), 3), 2);
	is_int(str_distance(STR("timeout"), STR("timeout"), 3), 0);
	is_int(str_distance(STR("abc"), STR("xyz123456"), 3), 4);
}

int main(void)
{
	TEST(list_keeps_the_order_of_adding);
	TEST(list_move_all_keeps_both_orders);
	TEST(heap_gives_the_least_first_whatever_was_removed);
	TEST(map_finds_what_was_set_and_not_what_was_removed);
	TEST(map_churn_does_not_grow_it);
	TEST(arena_refuses_past_its_ceiling_and_goes_on);
	TEST(arena_memory_is_aligned_for_any_type);
	TEST(arenas_share_a_budget_and_give_it_back);
	TEST(buf_errors_stay_until_cleared);
	TEST(buf_in_an_arena_grows);
	TEST(str_numbers_are_digits_only_and_fit);
	TEST(str_parts_keep_empty_ones);
	TEST(utf8_refuses_what_rfc_3629_refuses);
	TEST(distance_counts_edits);
	return tap_done();
}
