/* tests/server/flow/refusals.c: what is wrong in `tasks:` is told at its place, with the mend. */
#include "server/verbs/verb.h"
#include "tests/server/flow/try.h"

extern const struct setting modifier_keys[];

static void a_task_needs_exactly_one_verb(void)
{
	refused("tasks:\n  a: {}\n", "2:3: the task \"a\" needs one verb: get, post, put, patch");
	refused("tasks:\n  a: {timeout: 1s}\n", "2:3: the task \"a\" needs one verb: get");
	refused("tasks:\n  a: {wait: 1s, value: 1}\n",
		"2:17: a task has one verb, and \"a\" has two: wait and value");
	refused("tasks:\n  a: 5\n", "2:6: a task is a map, not a number");
	refused("tasks:\n  a:\n", "2:5: a task is a map");
	refused("tasks: [1]\n", "1:8: tasks is a map, not a list");
}

static void slips_in_keys_get_a_suggestion(void)
{
	refused("tasks:\n  a: {wiat: 1s}\n",
		"2:7: unknown key \"wiat\" in a task; did you mean \"wait\"?");
	refused("tasks:\n  a:\n    wait: 1s\n    timeuot: 1s\n",
		"4:5: unknown key \"timeuot\" in a task; did you mean \"timeout\"?");
	refused("tasks:\n  a:\n    get: http://h/\n    heders: {}\n",
		"4:5: unknown key \"heders\" in a task; did you mean \"headers\"?");
	refused("tasks:\n  a:\n    wait: 1s\n    zzzzzzzz: 1\n",
		"4:5: unknown key \"zzzzzzzz\" in a task with the verb `wait`; remove it");
}

static void a_key_of_another_verb_is_told_whose_it_is(void)
{
	refused("tasks:\n  a:\n    wait: 1s\n    json: {}\n",
		"4:5: `json` belongs to get, post, put, patch, delete, head, http, sql; this task "
		"is "
		"`wait`");
	refused("tasks:\n  a:\n    value: 1\n    level: info\n",
		"4:5: `level` belongs to log; this task is `value`");
	refused("tasks:\n  a:\n    get: http://h/\n    method: GET\n",
		"4:5: `method` belongs to http; this task is `get`");
}

static void names_are_checked(void)
{
	refused("tasks:\n  Bad: {wait: 1s}\n",
		"2:3: \"Bad\" cannot be the name of a task; write lower-case letters");
	refused("tasks:\n  1a: {wait: 1s}\n", "2:3: \"1a\" cannot be the name of a task");
	refused("tasks:\n  body: {wait: 1s}\n",
		"2:3: a task cannot be called \"body\": ${body} means something else already");
	refused("tasks:\n  a:\n    tasks:\n      a: {wait: 1s}\n",
		"4:7: a task around this group is called \"a\" already (line 2)");
	refused("tasks:\n  b: {wait: 1s}\n  a:\n    tasks:\n      b: {wait: 1s}\n",
		"5:7: a task around this group is called \"b\" already (line 2)");
}

static void references_are_checked(void)
{
	refused("tasks:\n  profile: {wait: 1s}\n  b: {value: \"${profil.ok}\"}\n",
		"3:17: unknown name \"profil\"; did you mean \"profile\"?");
	refused("tasks:\n  a: {wait: 1s, after: b}\n  bb: {wait: 1s}\n",
		"2:24: there is no task \"b\"; did you mean \"bb\"?");
	refused("tasks:\n  a: {wait: 1s, after: [zzzzz]}\n",
		"2:25: there is no task \"zzzzz\"; `after` names tasks of this flow");
	refused("tasks:\n  a: {value: \"${a.ok}\"}\n", "2:17: the task \"a\" refers to itself");
	refused("tasks:\n  a: {wait: 1s, after: a}\n", "2:24: the task \"a\" refers to itself");
	refused("tasks:\n  g:\n    tasks:\n      a: {value: \"${g}\"}\n",
		"4:21: the task \"g\" refers to itself");
}

