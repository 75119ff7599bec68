/* tests/conf/settings.c */
#include "conf/settings.h"
#include "tests/conf/reading.h"

struct route {
	bool enabled;
	int64_t status, threads, offset;
	uint64_t timeout_ms, wait_ms, max_bytes;
	int overlap;
	struct str name, empty;
	struct setting_texts hosts;
	const struct node *text, *when, *value, *tasks, *list, *any;
};

static const char *const overlaps[] = { "skip", "queue", "parallel", NULL };

#define AT(member) offsetof(struct route, member)

static const struct setting table[] = {
	{ "enabled", SETTING_BOOL, AT(enabled), "true", "Whether.", 0, 0, NULL, false, NULL },
	{ .key = "status", .type = SETTING_INT, .offset = AT(status), .min = 100, .max = 599 },
	{ .key = "threads", .type = SETTING_INT, .offset = AT(threads), .min = 1 },
	{ .key = "offset", .type = SETTING_INT, .offset = AT(offset), .value_default = "-5" },
	{ .key = "timeout",
	  .type = SETTING_DURATION,
	  .offset = AT(timeout_ms),
	  .value_default = "30s",
	  .min = 1,
	  .max = 3600000 },
	{ .key = "wait", .type = SETTING_DURATION, .offset = AT(wait_ms) },
	{ .key = "max",
	  .type = SETTING_SIZE,
	  .offset = AT(max_bytes),
	  .value_default = "64k",
	  .min = 1024,
	  .max = 1 << 20 },
	{ .key = "overlap",
	  .type = SETTING_CHOICE,
	  .offset = AT(overlap),
	  .value_default = "queue",
	  .choices = overlaps },
	{ .key = "name", .type = SETTING_TEXT, .offset = AT(name), .value_default = "\"a: b\"" },
	{ .key = "empty", .type = SETTING_TEXT, .offset = AT(empty), .value_default = "" },
	{ .key = "hosts",
	  .type = SETTING_TEXTS,
	  .offset = AT(hosts),
	  .value_default = "[one, two]" },
	SETTINGS_END,
};

static const struct setting more[] = {
	{ .key = "text", .type = SETTING_TEMPLATE, .offset = AT(text) },
	{ .key = "when", .type = SETTING_CONDITION, .offset = AT(when) },
	{ .key = "value", .type = SETTING_VALUE, .offset = AT(value) },
	{ .key = "tasks", .type = SETTING_MAP, .offset = AT(tasks) },
	{ .key = "list", .type = SETTING_LIST, .offset = AT(list) },
	{ .key = "any", .type = SETTING_NODE, .offset = AT(any) },
	SETTINGS_END,
};

static const struct setting needy[] = {
	{ .key = "url",
	  .type = SETTING_TEXT,
	  .offset = AT(name),
	  .help = "Where it is.",
	  .required = true },
	{ .key = "tasks", .type = SETTING_MAP, .offset = AT(tasks), .required = true },
	SETTINGS_END,
};

static size_t read_route(struct reading *r, const char *text, struct route *route)
{
	const struct settings_part parts[] = { { table, route }, { more, route } };

	*route = (struct route){ 0 };
	reading_start(r, text);
	return settings_read(parts, 2, r->root, "a route", &r->arena, &r->diag);
}

/* The first line of what is said about a route. */
#define route_says(text, want) route_says_at(text, want, __FILE__, __LINE__)

static void route_says_at(const char *text, const char *want, const char *file, int line)
{
	struct reading r;
	struct route route;
	struct str said, first;
	size_t n_errors = read_route(&r, text, &route);

	said = reading_said(&r);
	first = said.len ? said : STR("");
	if (said.len)
		str_next_part(&said, '\n', &first);
	tap_is_str(first, str_of(want), file, line, "the message");
	tap_is_int((int64_t)n_errors, *want != 0, file, line, "errors");
	reading_end(&r);
}

