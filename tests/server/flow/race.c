/* tests/server/flow/race.c: `race:` and `join:`. */
#include "tests/server/flow/try.h"

/* ------------------------------------------------------------ race */

static void the_first_that_succeeds_wins_and_the_others_are_cancelled(void)
{
	begin();
	run_yaml("tasks:\n  r:\n    race:\n      slow: {tasks: {w: {wait: 1h}, l: {log: no, after: "
		 "w}}}\n"
		 "      fast: {tasks: {w: {wait: 5ms}, v: {value: 7, after: w}}, result: "
		 "\"${v}\"}\n");
	pass(4);
	is_int(n_ended, 0);
	pass(1);
	ended_ok();
	gives("[r, r.result, r.winner, r.ms]", "[7,7,\"fast\",5]");
	is_text(log_text, "");
	end();
}

static void of_two_that_end_together_the_first_wins(void)
{
	begin();
	run_yaml("tasks:\n  r: {race: {a: {value: 1}, b: {value: 2}}}\n");
	ended_ok();
	gives("[r, r.winner]", "[1,\"a\"]");
	end();
}

static void one_that_fails_does_not_win(void)
{
	begin();
	run_yaml("tasks:\n  n: {value: 0}\n  r:\n    race:\n      a: {value: \"${1 / n}\"}\n"
		 "      b: {wait: 2ms}\n      c: {value: 1, when: \"false\"}\n");
	pass(2);
	ended_ok();
	gives("[r, r.winner, r.ok]", "[null,\"b\",true]");
	end();
}

static void a_race_that_all_lose_fails_with_the_last_failure(void)
{
	begin();
	run_yaml("tasks:\n  n: {value: 0}\n  r:\n    race:\n      a: {value: \"${1 / n}\"}\n"
		 "      b: {wait: 1h, timeout: 2ms}\n");
	pass(2);
	ended_by("timeout", "r.b");
	is_int(failure_status(&run->failure), 504);
	end();
	begin();
	run_yaml("tasks:\n  n: {value: 0}\n  r:\n    default: none\n    race:\n"
		 "      a: {value: \"${1 / n}\"}\n      b: {value: \"${2 / n}\"}\n");
	ended_ok();
	gives("[r, r.winner, r.error.code, r.error.task]",
	      "[\"none\",null,\"expr_error\",\"r.b\"]");
	end();
}

static void a_race_of_skipped_ones_is_unavailable(void)
{
	begin();
	run_yaml("tasks:\n  r: {race: {a: {value: 1, when: \"false\"}}}\n");
	ended_by("unavailable", "r");
	end();
}

static void what_is_not_accepted_does_not_win(void)
{
	begin();
	run_yaml("tasks:\n  n: {value: 2}\n  r:\n    accept: (a ?? b ?? c) == n\n    race:\n"
		 "      a: {value: 1}\n      b: {value: 2}\n      c: {value: 3}\n");
	ended_ok();
	gives("[r, r.winner]", "[2,\"b\"]");
	end();
	begin();
	run_yaml("tasks:\n  r:\n    accept: a == 3\n    race:\n      a: {value: 1}\n");
	ended_by("bad_response", "r.a");
	is_str(run->failure.detail, STR("its result was not accepted"));
	end();
	begin();
	run_yaml("tasks:\n  r:\n    accept: a\n    race:\n      a: {value: 1}\n");
	ended_by("expr_error", "r.a");
	end();
}

static void a_cancelled_race_ends_once(void)
{
	begin();
	run_yaml("tasks:\n  r: {race: {a: {wait: 1h}, b: {wait: 1h}}, timeout: 3ms}\n");
	pass(3);
	ended_by("timeout", "r.a");
	end();
	begin();
	run_yaml("tasks:\n  r: {race: {a: {wait: 1h}, b: {wait: 1h}}}\n");
	flow_run_cancel(run);
	settle();
	ended_by("cancelled", "r.a");
	end();
}

static void losers_may_finish_by_themselves(void)
{
	begin();
	run_yaml("tasks:\n  n: {value: [5, 9]}\n  r:\n    losers: finish\n    race:\n"
		 "      slow: {tasks: {w: {wait: \"${n[1]}\"}, l: {log: \"late ${n[1]}\", after: "
		 "w}}}\n"
		 "      fast: {tasks: {w: {wait: \"${n[0]}\"}, v: {value: {n: \"${n}\"}, after: "
		 "w}}, "
		 "result: \"${v.result.n}\"}\n");
	is_int(n_detached, 2);
	pass(5);
	ended_ok();
	is_int(n_detached, 1);
	gives("[r, r.winner]", "[[5,9],\"fast\"]");
	is_text(log_text, "");
	forget();
	pass(4);
	is_text(log_text, "info task log task=l text=\"late 9\" id=req-1\n");
	is_int(n_detached, 0);
	end();
}

static void losers_finish_only_when_there_is_a_winner(void)
{
	begin();
	run_yaml("tasks:\n  r: {losers: finish, race: {a: {wait: 1h}, b: {wait: 1h}}}\n");
	is_int(n_detached, 2);
	flow_run_cancel(run);
	settle();
	ended_by("cancelled", "r.a");
	is_int(n_detached, 0);
	is_text(log_text, "");
	end();
	begin();
	run_yaml(
		"tasks:\n  n: {value: 0}\n  r:\n    losers: finish\n    accept: b == 1\n    race:\n"
		"      a: {value: \"${1 / n}\"}\n      b: {value: \"${n}\"}\n");
	ended_by("bad_response", "r.b");
	end();
	begin();
	run_yaml("tasks:\n  r:\n    losers: finish\n    race:\n"
		 "      a: {tasks: {x: {fail: oh_no, status: 418, detail: tea}}}\n");
	ended_by("oh_no", "r.a.x");
	is_int(failure_status(&run->failure), 418);
	is_str(run->failure.detail, STR("tea"));
	end();
}

