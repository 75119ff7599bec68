/* server/upstream_url.c */
#include "server/upstream_url.h"
#include "server/upstream_conf.h"

enum { NAME_SHOWN = 80 };

static struct node *url_node(struct arena *arena, struct str text, struct place place)
{
	struct node *node = arena_zalloc(arena, sizeof(*node));

	*node = (struct node){ .kind = NODE_TEXT, .place = place, .text = arena_str(arena, text) };
	return node;
}

static struct upstream *url_make_upstream(const struct upstream_url_reader *reader,
					  struct str origin)
{
	struct arena *arena = &reader->conf->arena;
	struct place place = reader->place;
	struct node_entry key = { STR("url"), place, url_node(arena, origin, place) };
	struct node map = { .kind = NODE_MAP, .place = place, .n_entries = 1, .entries = &key };
	const struct node_entry entry = { reader->name ? str_of(reader->name)
						       : arena_str(arena, origin),
					  place, &map };

	return upstream_compile(&entry, NULL, reader->conf, reader->diag);
}

static struct upstream *url_find_upstream(const struct upstream_url_reader *reader, struct str name)
{
	struct upstream *upstream = upstream_section_find(reader->http, name);
	const char *nearest = NULL;

	if (upstream)
		return upstream_ref(upstream);
	name = str_first(name, NAME_SHOWN);
	if (reader->http)
		nearest = diag_nearest(name, reader->http->names);
	if (nearest)
		diag_error(reader->diag, reader->place,
			   "there is no upstream \"%.*s\"; did you mean \"%s\"?", STR_ARG(name),
			   nearest);
	else
		diag_error(reader->diag, reader->place,
			   "there is no upstream \"%.*s\"; add it under `http:`", STR_ARG(name));
	return NULL;
}

static bool url_target_is_good(struct str target)
{
	if (target.len == 0 || target.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.ptr[i] <= ' ' || (unsigned char)target.ptr[i] >= 0x7f ||
		    target.ptr[i] == '#')
			return false;
	return true;
}

/* Where "https://host" ends. */
static size_t url_origin_len(struct str url, size_t at)
{
	while (at < url.len && !strchr("/?#", url.ptr[at]))
		at++;
	return at;
}

enum upstream_url_step upstream_url_read(const struct upstream_url_reader *reader, struct str url,
					 struct upstream_url *ret_url)
{
	ptrdiff_t scheme = str_find(url, STR("://")), colon = str_find_char(url, ':');
	size_t len = scheme > 0 ? url_origin_len(url, (size_t)scheme + 3) : (size_t)colon;
	struct str target = colon < 0 ? STR_NONE : str_skip(url, scheme > 0 ? len : len + 1);
	struct upstream *upstream;

	if (colon <= 0 || !url_target_is_good(target))
		return UPSTREAM_URL_NONE;
	upstream = scheme > 0 ? url_make_upstream(reader, str_first(url, len))
			      : url_find_upstream(reader, str_first(url, len));
	if (!upstream)
		return UPSTREAM_URL_REFUSED;
	*ret_url = (struct upstream_url){ upstream, target };
	return UPSTREAM_URL_FINE;
}