static void defaults_are_as_written_in_the_table(void)
{
	struct reading r;
	struct route route;

	is_int(read_route(&r, "", &route), 0);
	is_true(route.enabled);
	is_int(route.status, 0);
	is_int(route.offset, -5);
	is_int(route.timeout_ms, 30000);
	is_int(route.max_bytes, 65536);
	is_int(route.overlap, 1);
	is_str(route.name, STR("a: b"));
	is_str(route.empty, STR(""));
	is_int(route.hosts.n_texts, 2);
	is_str(route.hosts.texts[1], STR("two"));
	is_null(route.tasks);
	reading_end(&r);
}

static void values_are_read_by_their_types(void)
{
	struct reading r;
	struct route route;

	is_int(read_route(&r,
			  "enabled: false\nstatus: 201\nthreads: 64\noffset: -1\ntimeout: 1m30s\n"
			  "wait: 0\nmax: 2048\noverlap: parallel\nname: 404\nempty: '${env.X}'\n"
			  "hosts: a\ntext: x ${y}\nwhen: true\nvalue: {a: [1]}\ntasks: {t: 1}\n"
			  "list: [1]\nany: ~\n",
			  &route),
	       0);
	is_false(route.enabled);
	is_int(route.status, 201);
	is_int(route.threads, 64);
	is_int(route.offset, -1);
	is_int(route.timeout_ms, 90000);
	is_int(route.wait_ms, 0);
	is_int(route.max_bytes, 2048);
	is_int(route.overlap, 2);
	is_str(route.name, STR("404"));
	is_str(route.empty, STR("${env.X}"));
	is_int(route.hosts.n_texts, 1);
	is_str(route.hosts.texts[0], STR("a"));
	is_ptr(route.hosts.nodes[0], reading_at(&r, "hosts"));
	is_ptr(route.text, reading_at(&r, "text"));
	is_ptr(route.when, reading_at(&r, "when"));
	is_ptr(route.value, reading_at(&r, "value"));
	is_ptr(route.tasks, reading_at(&r, "tasks"));
	is_ptr(route.list, reading_at(&r, "list"));
	is_ptr(route.any, reading_at(&r, "any"));
	reading_end(&r);
}

static void unknown_keys_get_a_suggestion(void)
{
	route_says("tsaks: {}", "a.yaml:1:1: error: unknown key \"tsaks\" in a route; did you mean "
				"\"tasks\"?");
	route_says("time_out: 5s",
		   "a.yaml:1:1: error: unknown key \"time_out\" in a route; did you "
		   "mean \"timeout\"?");
	route_says("banana: 1", "a.yaml:1:1: error: unknown key \"banana\" in a route; remove it");
	route_says("{max:5}", "a.yaml:1:2: error: unknown key \"max:5\" in a route; write a space "
			      "behind the \":\"");
}

static void a_short_table_names_its_keys(void)
{
	struct reading r;
	struct route route = { 0 };
	const struct settings_part part = { needy, &route };

	reading_start(&r, "url: x\ntasks: {}\nbanana: 1");
	is_int(settings_read(&part, 1, r.root, "an upstream", &r.arena, &r.diag), 1);
	is_text(r.diag.entries[0].message,
		"unknown key \"banana\" in an upstream; it takes url, tasks");
	reading_end(&r);
}

static void required_keys_are_named_when_missing(void)
{
	struct reading r;
	struct route route = { 0 };
	const struct settings_part part = { needy, &route };

	reading_start(&r, "x: {tasks: }");
	is_int(settings_read(&part, 1, reading_at(&r, "x"), "an upstream", &r.arena, &r.diag), 2);
	is_text(r.diag.entries[0].message,
		"\"tasks\" has no value; write for example tasks: {name: value}");
	is_text(r.diag.entries[1].message, "an upstream needs the key \"url\"; Where it is.");
	is_int(r.diag.entries[1].col, 4);
	is_int(settings_read(&part, 1, NULL, "an upstream", &r.arena, &r.diag), 2);
	reading_end(&r);
}

