/* tests/modules/links.c: actors that are linked to others by their names: one on a loop ("looped"), one that computes
 * ("pooled"); and what ends as it is told ("thing/{id}"). */
#include <leat.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_MAX = 8192, NAME_MAX_HERE = 1024 };

struct own {
	char told[TOLD_MAX];
	size_t len;
};

static const struct leat_kind kinds[4];

static struct leat_actor *spawn(const struct leat_kind *kind, const char *name)
{
	struct own *own = calloc(1, sizeof(*own));
	struct leat_actor *actor = own ? leat->spawn(&leat_module, kind, name, own) : NULL;

	if (!actor)
		free(own);
	return actor;
}

/* The text of the message, with a zero behind it. */
static bool name_of(struct leat_call *call, char name[NAME_MAX_HERE])
{
	struct leat_text text = leat->text(leat->input(call));

	if (text.len >= NAME_MAX_HERE) {
		leat->fail(call, "too_long", 0, " ");
		return false;
	}
	memcpy(name, text.ptr, text.len);
	name[text.len] = 0;
	return true;
}

static void watch(struct leat_call *call)
{
	char name[NAME_MAX_HERE];
	const char *error = name_of(call, name) ? leat->link_name(call, name) : NULL;

	if (error)
		leat->fail(call, error, 0, "not linked");
}

static void unwatch(struct leat_call *call)
{
	char name[NAME_MAX_HERE];

	if (name_of(call, name))
		leat->unlink_name(call, name);
}

/* In one message: nothing is told of it. */
static void both(struct leat_call *call)
{
	watch(call);
	unwatch(call);
}

static void on_exit_of(struct leat_call *call)
{
	struct own *own = leat->state(call);
	struct leat_text parts[2] = { leat->text(leat->member(leat->input(call), "actor")),
				      leat->text(leat->member(leat->input(call), "reason")) };

	for (int i = 0; i < 2 && own->len + parts[i].len + 1 < TOLD_MAX; i++) {
		memcpy(own->told + own->len, parts[i].ptr, parts[i].len);
		own->len += parts[i].len;
		own->told[own->len++] = i ? ' ' : '=';
	}
	if (leat->subject(call))
		own->told[own->len++] = '!';
}

static void told(struct leat_call *call)
{
	const struct own *own = leat->state(call);

	leat->json_text(leat->result(call), own->told, own->len);
}

/* Makes the thing of that name. */
static void make(struct leat_call *call)
{
	char name[NAME_MAX_HERE];

	if (name_of(call, name))
		leat->actor_unref(spawn(&kinds[2], name));
}

/* Links itself, and has ended when that is done. */
static void last(struct leat_call *call)
{
	watch(call);
	leat->exit(call, false);
}

static void end(struct leat_call *call)
{
	leat->exit(call, leat->boolean(leat->input(call)));
}

static const struct leat_handler watching[] = {
	{ "watch", "Links it to the one of that name.", watch, 0 },
	{ "unwatch", "Takes that back.", unwatch, 0 },
	{ "both", "Both.", both, 0 },
	{ "told", "What it was told.", told, LEAT_GET },
	{ "make", "Makes a thing.", make, 0 },
	{ "last", "Links it, and ends.", last, 0 },
	LEAT_END,
};

static const struct leat_handler things[] = {
	{ "end", "Ends.", end, 0 },
	LEAT_END,
};

static const struct leat_kind kinds[4] = {
	{ .name = "looped",
	  .help = "Is linked, on a loop.",
	  .handlers = watching,
	  .on_exit = on_exit_of,
	  .release = free,
	  .flags = LEAT_EXPOSE },
	{ .name = "pooled",
	  .help = "Is linked, on the pool.",
	  .handlers = watching,
	  .on_exit = on_exit_of,
	  .release = free,
	  .flags = LEAT_EXPOSE | LEAT_ON_POOL },
	{ .name = "thing/{id}",
	  .help = "Ends.",
	  .handlers = things,
	  .release = free,
	  .flags = LEAT_EXPOSE },
	LEAT_END,
};

static const char *init(void)
{
	leat->actor_unref(spawn(&kinds[0], "looped"));
	leat->actor_unref(spawn(&kinds[1], "pooled"));
	return NULL;
}

LEAT_MODULE(.name = "links", .init = init, .kinds = kinds);
