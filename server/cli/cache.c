/* server/cli/cache.c: `leat cache`. */
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include <stdio.h>
#include <string.h>

void cli_print_caches(struct value list, struct arena *arena)
{
	if (value_open(&list, arena) < 0 || list.kind != VALUE_LIST)
		return;
	for (size_t i = 0; i < list.len; i++) {
		struct value cache = list.items[i];

		printf("cache       %s: %s entries, %s bytes, %s hits, %s misses, %s stale, %s "
		       "coalesced, %s evicted\n",
		       cli_text(cache, "name", arena).ptr, cli_text(cache, "entries", arena).ptr,
		       cli_text(cache, "bytes", arena).ptr, cli_text(cache, "hits", arena).ptr,
		       cli_text(cache, "misses", arena).ptr, cli_text(cache, "stale", arena).ptr,
		       cli_text(cache, "coalesced", arena).ptr,
		       cli_text(cache, "evicted", arena).ptr);
	}
}

static int cache_list(const struct cli *cli)
{
	struct value list;
	struct arena arena;
	struct buf body;
	int status = 0, code = cli_ask(cli, "GET", "/v1/caches", &status, &body);

	arena_init_required(&arena);
	if (code == EXIT_DONE && cli->json)
		printf("%.*s\n", STR_ARG(buf_str(&body)));
	else if (code == EXIT_DONE && json_read(buf_str(&body), &arena, &list, NULL) == 0)
		cli_print_caches(list, &arena);
	arena_fini(&arena);
	buf_fini(&body);
	return code != EXIT_DONE ? code : status == 200 ? EXIT_DONE : EXIT_REFUSED;
}

/* A key that ends in * is a prefix. */
static void cache_write_target(const struct cli *cli, struct buf *target)
{
	struct str key = cli->n_args > 2 ? str_of(cli->args[2]) : STR_NONE;
	bool prefix = str_ends_with(key, STR("*"));

	buf_add(target, STR("/v1/cache"));
	if (cli->n_args > 1) {
		buf_add(target, STR("?route="));
		cli_encode(str_of(cli->args[1]), target);
	}
	if (cli->n_args > 2) {
		buf_add(target, prefix ? STR("&prefix=") : STR("&key="));
		cli_encode(prefix ? str_first(key, key.len - 1) : key, target);
	}
	buf_add_char(target, '\0');
}

static int cache_purge(const struct cli *cli)
{
	struct value answer = value_null();
	struct arena arena;
	struct buf body, target;
	int status = 0, code;

	arena_init_required(&arena);
	buf_init_arena(&target, &arena);
	cache_write_target(cli, &target);
	code = cli_ask(cli, "DELETE", target.data, &status, &body);
	if (code == EXIT_DONE && status == 404)
		fprintf(stderr, "leat: there is no cache \"%s\"; see leat cache list\n",
			cli->args[1]);
	else if (code == EXIT_DONE && cli->json)
		printf("%.*s\n", STR_ARG(buf_str(&body)));
	else if (code == EXIT_DONE && json_read(buf_str(&body), &arena, &answer, NULL) == 0 &&
		 status == 200)
		printf("%s entries removed\n", cli_text(answer, "removed", &arena).ptr);
	else if (code == EXIT_DONE)
		fprintf(stderr, "leat: %s\n", cli_text(answer, "detail", &arena).ptr);
	buf_fini(&body);
	arena_fini(&arena);
	return code != EXIT_DONE ? code : status == 200 ? EXIT_DONE : EXIT_REFUSED;
}

int cli_cache(const struct cli *cli)
{
	if (cli->n_args == 0 || (cli->n_args == 1 && strcmp(cli->args[0], "list") == 0))
		return cache_list(cli);
	if (strcmp(cli->args[0], "purge") == 0 && cli->n_args <= 3)
		return cache_purge(cli);
	return cli_usage("cache takes: list, or purge [NAME [KEY or PREFIX*]]");
}