static void types_are_told_with_an_example(void)
{
	route_says("enabled: 5", "a.yaml:1:10: error: \"enabled\" is true or false, not the number "
				 "5; write for example enabled: true");
	route_says("enabled: yes", "a.yaml:1:10: error: \"enabled\" is true or false, not \"yes\"; "
				   "write true, without quotes");
	route_says("enabled: 'false'", "a.yaml:1:10: error: \"enabled\" is true or false, not "
				       "\"false\"; write false, without quotes");
	route_says("status: ok", "a.yaml:1:9: error: \"status\" is a whole number, not the text "
				 "\"ok\"; write for example status: 10");
	route_says("status: 1.5", "a.yaml:1:9: error: \"status\" is a whole number, not the number "
				  "1.5; write for example status: 10");
	route_says("status: '200'", "a.yaml:1:9: error: \"status\" is a whole number, and this is "
				    "text; write 200, without quotes and leading zeros");
	route_says("status: 0200", "a.yaml:1:9: error: \"status\" is a whole number, and this is "
				   "text; write 200, without quotes and leading zeros");
	route_says("status: [200]", "a.yaml:1:9: error: \"status\" is a whole number, not a list; "
				    "write for example status: 10");
	route_says("name: true", "a.yaml:1:7: error: \"name\" is text, and this is true or false; "
				 "put it in quotes: \"true\"");
	route_says("when: [a]",
		   "a.yaml:1:7: error: \"when\" is a condition, and this is a list; if "
		   "it is meant as text, put it in quotes: '[a]'");
	route_says("tasks: [a]", "a.yaml:1:8: error: \"tasks\" is a map, not a list; write for "
				 "example tasks: {name: value}");
	route_says("list: a",
		   "a.yaml:1:7: error: \"list\" is a list, not the text \"a\"; write for "
		   "example list: [one, two]");
	route_says("hosts: [a, {b: c}]",
		   "a.yaml:1:12: error: \"hosts\" is text or a list of texts, "
		   "and this is a map; if it is meant as text, put it in "
		   "quotes: '{b: c}'");
	route_says("[a]", "a.yaml:1:1: error: a route is a map of keys, not a list; write key: "
			  "value");
}

static void a_map_where_text_should_be_is_to_be_quoted(void)
{
	route_says("text: {a: .b}", "a.yaml:1:7: error: \"text\" is text, and this is a map; if it "
				    "is meant as text, put it in quotes: '{a: .b}'");
	route_says("name: [a, 1]",
		   "a.yaml:1:7: error: \"name\" is text, and this is a list; if it is "
		   "meant as text, put it in quotes: '[a, 1]'");
	route_says("text:\n  a: b", "a.yaml:2:3: error: \"text\" is text, not a map; write for "
				    "example text: \"some text\"");
}

static void durations_and_sizes_need_units_and_ranges(void)
{
	route_says("timeout: 5",
		   "a.yaml:1:10: error: a bare number is not a duration; write 5s for "
		   "seconds, or 5ms for milliseconds");
	route_says("timeout: soon", "a.yaml:1:10: error: \"soon\" is not a duration; write 200ms, "
				    "5s, 10m, 3h, 2d or 1m30s");
	route_says("timeout: 2h",
		   "a.yaml:1:10: error: \"timeout\" is from 1ms to 1h, not 2h; write "
		   "a value in that range");
	route_says("wait: 20000d",
		   "a.yaml:1:7: error: \"wait\" is at most 10000d, not 20000d; write "
		   "a smaller value");
	route_says("max: 1t", "a.yaml:1:6: error: \"1t\" is not a size; write 512, 64k, 8m or 1g");
	route_says("max: 2m",
		   "a.yaml:1:6: error: \"max\" is from 1k to 1m, not 2m; write a value in "
		   "that range");
	route_says("max: 99999999999g", "a.yaml:1:6: error: \"max\" is at most 8589934591g, not "
					"99999999999g; write a smaller value");
}