static void a_cycle_is_shown_with_its_path(void)
{
	refused("tasks:\n  a: {value: \"${b}\"}\n  b: {value: \"${a}\"}\n",
		"2:17: these tasks wait for each other: a → b → a");
	refused("tasks:\n  a: {wait: 1s, after: c}\n  b: {value: \"${a}\"}\n"
		"  c: {value: \"${b}\"}\n",
		"2:24: these tasks wait for each other: a → c → b → a");
	refused("tasks:\n  g:\n    tasks:\n      x: {value: \"${o}\"}\n  o: {value: \"${g}\"}\n",
		"4:21: these tasks wait for each other: g → o → g");
}

static void nothing_refers_to_a_detached_task(void)
{
	refused("tasks:\n  a: {wait: 1s, detach: true}\n  b: {value: \"${a.ok}\"}\n",
		"3:17: the task \"a\" is detached: nothing waits for it");
	refused("tasks:\n  a: {wait: 1s, detach: true}\n  b: {wait: 1s, after: a}\n",
		"3:24: the task \"a\" is detached");
	refused("tasks:\n  a: {value: \"${a}\", detach: true}\n",
		"2:17: the task \"a\" refers to itself");
	refused("tasks:\n  a: {wait: 1s, detach: true}\nresult: ${a.ok}\n", "3:11: ");
}

static void sizes_are_bounded(void)
{
	struct buf yaml;

	buf_init(&yaml, 1 << 20);
	buf_printf(&yaml, "tasks:\n");
	for (int i = 0; i <= FLOW_TASKS_MAX; i++)
		buf_printf(&yaml, "  t%d: {wait: 1s}\n", i);
	buf_add_char(&yaml, '\0');
	refused(yaml.data, "1002:3: 1001 tasks are too many: at most 1000 may stand together");
	buf_clear(&yaml);
	for (int i = 0; i <= FLOW_NESTING_MAX; i++)
		buf_printf(&yaml, "%*stasks:\n%*sg%d:\n", i * 4, "", i * 4 + 2, "", i);
	buf_printf(&yaml, "%*swait: 1s\n", (FLOW_NESTING_MAX + 1) * 4, "");
	buf_add_char(&yaml, '\0');
	refused(yaml.data, "34:67: groups nest at most 16 deep");
	buf_fini(&yaml);
}

static void modifiers_are_checked(void)
{
	refused("tasks:\n  a: {wait: 1s, timeout: 5}\n", "2:26: a bare number is not a duration");
	refused("tasks:\n  a: {wait: 1s, timeout: 0}\n", "2:26: ");
	refused("tasks:\n  a: {wait: 1s, optional: yes}\n", "2:27: ");
	refused("tasks:\n  a: {wait: 1s, when: \"query.x ==\"}\n", "2:3");
	refused("tasks:\n  a: {wait: 1s, when: \"${query.x} ${query.y}\"}\n",
		"2:23: a condition is an expression, bare or as one ${}");
	refused("tasks:\n  a: {wait: 1s, retry: [1]}\n", "2:24: `retry` is a number or a map");
	refused("tasks:\n  a: {wait: 1s, retry: 0}\n", "2:24: \"times\" is from 1 to 100");
	refused("tasks:\n  a: {wait: 1s, retry: {tims: 2}}\n",
		"2:25: unknown key \"tims\" in retry; did you mean \"times\"?");
	refused("tasks:\n  a: {wait: 1s, retry: {on: 503}}\n", "2:25: unknown key \"on\" in retry");
	refused("tasks:\n  a: {wait: 1s, retry: {codes: [timeot]}}\n",
		"2:33: unknown error code \"timeot\"; did you mean \"timeout\"?");
	refused("tasks:\n  a: {wait: 1s, retry: {codes: [999]}}\n",
		"2:33: unknown error code \"999\"; write a code such as timeout");
	refused("defaults: {task: {when: x}}\ntasks: {}\n",
		"1:19: tasks cannot have the default \"when\"");
}

