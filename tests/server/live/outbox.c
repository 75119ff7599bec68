/* tests/server/live/outbox.c: what is held, what goes before it, and what is dropped of both. */
#include "server/live/outbox.h"
#include "core/base/check.h"
#include "tests/lib/tap.h"
#include <errno.h>

static struct loop *loop;
static struct outbox outbox;

static void begin(void)
{
	check(loop_create(&loop) == 0);
	outbox_init(&outbox, loop, NULL);
}

static void end(void)
{
	outbox_fini(&outbox);
	loop_destroy(loop);
}

static void put(const char *text, bool droppable)
{
	is_true(outbox_put(&outbox, packet_create(NULL, str_of(text)), droppable));
}

/* What is given in one piece. */
static void gives(const char *text)
{
	struct str bytes;

	is_int(outbox.source.ops->read(&outbox.source, &bytes), 1);
	is_int((int)bytes.len, (int)strlen(text));
	is_int(memcmp(bytes.ptr, text, strlen(text)), 0);
}

static void gives_nothing(int status)
{
	struct str bytes;

	is_int(outbox.source.ops->read(&outbox.source, &bytes), status);
}

static void what_is_held_waits_and_what_is_not_goes_before_it(void)
{
	begin();
	put("a", true);
	outbox_hold(&outbox);
	put("c", true);
	put("B", false);
	put("d", true);
	gives("aB");
	gives_nothing(-EAGAIN);
	put("B", false);
	gives("B");
	is_true(outbox_release(&outbox));
	put("E", false);
	gives("cdE");
	is_true(!outbox_release(&outbox));
	end();
}

static void nothing_is_held_at_the_end(void)
{
	begin();
	outbox_hold(&outbox);
	put("a", true);
	gives_nothing(-EAGAIN);
	outbox_end(&outbox);
	gives("a");
	gives_nothing(0);
	end();
}

static void what_is_held_is_dropped_oldest_first(void)
{
	begin();
	put("A", false);
	outbox_hold(&outbox);
	put("b", true);
	put("c", true);
	put("d", true);
	is_int((int)outbox_drop(&outbox, 1, 3 * (OUTBOX_ITEM + 1)), 2);
	put("E", false);
	gives("AE");
	gives_nothing(-EAGAIN);
	is_true(outbox_release(&outbox));
	gives("d");
	end();
}

static void what_is_not_held_is_dropped_before(void)
{
	begin();
	put("a", true);
	outbox_hold(&outbox);
	put("b", true);
	put("c", true);
	is_int((int)outbox_drop(&outbox, 1, 2 * (OUTBOX_ITEM + 1)), 2);
	gives_nothing(-EAGAIN);
	put("D", false);
	gives("D");
	outbox_clear(&outbox);
	is_true(!outbox_release(&outbox));
	end();
}

int main(void)
{
	TEST(what_is_held_waits_and_what_is_not_goes_before_it);
	TEST(nothing_is_held_at_the_end);
	TEST(what_is_held_is_dropped_oldest_first);
	TEST(what_is_not_held_is_dropped_before);
	return tap_done();
}
