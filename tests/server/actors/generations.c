/* tests/server/actors/generations.c: loops come to a new generation one after the other, and meanwhile their actors
 * are sent to. */
#include "core/base/clock.h"
#include "server/actors/private.h"
#include "tests/server/expr/try.h"
#include <stdio.h>

enum { NUMBER = 2 }; /* of the generation that brings the actor */

static struct loop *loops[2];
static struct actors *actors;
static struct actor_loop *ahead, *behind;
static struct world world;

/* An actor with a state and without handlers, whose home is the loop that is behind. */
static void section_make(struct actor_section *section, struct actor_spec *spec)
{
	static char name[16];
	static struct node state = { .kind = NODE_INT, .integer = 4711 };

	for (unsigned i = 0; i == 0 || actors_home(actors, str_of(name)) != behind; i++)
		snprintf(name, sizeof(name), "a%u", i);
	*spec = (struct actor_spec){ .name = str_of(name),
				     .state = template_tree_compile(&world.compiler, &state),
				     .n_max = 1,
				     .mailbox.n_max = 10 };
	*section = (struct actor_section){ .n_specs = 1, .n_own = 1, .specs = spec };
}

/* One loop has the generation, the other has not. */
static void setup(struct actor_section *section, struct actor_spec *spec)
{
	world_init(&world);
	actors = actors_create(2, NULL);
	for (size_t i = 0; i < 2; i++)
		is_int(loop_create(&loops[i]), 0);
	ahead = actors_add_loop(actors, &(const struct actor_host){ .loop = loops[0] });
	behind = actors_add_loop(actors, &(const struct actor_host){ .loop = loops[1] });
	section_make(section, spec);
	actor_loop_set(ahead, NULL, NUMBER, section, 1 << 20, NULL);
}

static void teardown(void)
{
	actors_end(actors);
	actors_destroy(actors);
	for (size_t i = 0; i < 2; i++)
		loop_destroy(loops[i]);
	world_fini(&world);
}

static void turn(void)
{
	for (size_t i = 0; i < 2; i++)
		loop_run_once(loops[i], false);
}

static bool shown(const char *text)
{
	struct buf out;
	bool is;

	buf_init(&out, 4096);
	actor_loop_write(behind, STR_NONE, 10, &out);
	is = str_find(buf_str(&out), str_of(text)) >= 0;
	buf_fini(&out);
	return is;
}

static struct future *ask_from_ahead(const struct actor_spec *spec)
{
	const struct actor_send send = { .name = spec->name, .handler = STR("none") };
	enum error_code code = ERROR_NONE;
	const char *detail;
	struct future *future = actors_send(ahead, &send, true, &code, &detail);

	is_true(future != NULL);
	return future;
}

static void is_not_found(struct future *future)
{
	while (future_state(future) == FUTURE_PENDING)
		turn();
	is_int(((const struct actor_answer *)future_value(future))->code, ERROR_NOT_FOUND);
	future_unref(future);
}

static void one_that_a_message_of_a_newer_loop_makes_has_its_state(void)
{
	struct actor_section section;
	struct actor_spec spec;
	struct future *future;

	setup(&section, &spec);
	future = ask_from_ahead(&spec);
	for (unsigned i = 0; !shown("\"in_work\":true") && i < 1000; i++)
		turn();
	is_true(shown("\"in_work\":true")); /* it waits for its loop to know it */
	is_true(shown("\"state_bytes\":0"));
	actor_loop_set(behind, NULL, NUMBER, &section, 1 << 20, NULL);
	is_not_found(future);
	is_true(shown("\"state_bytes\":4,"));
	teardown();
}

static void one_that_no_generation_knows_any_more_goes(void)
{
	static const struct actor_section nothing;
	struct actor_section section;
	struct actor_spec spec;
	struct future *future;

	setup(&section, &spec);
	actor_loop_set(behind, NULL, NUMBER + 1, &nothing, 1 << 20, NULL);
	future = ask_from_ahead(&spec); /* it does not know that yet */
	is_not_found(future);
	for (uint64_t end_ns = clock_monotonic_ns() + 60 * NS_PER_S;
	     shown("name") && clock_monotonic_ns() < end_ns;)
		turn();
	is_true(!shown("name"));
	is_int(atomic_load(&actors->n_live), 0);
	teardown();
}

int main(void)
{
	TEST(one_that_a_message_of_a_newer_loop_makes_has_its_state);
	TEST(one_that_no_generation_knows_any_more_goes);
	return tap_done();
}
