/* tests/fuzz/forwarded.c: what a client writes in front of what its proxy adds never changes who
 * it is.
 *
 * The input is a client's fields, a line each: X-Forwarded-For, or behind an F Forwarded. The proxy
 * appends to the last line of one kind, and to none of the other. */
#include "server/http/forwarded.h"
#include "core/base/arena.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 16 };

static struct arena arena;
static struct cidr_set trusted;

static void forwarded_add(struct http_head *head, struct str name, struct str value,
			  const char *behind)
{
	head->fields[head->n_fields++] =
		(struct http_field){ name, arena_printf(&arena, "%.*s%s", STR_ARG(value), behind) };
}

static void forwarded_try(struct str bytes, bool standard)
{
	struct str name = standard ? STR("Forwarded") : STR("X-Forwarded-For"), line = STR_NONE,
		   rest = bytes;
	struct http_field fields[LINES_MAX + 1];
	struct http_head head = { .fields = fields };
	struct forwarded said;
	struct ip client;

	while (head.n_fields < LINES_MAX && str_next_part(&rest, '\n', &line))
		forwarded_add(&head, name, line, "");
	if (head.n_fields)
		head.n_fields--;
	forwarded_add(&head, name, line,
		      standard ? ", for=\"192.0.2.1:4711\";proto=https" : ", 192.0.2.1:4711");
	check(ip_parse(STR("192.0.2.1"), &client) == 0);
	if (!forwarded_read(&head, &trusted, &said))
		return; /* a string that has no end: refused */
	check(said.known && memcmp(&said.ip, &client, sizeof(client)) == 0);
	check(said.port == 4711 && said.secure == standard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };
	static struct cidr proxies[1];

	if (!arena.required)
		arena_init_required(&arena);
	for (size_t i = 0; i < size; i++)
		if (data[i] == '\0' || data[i] == '\r')
			return 0; /* no head has these */
	check(cidr_parse(STR("10.0.0.0/8"), &proxies[0]) == CIDR_OK);
	cidr_set_init(&trusted, proxies, 1, &arena);
	forwarded_try(bytes, false);
	forwarded_try(bytes, true);
	arena_reset(&arena);
	return 0;
}