static void secrets_stay_where_they_cannot_be_seen(void)
{
	refused("tasks:\n  a: {value: \"${secret.x}\"}\n", "2:14: a secret cannot be in `value`");
	refused("tasks:\n  a: {log: \"key ${secret.x}\"}\n", "2:12: a secret cannot be in `log`");
	refused("tasks:\n  a: {fail: oh, detail: \"${secret.x}\"}\n",
		"2:25: a secret cannot be in `detail`");
	refused("tasks:\n  a: {wait: 1s, default: \"${secret.x}\"}\n",
		"2:26: a secret cannot be in `default`");
	refused("tasks: {}\nresult: ${secret.x}\n", "2:9: a secret cannot be in a result");
	begin();
	is_true(compile("tasks:\n  a: {get: http://h/, headers: {authorization: \"B "
			"${secret.x}\"}, query: {k: \"${secret.x}\"}}\n"));
	is_true(compile("tasks:\n  a: {post: http://h/, json: {k: \"${secret.x}\"}}\n"));
	end();
}

static void verbs_check_their_own_keys(void)
{
	refused("tasks:\n  a: {wait: 100}\n", "2:13: a bare number is not a duration");
	refused("tasks:\n  a: {wait: soon}\n", "2:13: \"soon\" is not a duration");
	refused("tasks:\n  a: {log: x, level: loud}\n", "2:22: ");
	refused("tasks:\n  a: {fail: Not Found}\n", "2:13: `fail` takes a code");
	refused("tasks:\n  a: {fail: {code: x}}\n", "2:13: `fail` takes a code");
	refused("tasks:\n  a: {fail: not_fuond}\n",
		"2:13: unknown error code \"not_fuond\"; did you mean \"not_found\"?");
	refused("tasks:\n  a: {fail: cancelled}\n", "2:13: \"cancelled\" means that");
	refused("tasks:\n  a: {fail: x, status: 200}\n", "2:24: \"status\" is from 400 to 599");
	refused("flows: {load: {}}\ntasks:\n  a: {call: laod}\n",
		"3:13: there is no flow \"laod\"; did you mean \"load\"?");
	refused("tasks:\n  a: {call: zzzz}\n",
		"2:13: there is no flow \"zzzz\"; write it under `flows:`");
	refused("tasks:\n  a: {call: [x]}\n", "2:13: `call` takes the name of a flow");
	refused("tasks:\n  a: {tasks: {}}\n", "2:14: the group \"a\" has no tasks");
	refused("tasks:\n  a: {tasks: [1]}\n", "2:14: tasks is a map, not a list");
}

static void urls_are_checked(void)
{
	refused("tasks:\n  a: {get: \"https:///\"}\n", "2:21: \"\" is not a host");
	refused("tasks:\n  a: {get: \"https://${query.h}/x\"}\n",
		"2:21: the host of a URL is constant");
	refused("tasks:\n  a: {get: /path}\n",
		"2:12: a URL begins with the name of an upstream, http:// or https://");
	refused("tasks:\n  a: {get: \"${query.u}\"}\n", "2:13: a URL begins with the name");
	refused("tasks:\n  a: {get: \"ftp://h/\"}\n", "2:13: a URL begins with the name");
	refused("tasks:\n  a: {get: users:/x}\n",
		"2:12: there is no upstream \"users\"; add it under `http:`");
	refused("tasks:\n  a: {get: \"http://${query.h}/x\"}\n",
		"2:20: the host of a URL is constant");
	refused("tasks:\n  a: {get: \"http://u:p@h/x\"}\n", "2:20: \"u:p@h\" is not a host");
	refused("tasks:\n  a: {get: \"http:///x\"}\n", "2:20: \"\" is not a host");
	refused("tasks:\n  a: {get: \"http://h:99999/x\"}\n", "2:20: \"h:99999\" is not a host");
	refused("tasks:\n  a: {get: \"http://h/x#y\"}\n", "2:23: a fragment is never sent");
	refused("tasks:\n  a: {get: \"http://h/a b\"}\n",
		"2:23: a URL cannot have the character 0x20; write %20");
	refused("tasks:\n  a: {get: http://h/, hosts: [b]}\n", "2:19: h is not one of `hosts`");
	refused("tasks:\n  a: {get: http://h/, hosts: [\"a b\"]}\n", "2:31: \"a b\" is not a host");
	refused("tasks:\n  a: {get: [x]}\n", "2:12: `get` takes a URL");
}