static void racers_are_checked(void)
{
	refused("tasks:\n  r: {race: {}}\n", "2:13: the race \"r\" has no racers");
	refused("tasks:\n  r: {race: [1]}\n", "2:13: the race \"r\" has no racers");
	refused("tasks:\n  r: {race: {a: {value: 1}, b: {value: \"${a}\"}}}\n",
		"2:29: racers start together, and \"b\" waits for another");
	refused("tasks:\n  r: {race: {a: {value: 1, default: 2}}}\n",
		"2:28: a racer has no `default`");
	refused("tasks:\n  r: {race: {a: {value: 1, detach: true}}}\n",
		"2:28: a racer has no `detach`");
	refused("tasks:\n  r: {race: {a: {value: 1}}, losers: win}\n", "2:38: ");
	refused("tasks:\n  r: {race: {a: {value: 1}}, accept: zz}\n", "2:38: unknown name \"zz\"");
	refused("tasks:\n  r: {race: {a: {value: 1}}}\n  b: {value: \"${a}\"}\n",
		"3:17: unknown name \"a\"");
	refused("tasks:\n  r: {tasks: {a: {value: 1}}, losers: finish}\n",
		"2:31: `losers` belongs to race");
}

static void races_have_loops_and_loops_have_races(void)
{
	begin();
	run_yaml("tasks:\n  r: {race: {a: {each: [1, 2], wait: 1h}, "
		 "b: {each: [3, 0], value: \"${1 / item}\", optional: true}}}\n"
		 "  e: {each: [5, 3], race: {x: {wait: \"${item}\"}, y: {wait: 4ms}}}\n");
	pass(5);
	ended_ok();
	gives("[r, r.winner, e]", "[[0,null],\"b\",[null,null]]");
	end();
}

/* ------------------------------------------------------------ join */

#define BEFORE                                                                                     \
	"tasks:\n  n: {value: 0}\n  good: {value: 1, optional: true}\n"                            \
	"  bad: {value: \"${1 / n}\", default: 5}\n"                                               \
	"  none: {value: 1, when: \"false\", optional: true}\n"

static void by_default_what_waits_runs_whatever_the_outcome(void)
{
	begin();
	run_yaml(BEFORE "  x: {value: \"${good + bad}\"}\n  y: {value: 2, after: [bad, none], "
			"join: done}\n");
	ended_ok();
	gives("[x, y]", "[6,2]");
	end();
}

static void join_ok_wants_all_of_them(void)
{
	begin();
	run_yaml(BEFORE "  x: {value: 1, after: [good, none], join: ok}\n"
			"  y: {value: 2, after: [good, bad], join: ok}\n"
			"  z: {value: \"${good}\", when: \"false\", join: ok}\n");
	ended_ok();
	gives("[x, y, y.skipped, z.skipped]", "[1,null,true,true]");
	end();
}

static void join_any_wants_one_of_them(void)
{
	begin();
	run_yaml(BEFORE "  x: {value: 1, after: [good, bad], join: any}\n"
			"  y: {value: 2, after: [bad], join: any}\n"
			"  z: {value: 3, after: [bad, none], join: any}\n"
			"  e: {each: [1], value: \"${bad}\", join: any}\n"
			"  d: {log: \"${bad}\", join: ok, detach: true}\n");
	ended_ok();
	gives("[x, y, y.skipped, z, e]", "[1,null,true,3,null]");
	is_text(log_text, "");
	end();
}

static void a_join_behind_what_ends_the_flow_is_refused(void)
{
	refused("tasks:\n  a: {value: 1}\n  b: {value: \"${a}\", join: done}\n",
		"3:17: \"b\" joins \"a\", whose failure ends the flow");
	refused("tasks:\n  a: {value: 1}\n  b: {wait: 0, after: a, join: any}\n",
		"3:23: \"b\" joins \"a\"");
	refused("tasks:\n  b: {wait: 0, join: any}\n", "2:3: \"b\" has `join` and waits for no");
	refused("tasks:\n  b: {wait: 0, join: all}\n", "2:22: ");
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	TEST(the_first_that_succeeds_wins_and_the_others_are_cancelled);
	TEST(of_two_that_end_together_the_first_wins);
	TEST(one_that_fails_does_not_win);
	TEST(a_race_that_all_lose_fails_with_the_last_failure);
	TEST(a_race_of_skipped_ones_is_unavailable);
	TEST(what_is_not_accepted_does_not_win);
	TEST(a_cancelled_race_ends_once);
	TEST(losers_may_finish_by_themselves);
	TEST(losers_finish_only_when_there_is_a_winner);
	TEST(racers_are_checked);
	TEST(races_have_loops_and_loops_have_races);
	TEST(by_default_what_waits_runs_whatever_the_outcome);
	TEST(join_ok_wants_all_of_them);
	TEST(join_any_wants_one_of_them);
	TEST(a_join_behind_what_ends_the_flow_is_refused);
	return tap_done();
}
