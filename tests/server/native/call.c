/* tests/server/native/call.c: what a module must not do with its call ends the daemon with a line
 * that names the module, the function, and what was wrong. */
#include "server/native/call.h"
#include "tests/server/native/dying.h"

static struct library *library;

static void begin(void)
{
	struct diag diag;

	diag_init(&diag);
	library = library_open(module_path("misuse"), (struct place){ 0 }, NULL, 0, &diag);
	diag_print(&diag, stdout);
	check(library);
	diag_fini(&diag);
}

static void end(void)
{
	library_unref(library);
}

static struct leat_call *make(const char *function)
{
	const struct leat_function *row = library_function(library, str_of(function));
	struct native_target target = { .library = library };

	check(row);
	target.name = row->name;
	target.fn = row->run;
	return call_create(&target, 1 << 20, NULL);
}

static void run(void *function)
{
	call_run(make(function));
}

static bool dies(const char *function, const char *words)
{
	return aborts_saying(run, (void *)(uintptr_t)function, words);
}

static void a_result_is_set_once(void)
{
	begin();
	is_true(dies("two_results",
		     "a result is set once: this would be a second value behind the first"));
	is_true(dies("two_results", "in leat->json_int(): module=misuse call=two_results"));
	is_true(dies("bytes_and_json", "a result is set once: result_bytes() has set it"));
	is_true(dies("bytes_and_json", "in leat->json_int(): module=misuse call=bytes_and_json"));
	end();
}

static void a_writer_writes_json_and_nothing_else(void)
{
	begin();
	is_true(dies("half_a_result", "the result is whole when the call ends"));
	is_true(dies("value_without_key", "a value in an object has a key before it"));
	is_true(dies("key_in_a_list", "a key stands in an object, and has a value behind it"));
	is_true(dies("end_of_nothing", "a list or an object is open"));
	is_true(dies("use_json_twice", "the writer has not been used up"));
	end();
}

static void a_failure_has_a_code_and_the_status_of_a_failure(void)
{
	begin();
	is_true(dies("bad_status", "the status of a failure is from 400 to 599, or 0"));
	is_true(dies("bad_code", "a code has lower-case letters, digits and _"));
	end();
}

static void a_call_is_used_on_its_thread(void)
{
	begin();
	is_true(dies("other_thread",
		     "a call of the compute pool is used on the thread that runs it"));
	is_true(dies("other_thread", "in leat->result(): module=misuse call=other_thread"));
	is_true(dies("null_call", "the call is there"));
	end();
}

static void run_and_use_kept(void *arg)
{
	(void)arg;
	struct leat_call *call = make("keep");

	call_run(call);
	call_destroy(call);
	call_run(make("use_kept"));
}

static void a_call_is_not_used_after_its_end(void)
{
	begin();
	is_true(aborts_saying(run_and_use_kept, NULL, "the call has not ended"));
	is_true(aborts_saying(run_and_use_kept, NULL, "in leat->input(): module=misuse call=keep"));
	end();
}

static void a_key_is_one_of_its_table(void)
{
	begin();
	is_true(dies("unknown_key", "the name is in the verb's table of keys"));
	end();
}

int main(void)
{
	TEST(a_result_is_set_once);
	TEST(a_writer_writes_json_and_nothing_else);
	TEST(a_failure_has_a_code_and_the_status_of_a_failure);
	TEST(a_call_is_used_on_its_thread);
	TEST(a_call_is_not_used_after_its_end);
	TEST(a_key_is_one_of_its_table);
	return tap_done();
}
