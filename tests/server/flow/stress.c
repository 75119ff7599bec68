/* tests/server/flow/stress.c: random flows that end, fail, time out or are cancelled at random
 * moments end exactly once, with nothing left behind. Meant for ASan and TSan. */
#include "tests/server/flow/try.h"

enum { ROUNDS = 1200 };

static uint64_t seed = 1;

static unsigned pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static void write_modifiers(struct buf *yaml, int indent)
{
	if (pick(4) == 0)
		buf_printf(yaml, "%*soptional: true\n", indent, "");
	if (pick(4) == 0)
		buf_printf(yaml, "%*sdefault: ${query.x ?? 'd'}\n", indent, "");
	if (pick(4) == 0)
		buf_printf(yaml, "%*stimeout: %ums\n", indent, "", 1 + pick(8));
	if (pick(4) == 0)
		buf_printf(yaml,
			   "%*sretry: {times: %u, wait: %ums, codes: [unavailable, expr_error, "
			   "timeout]}\n",
			   indent, "", 1 + pick(3), pick(3));
	if (pick(6) == 0)
		buf_printf(yaml, "%*swhen: query.x != 'x%u'\n", indent, "", pick(2));
	if (pick(10) == 0)
		buf_printf(yaml, "%*sdetach: true\n", indent, "");
	if (pick(8) == 0)
		buf_printf(yaml, "%*seach: %s\n%*sconcurrency: %u\n", indent, "",
			   pick(8) ? "[1, x1, null, 3, 4, 5]" : "${query}", indent, "",
			   1 + pick(4));
	if (pick(8) == 0)
		buf_printf(yaml, "%*srepeat: {until: repeat.index == %u, max: %u, delay: %ums}\n",
			   indent, "", pick(4), 1 + pick(6), pick(3));
	if (pick(8) == 0)
		buf_printf(yaml, "%*slock: l%u\n", indent, "", pick(2));
	if (pick(8) == 0)
		buf_printf(yaml, "%*sacquire: pool\n", indent, "");
}

/* One that may be referred to is one that is not detached: only names that end in 0 are. */
static void write_task(struct buf *yaml, const char *name, int indent, unsigned depth)
{
	static const char *const simple[] = {
		"value: 1",
		"value: ${query.x}",
		"value: ${1 / query.x}",
		"wait: 1ms",
		"wait: 3ms",
		"wait: 0",
		"fail: unavailable",
		"log: hello ${query.x}",
		"call: plain",
		"call: deep",
		"call: endless",
		"await: x",
		"signal: x",
		"signal: y${query.x}",
		"enqueue: reject",
		"enqueue: slow",
		"enqueue: drop",
		"dequeue: slow",
	};

	buf_printf(yaml, "%*s%s:\n", indent, "", name);
	write_modifiers(yaml, indent + 2);
	if (depth > 0 && pick(3) == 0) {
		bool race = pick(3) == 0;

		if (race && pick(2))
			buf_printf(yaml, "%*slosers: finish\n", indent + 2, "");
		if (race && pick(3) == 0)
			buf_printf(yaml, "%*saccept: %s_0.ok\n", indent + 2, "", name);
		buf_printf(yaml, "%*s%s:\n", indent + 2, "", race ? "race" : "tasks");
		for (unsigned i = 0; i <= pick(4); i++) {
			char inner[64];

			snprintf(inner, sizeof(inner), "%s_%u", name, i);
			write_task(yaml, inner, indent + 4, depth - 1);
		}
		return;
	}
	buf_printf(yaml, "%*s%s\n", indent + 2, "", simple[pick(ARRAY_LEN(simple))]);
}

/* Half of the random references are none that may be made: such a flow is refused, and another
 * is written. */
static void write_flow(struct buf *yaml)
{
	unsigned n_tasks = 1 + pick(8);

	buf_clear(yaml);
	buf_printf(yaml, "shared:\n  pool: {permits: 1, waiting: 2}\n  reject: {queue: 1}\n"
			 "  slow: {queue: 1, full: wait}\n  drop: {queue: 1, full: drop_oldest}\n"
			 "flows:\n"
			 "  plain: {tasks: {a: {wait: 1ms}, b: {value: \"${a.ok}\"}}, result: "
			 "\"${b}\"}\n"
			 "  deep: {tasks: {a: {call: plain}, b: {call: plain, after: a}}}\n"
			 "  endless: {tasks: {a: {call: endless}, w: {wait: 2ms}}}\n"
			 "tasks:\n");
	for (unsigned i = 0; i < n_tasks; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%u", i);
		write_task(yaml, name, 2, 2);
		if (i > 0 && pick(2) == 0)
			buf_printf(yaml, "    after: t%u\n", pick(i));
	}
	buf_add_char(yaml, '\0');
}

static void run_round(struct buf *yaml)
{
	unsigned cancel_after = pick(40);
	bool cancels = pick(2) == 0;
	struct homes_stats stats;

	with_roots(pick(2) ? "{\"query\": {\"x\": \"x1\"}}" : "{}");
	if (pick(8) == 0)
		run_arena.max = pick(20000);
	flow_run_init(run, main_flow, context, try_on_end);
	if (pick(2) == 0)
		flow_run_set_deadline(run, clock_monotonic_ns() + pick(10) * NS_PER_MS);
	flow_run_start(run);
	for (unsigned turn = 0; turn < 400 && n_ended == 0; turn++) {
		if (cancels && turn == cancel_after)
			flow_run_cancel(run);
		loop_run_once(loop, false);
		if (pick(3) == 0)
			clock_advance(NS_PER_MS);
	}
	while (n_ended == 0) {
		clock_advance(100 * NS_PER_MS);
		settle();
	}
	forget();
	if (pick(2) == 0)
		detacher_cancel(&detacher);
	else
		clock_advance(31 * NS_PER_S);
	settle();
	check_that(n_ended == 1, "%s", yaml->data);
	check_that(n_detached == 0, "%s", yaml->data);
	clock_advance(3600 * NS_PER_S);
	settle();
	homes_stats(homes, &stats);
	check_that(stats.n_messages == 0 && stats.n_things <= 3, "%zu %zu\n%s", stats.n_messages,
		   stats.n_things, yaml->data); /* the queues may hold what was put in */
}

static void random_flows_end_exactly_once(void)
{
	struct buf yaml;
	unsigned n_runs = 0;

	buf_init(&yaml, 1 << 20);
	for (unsigned round = 0; round < ROUNDS; round++) {
		seed = round * 2654435761u + 1;
		begin();
		write_flow(&yaml);
		if (compile(yaml.data)) {
			run_round(&yaml);
			n_runs++;
		}
		end();
	}
	printf("# %u of %u flows ran\n", n_runs, ROUNDS);
	is_true(n_runs > ROUNDS / 4);
	buf_fini(&yaml);
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	TEST(random_flows_end_exactly_once);
	return tap_done();
}