static void numbers_are_kept_in_their_range(void)
{
	route_says("status: 99",
		   "a.yaml:1:9: error: \"status\" is from 100 to 599, not 99; write a "
		   "value in that range");
	route_says("status: 600",
		   "a.yaml:1:9: error: \"status\" is from 100 to 599, not 600; write "
		   "a value in that range");
	route_says("threads: 0", "a.yaml:1:10: error: \"threads\" is at least 1, not 0; write a "
				 "larger value");
	route_says("offset: 99999999999999999999",
		   "a.yaml:1:9: error: \"offset\" is at most 9223372036854775807, not "
		   "99999999999999999999; write a smaller value");
	route_says("offset: -99999999999999999999",
		   "a.yaml:1:9: error: \"offset\" is at least -9223372036854775808, not "
		   "-99999999999999999999; write a larger value");
}

static void choices_are_listed(void)
{
	route_says("overlap: sometimes",
		   "a.yaml:1:10: error: \"overlap\" is skip, queue or parallel, not the text "
		   "\"sometimes\"; write one of these");
	route_says("overlap: 5", "a.yaml:1:10: error: \"overlap\" is skip, queue or parallel, not "
				 "the number 5; write one of these");
	route_says("overlap: paralel",
		   "a.yaml:1:10: error: \"overlap\" is skip, queue or parallel, "
		   "not the text \"paralel\"; did you mean \"parallel\"?");
}

static void null_is_no_value(void)
{
	route_says("timeout:",
		   "a.yaml:1:9: error: \"timeout\" has no value; write for example timeout: 30s");
	route_says("text: ~", "a.yaml:1:7: error: \"text\" has no value; write for example text: "
			      "\"some text\"");
	route_says("hosts:", "a.yaml:1:7: error: \"hosts\" has no value; write for example hosts: "
			     "[one, two]");
	route_says("tasks:\nlist: ~\nvalue: ~\n", "");
}

static void constants_take_no_dollar_braces(void)
{
	route_says("timeout: ${query.t}",
		   "a.yaml:1:10: error: \"timeout\" takes no ${}: it is read "
		   "once, when the file is; write for example timeout: 30s");
}

static void a_wrong_value_leaves_the_default_and_all_are_told(void)
{
	struct reading r;
	struct route route;

	is_int(read_route(&r, "timeout: 5\nmax: x\nhosts: [{}]\noverlap: 1\nstatus: 200\nfoo: 1\n",
			  &route),
	       5);
	is_int(route.timeout_ms, 30000);
	is_int(route.max_bytes, 65536);
	is_int(route.hosts.n_texts, 2);
	is_int(route.overlap, 1);
	is_int(route.status, 200);
	reading_end(&r);
}

static void rows_are_found_by_their_whole_key(void)
{
	is_ptr(setting_find(table, STR("max")), &table[6]);
	is_null(setting_find(table, STR("ma")));
	is_null(setting_find(table, STR("maxi")));
	is_null(setting_find(table, STR("")));
}

int main(void)
{
	TEST(defaults_are_as_written_in_the_table);
	TEST(values_are_read_by_their_types);
	TEST(unknown_keys_get_a_suggestion);
	TEST(a_short_table_names_its_keys);
	TEST(required_keys_are_named_when_missing);
	TEST(types_are_told_with_an_example);
	TEST(a_map_where_text_should_be_is_to_be_quoted);
	TEST(durations_and_sizes_need_units_and_ranges);
	TEST(numbers_are_kept_in_their_range);
	TEST(choices_are_listed);
	TEST(null_is_no_value);
	TEST(constants_take_no_dollar_braces);
	TEST(a_wrong_value_leaves_the_default_and_all_are_told);
	TEST(rows_are_found_by_their_whole_key);
	return tap_done();
}
