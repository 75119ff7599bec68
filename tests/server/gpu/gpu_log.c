/* tests/server/gpu/gpu_log.c: what compilers of kernels say. */
#include "server/gpu/gpu_log.h"
#include "tests/lib/tap.h"

static const struct source source = { "a.cl", STR_INIT("kernel void a()\n{\n\tint z = b;\n}\n") };
static struct diag diag;

static size_t read_log(const char *log)
{
	diag_fini(&diag);
	diag_init(&diag);
	return gpu_log_read(str_of(log), &source, &diag);
}

static void the_forms_of_all_drivers_have_a_place(void)
{
	static const char *const logs[] = {
		"error: /home/x/kcache/tempfile_LHdP1w.cl:3:10: use of undeclared identifier 'b'\n",
		"<kernel>:3:10: error: use of undeclared identifier 'b'\n  int z = b;\n          "
		"^\n",
		"1:3:10: error: use of undeclared identifier 'b'",
		"/tmp/comgr-1/input/CompileSource:3:10: fatal error: use of undeclared identifier "
		"'b'\n",
	};

	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		is_int(read_log(logs[i]), 1);
		is_int(diag.n_entries, 1);
		is_int(diag.entries[0].line, 3);
		is_int(diag.entries[0].col, 10);
		is_text(diag.entries[0].file, "a.cl");
		is_text(diag.entries[0].message, "use of undeclared identifier 'b'");
	}
}

static void warnings_are_warnings_and_notes_are_not_told(void)
{
	is_int(read_log("x.cl:3:6: warning: unused variable 'z'\nx.cl:1:1: note: declared here\n"
			"1 warning generated.\n"),
	       0);
	is_int(diag.n_warnings, 1);
	is_int(diag.n_errors, 0);
	is_int(diag.n_entries, 1);
}

static void what_is_no_message_is_left(void)
{
	is_int(read_log(""), 0);
	is_int(read_log("Device pthread failed to build the program\n::::\n:1:\nerror:\nerror: \n"),
	       0);
	is_int(read_log("error: no place at all\n"), 0);
	is_int(diag.n_entries, 0);
}

static void a_line_that_is_not_in_the_file_is_told_of_its_first(void)
{
	is_int(read_log("x:99:7: error: too far\nx:0:0: error: zero\nx:3:9999: error: wide\n"
			"x:99999999999:1: error: no number\n"),
	       3);
	is_int(diag.entries[0].line, 1);
	is_int(diag.entries[0].col, 1);
	is_int(diag.entries[2].line, 3);
	is_int(diag.entries[2].col, 12);
}

static void a_log_without_end_gives_so_many_messages(void)
{
	char log[4096] = "";

	for (int i = 0; i < 100; i++)
		strcat(log, "x:1:1: error: again\n");
	is_int(read_log(log), 50);
}

int main(void)
{
	diag_init(&diag);
	TEST(the_forms_of_all_drivers_have_a_place);
	TEST(warnings_are_warnings_and_notes_are_not_told);
	TEST(what_is_no_message_is_left);
	TEST(a_line_that_is_not_in_the_file_is_told_of_its_first);
	TEST(a_log_without_end_gives_so_many_messages);
	diag_fini(&diag);
	return tap_done();
}