static void requests_are_checked(void)
{
	refused("tasks:\n  a: {get: http://h/, headers: {Host: x}}\n",
		"2:33: leat sets the header Host itself; remove it");
	refused("tasks:\n  a: {get: http://h/, headers: {content-length: 1}}\n",
		"2:33: leat sets the header content-length itself");
	refused("tasks:\n  a: {get: http://h/, headers: {\"a b\": x}}\n",
		"2:33: \"a b\" cannot be the name of a header");
	refused("tasks:\n  a: {post: http://h/, json: {}, body: x}\n",
		"2:40: a request has one body");
	refused("tasks:\n  a: {post: http://h/, json: {}, form: {}}\n",
		"2:40: a request has one body");
	refused("tasks:\n  a: {get: http://h/, expect: [2xx, abc]}\n",
		"2:37: \"abc\" is not a status");
	refused("tasks:\n  a: {http: http://h/}\n", "2:6: the task needs the key \"method\"");
	refused("tasks:\n  a: {http: http://h/, method: \"A B\"}\n",
		"2:13: \"A B\" is not a method");
}

static void all_errors_are_told_in_one_run(void)
{
	begin();
	is_false(compile("tasks:\n  a: {wiat: 1s}\n  B: {wait: 1s}\n  c: {value: \"${d}\"}\n"
			 "  d: {value: \"${c}\"}\n  e: {wait: 1s, after: f}\n"));
	is_int(diag.n_errors, 4);
	end();
}

static bool is_modifier(const char *key)
{
	return setting_find(modifier_keys, str_of(key)) != NULL;
}

static void verbs_keys_and_modifiers_have_different_names(void)
{
	for (size_t i = 0; verbs[i]; i++) {
		const struct setting *row = verbs[i]->keys;

		is_false(is_modifier(verbs[i]->name));
		is_ptr(verb_find(str_of(verbs[i]->name)), verbs[i]);
		for (; row && row->key; row++) {
			is_false(is_modifier(row->key));
			/* the one word that is both: time to wait, and how long to wait for
			 * something */
			if (strcmp(row->key, "wait") != 0)
				is_null(verb_find(str_of(row->key)));
		}
	}
}

static void every_verb_names_its_main_result_among_its_fields(void)
{
	for (size_t i = 0; verbs[i]; i++) {
		bool found = !verbs[i]->main_field;

		for (size_t at = 0; verbs[i]->fields && verbs[i]->fields[at]; at++)
			found |= verbs[i]->main_field &&
				 strcmp(verbs[i]->fields[at], verbs[i]->main_field) == 0;
		is_true(found);
		is_true(verbs[i]->help[0]);
	}
}

int main(void)
{
	TEST(a_task_needs_exactly_one_verb);
	TEST(slips_in_keys_get_a_suggestion);
	TEST(a_key_of_another_verb_is_told_whose_it_is);
	TEST(names_are_checked);
	TEST(references_are_checked);
	TEST(a_cycle_is_shown_with_its_path);
	TEST(nothing_refers_to_a_detached_task);
	TEST(sizes_are_bounded);
	TEST(modifiers_are_checked);
	TEST(secrets_stay_where_they_cannot_be_seen);
	TEST(verbs_check_their_own_keys);
	TEST(urls_are_checked);
	TEST(requests_are_checked);
	TEST(all_errors_are_told_in_one_run);
	TEST(verbs_keys_and_modifiers_have_different_names);
	TEST(every_verb_names_its_main_result_among_its_fields);
	return tap_done();
}
