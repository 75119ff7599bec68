/* tests/conf/load.c: files, includes, merging, variables and secrets. */
#include "conf/load.h"
#include "conf/file.h"
#include "core/base/buf.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/leat-conf-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[4][600];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static void put_str(const char *name, struct str text)
{
	FILE *file = fopen(path_of(name), "w");

	check(file);
	fwrite(text.ptr, 1, text.len, file);
	fclose(file);
}

static void put(const char *name, const char *text)
{
	put_str(name, str_of(text));
}

struct loading {
	struct conf conf;
	struct diag diag;
	struct buf said;
	int error;
};

/* What was said, without the name of the folder. */
static struct str said(struct loading *l)
{
	struct buf raw;
	size_t len = strlen(folder) + 1;

	buf_init(&raw, SIZE_MAX);
	diag_write(&l->diag, &raw);
	buf_clear(&l->said);
	for (size_t i = 0; i < raw.len;) {
		bool is_folder = raw.len - i >= len && memcmp(raw.data + i, folder, len - 1) == 0 &&
				 raw.data[i + len - 1] == '/';

		if (!is_folder)
			buf_add_char(&l->said, raw.data[i]);
		i += is_folder ? len : 1;
	}
	buf_fini(&raw);
	return buf_str(&l->said);
}

static struct str said_first(struct loading *l)
{
	struct str all = said(l), line = STR("");

	if (all.len)
		str_next_part(&all, '\n', &line);
	return line;
}

static void load(struct loading *l, const char *name)
{
	*l = (struct loading){ .error = 0 };
	diag_init(&l->diag);
	buf_init(&l->said, SIZE_MAX);
	l->error = conf_load(&l->conf, path_of(name), &l->diag);
}

static void unload(struct loading *l)
{
	conf_fini(&l->conf);
	diag_fini(&l->diag);
	buf_fini(&l->said);
}

static void one_file_is_its_own_tree(void)
{
	struct loading l;

	put("one.yaml", "listen: 8080\nroutes:\n  GET /a: {reply: x}\n");
	load(&l, "one.yaml");
	is_int(l.error, 0);
	is_int(l.diag.n_entries, 0);
	is_int(l.conf.n_sources, 1);
	is_int(l.conf.root->n_entries, 2);
	is_int(node_find(l.conf.root, "listen")->integer, 8080);
	is_int(node_find(l.conf.root, "routes")->n_entries, 1);
	unload(&l);
}

static void includes_are_sorted_and_relative(void)
{
	const struct node *routes;
	struct loading l;

	mkdir(path_of("conf.d"), 0755);
	mkdir(path_of("conf.d/more"), 0755);
	put("main.yaml", "include: [conf.d/*.yaml, none.d/*.yaml, conf.d/*.none]\n"
			 "routes: {a: 1}\nlisten: [1]\nlog: {level: info}\njobs:\n");
	put("conf.d/20.yaml", "routes: {c: 3}\nlisten: 2\n");
	put("conf.d/10.yaml", "routes: {b: 2}\ninclude: more/x.yaml\njobs: {j: 1}\n");
	put("conf.d/more/x.yaml", "routes: {x: 9}\nlisten: [3, 4]\nhttp:\n");
	put("conf.d/.hidden.yaml", "[");
	load(&l, "main.yaml");
	is_int(l.error, 0);
	is_str(said(&l), STR(""));
	is_int(l.conf.n_sources, 4);
	routes = node_find(l.conf.root, "routes");
	is_int(routes->n_entries, 4);
	is_str(routes->entries[0].key, STR("a"));
	is_str(routes->entries[1].key, STR("b"));
	is_str(routes->entries[2].key, STR("x"));
	is_str(routes->entries[3].key, STR("c"));
	is_true(str_ends_with(str_of(routes->entries[2].key_place.source->name),
			      STR("conf.d/more/x.yaml")));
	is_int(node_find(l.conf.root, "listen")->n_entries, 4);
	is_int(node_find(l.conf.root, "listen")->entries[1].value->integer, 3);
	is_int(node_find(l.conf.root, "jobs")->n_entries, 1);
	is_int(node_find(l.conf.root, "http")->kind, NODE_NULL);
	is_null(node_find(l.conf.root, "include"));
	is_true(node_find(node_find(l.conf.root, "log"), "level") != NULL);
	unload(&l);
}

static void a_name_in_two_files_shows_both_places(void)
{
	struct loading l;

	put("dup.yaml",
	    "include: [dup2.yaml]\nroutes:\n  GET /a: x\nlog: {level: info}\nhttp: {}\n");
	put("dup2.yaml", "log: {format: json}\nroutes: {GET /a: y, GET /b: z}\nhttp: [x]\n");
	load(&l, "dup.yaml");
	is_int(l.error, 0);
	is_str(said(&l),
	       STR("dup2.yaml:1:1: error: \"log\" is already in dup.yaml:4:1, and may stand in one "
		   "file only; put all of it there\n"
		   "     1 | log: {format: json}\n"
		   "       | ^~~\n"
		   "dup2.yaml:2:10: error: \"GET /a\" of routes is already in dup.yaml:3:3; remove "
		   "or rename one\n"
		   "     2 | routes: {GET /a: y, GET /b: z}\n"
		   "       |          ^~~~~~\n"
		   "dup2.yaml:3:1: error: \"http\" is already in dup.yaml:5:1, and may stand in "
		   "one "
		   "file only; put all of it there\n"
		   "     3 | http: [x]\n"
		   "       | ^~~~\n"));
	is_int(node_find(l.conf.root, "routes")->n_entries, 2);
	unload(&l);
}

#define load_says(name, want) load_says_at(name, want, __FILE__, __LINE__)

static void load_says_at(const char *name, const char *want, const char *file, int line)
{
	struct loading l;

	load(&l, name);
	tap_is_int(l.error, -EINVAL, file, line, "conf_load()");
	tap_is_str(said_first(&l), str_of(want), file, line, "the message");
	unload(&l);
}

static void files_that_cannot_be_read_are_named(void)
{
	load_says("gone.yaml",
		  "gone.yaml: error: cannot read gone.yaml: No such file or directory; "
		  "check the name, or create it");
	put("inc.yaml", "a: 1\ninclude:\n- gone.yaml\n");
	load_says("inc.yaml", "inc.yaml:3:3: error: cannot read gone.yaml: No such file or "
			      "directory; check the name, or create it");
	mkdir(path_of("dir.yaml"), 0755);
	load_says("dir.yaml", "dir.yaml: error: cannot read dir.yaml: it is a directory; name a "
			      "file");
	check(mkfifo(path_of("fifo.yaml"), 0644) == 0);
	load_says("fifo.yaml",
		  "fifo.yaml: error: cannot read fifo.yaml: it is no regular file; name "
		  "one");
	put("zero.yaml", "include: /dev/zero");
	load_says("zero.yaml",
		  "zero.yaml:1:10: error: cannot read /dev/zero: it is no regular file; "
		  "name one");
	put("large.yaml", "");
	check(truncate(path_of("large.yaml"), (64 << 20) + 1) == 0);
	load_says("large.yaml",
		  "large.yaml: error: cannot read large.yaml: it is larger than 65536 "
		  "KiB; make it smaller");
	put("secret.yaml", "a: 1");
	chmod(path_of("secret.yaml"), 0);
	if (geteuid() != 0)
		load_says("secret.yaml", "secret.yaml: error: cannot read secret.yaml: Permission "
					 "denied; let the user that leat runs as read it");
	put("incbad.yaml", "include: {a: b}");
	load_says("incbad.yaml", "incbad.yaml:1:10: error: \"include\" is text or a list of texts, "
				 "and this is a map; if it is meant as text, put it in quotes: "
				 "'{a: b}'");
	put("text.yaml", "a:b\n");
	load_says("text.yaml", "text.yaml:1:1: error: the file is text, and should be a map; write "
			       "key: value, with a space behind the \":\"");
}

static void a_file_is_included_once(void)
{
	put("self.yaml", "include: self*.yaml\n");
	load_says("self.yaml", "self.yaml:1:10: error: self.yaml is the main file, which includes "
			       "this; put what is included into a folder of its own");
	put("c1.yaml", "include: c2.yaml\n");
	put("c2.yaml", "include: c1.yaml\n");
	load_says("c1.yaml", "c2.yaml:1:10: error: c1.yaml is the main file, which includes this; "
			     "put what is included into a folder of its own");
	put("d1.yaml", "include: [d2.yaml, ./d2.yaml]\n");
	put("d2.yaml", "");
	load_says("d1.yaml", "d1.yaml:1:20: error: ./d2.yaml is included already by d1.yaml:1:11; "
			     "include each file once");
	put("e1.yaml", "include: [d2.yaml, e2.yaml]\n");
	check(symlink("d2.yaml", path_of("e2.yaml")) == 0);
	load_says("e1.yaml", "e1.yaml:1:20: error: e2.yaml is included already by e1.yaml:1:11; "
			     "include each file once");
}

static void includes_go_sixteen_levels_deep(void)
{
	char name[32], text[64];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "level%d.yaml", i);
		snprintf(text, sizeof(text), "include: level%d.yaml\n", i + 1);
		put(name, i == 19 ? "" : text);
	}
	load_says("level0.yaml", "level16.yaml:1:10: error: cannot read level17.yaml: more than 16 "
				 "files include each other; include them from one file");
}

static void all_files_errors_come_in_one_run(void)
{
	struct loading l;

	put("m1.yaml", "include: [m2.yaml, gone.yaml, m3.yaml]\na: 1\na: 2\n");
	put("m2.yaml", "a: b: c\n");
	put("m3.yaml", "x: !y z\n");
	load(&l, "m1.yaml");
	is_int(l.error, -EINVAL);
	is_int(l.diag.n_errors, 4);
	unload(&l);
}

static void a_folder_with_glob_characters_is_no_pattern(void)
{
	struct loading l;

	mkdir(path_of("a[b]*"), 0755);
	put("a[b]*/main.yaml", "include: 'd*.yaml'\n");
	put("a[b]*/d1.yaml", "routes: {a: 1}\n");
	load(&l, "a[b]*/main.yaml");
	is_int(l.error, 0);
	is_int(l.conf.n_sources, 2);
	unload(&l);
}

static void paths_are_relative_to_the_file_that_names_them(void)
{
	struct conf conf = { 0 };
	const struct source deep = { "/etc/leat/conf.d/a.yaml", STR_INIT("") };
	const struct source flat = { "a.yaml", STR_INIT("") };
	const struct place at_deep = { &deep, 1, 1, 0 }, at_flat = { &flat, 1, 1, 0 };

	arena_init_required(&conf.arena);
	is_str(conf_path(&conf, at_deep, STR("x.pem")), STR("/etc/leat/conf.d/x.pem"));
	is_str(conf_path(&conf, at_deep, STR("/x.pem")), STR("/x.pem"));
	is_str(conf_path(&conf, at_deep, STR("../x")), STR("/etc/leat/conf.d/../x"));
	is_str(conf_path(&conf, at_flat, STR("x.pem")), STR("x.pem"));
	is_str(conf_path(&conf, (struct place){ 0 }, STR("x.pem")), STR("x.pem"));
	is_int(conf_path(&conf, at_flat, STR("x.pem")).ptr[5], 0);
	conf_fini(&conf);
}

static void secrets_come_from_the_credentials_then_from_the_folder(void)
{
	struct loading l;
	struct str text = STR_NONE;
	char *large = calloc(1, 65538);

	mkdir(path_of("creds"), 0755);
	mkdir(path_of("secrets"), 0755);
	mkdir(path_of("creds/folder"), 0755);
	put("creds/both", "from creds\n");
	put("secrets/both", "from dir\n");
	put("secrets/dir_only", "two lines\n\n");
	put("secrets/empty", "");
	put("secrets/.hidden", "x");
	put_str("secrets/binary", STR("hunter2\xff"));
	put_str("secrets/nul", STR("hunter2\0x"));
	memset(large, 'x', 65537);
	put("secrets/large", large);
	large[65536] = '\0';
	put("secrets/just", large);
	free(large);
	put("s.yaml", "secrets: {dir: secrets}\n");
	setenv("CREDENTIALS_DIRECTORY", path_of("creds"), 1);
	load(&l, "s.yaml");
	is_int(l.error, 0);
	is_true(str_ends_with(l.conf.secrets_dir, STR("/secrets")));
	is_true(conf_secret(&l.conf, STR("both"), &text));
	is_str(text, STR("from creds"));
	is_true(conf_secret(&l.conf, STR("dir_only"), &text));
	is_str(text, STR("two lines\n"));
	is_true(conf_secret(&l.conf, STR("empty"), &text));
	is_int(text.len, 0);
	is_true(conf_secret(&l.conf, STR("just"), &text));
	is_int(text.len, 65536);
	put("creds/both", "changed");
	is_true(conf_secret(&l.conf, STR("both"), &text));
	is_str(text, STR("from creds"));
	is_false(conf_secret(&l.conf, STR("gone"), &text));
	is_false(conf_secret(&l.conf, STR(".hidden"), &text));
	is_false(conf_secret(&l.conf, STR("../s.yaml"), &text));
	is_false(conf_secret(&l.conf, STR("/etc/passwd"), &text));
	is_false(conf_secret(&l.conf, STR(""), &text));
	is_false(conf_secret(&l.conf, STR("large"), &text));
	is_false(conf_secret(&l.conf, STR("folder"), &text));
	is_false(conf_secret(&l.conf, STR("binary"), &text));
	is_false(conf_secret(&l.conf, STR("nul"), &text));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("gone"));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("../s.yaml"));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("large"));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("folder"));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("binary"));
	is_str(said(&l),
	       STR("error: the secret gone does not exist; give it by LoadCredential= of the "
		   "service, or write the file secrets/gone\n"
		   "error: \"../s.yaml\" is no name of a secret; a name has no / and does not "
		   "begin "
		   "with a dot\n"
		   "error: the secret large cannot be read: secrets/large: it is larger than 64 "
		   "KiB; "
		   "make it smaller\n"
		   "error: the secret folder cannot be read: creds/folder: it is a directory; name "
		   "a "
		   "file\n"
		   "error: the secret binary cannot be read: it is not UTF-8 text; encode it, for "
		   "example by base64\n"));
	is_true(str_find(said(&l), STR("hunter2")) < 0);
	unload(&l);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_missing_one_is_a_warning_in_a_check(void)
{
	struct loading l;
	struct str text = STR_NONE;

	put("env.yaml", "a: 1\n");
	setenv("LEAT_TEST_VARIABLE", "some text", 1);
	setenv("LEAT_TEST_BINARY", "\xff", 1);
	load(&l, "env.yaml");
	is_true(conf_env(&l.conf, STR("LEAT_TEST_VARIABLE"), &text));
	is_str(text, STR("some text"));
	is_false(conf_env(&l.conf, STR("LEAT_TEST_VARIABL"), &text));
	is_false(conf_env(&l.conf, STR("LEAT_TEST_BINARY"), &text));
	is_false(conf_env(&l.conf, STR("A=B"), &text));
	is_false(conf_env(&l.conf, STR(""), &text));
	l.conf.checking = true;
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "env", STR("GONE"));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("gone"));
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "secret", STR("a/b"));
	l.conf.strict = true;
	conf_missing(&l.conf, &l.diag, (struct place){ 0 }, "env", STR("GONE"));
	is_str(said(&l),
	       STR("warning: the environment variable GONE is not set (or is not UTF-8); set it "
		   "where leat is started, or give a default: env.GONE ?? \"text\"\n"
		   "warning: the secret gone does not exist; give it by LoadCredential= of the "
		   "service, or name a folder of secrets by secrets: {dir: PATH}\n"
		   "error: \"a/b\" is no name of a secret; a name has no / and does not begin with "
		   "a "
		   "dot\n"
		   "error: the environment variable GONE is not set (or is not UTF-8); set it "
		   "where "
		   "leat is started, or give a default: env.GONE ?? \"text\"\n"));
	unload(&l);
}

static void the_section_of_secrets_is_checked(void)
{
	struct loading l;

	put("bad.yaml", "secrets: {folder: x, dir: [1]}\n");
	load(&l, "bad.yaml");
	is_int(l.diag.n_errors, 2);
	is_int(l.conf.secrets_dir.len, 0);
	unload(&l);
}

static void files_of_no_told_size_are_read(void)
{
	struct arena arena;
	struct file file;

	arena_init_required(&arena);
	is_int(file_read("/proc/self/status", 1 << 20, &arena, &file), 0);
	is_true(file.text.len > 100 && file.text.ptr[file.text.len] == '\0');
	is_int(file_read("/proc/self/status", 10, &arena, &file), -EFBIG);
	arena_fini(&arena);
}

int main(void)
{
	char command[64];

	check(mkdtemp(folder));
	TEST(one_file_is_its_own_tree);
	TEST(includes_are_sorted_and_relative);
	TEST(a_name_in_two_files_shows_both_places);
	TEST(files_that_cannot_be_read_are_named);
	TEST(a_file_is_included_once);
	TEST(includes_go_sixteen_levels_deep);
	TEST(all_files_errors_come_in_one_run);
	TEST(a_folder_with_glob_characters_is_no_pattern);
	TEST(paths_are_relative_to_the_file_that_names_them);
	TEST(secrets_come_from_the_credentials_then_from_the_folder);
	TEST(a_missing_one_is_a_warning_in_a_check);
	TEST(the_section_of_secrets_is_checked);
	TEST(files_of_no_told_size_are_read);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return tap_done() | (system(command) != 0);
}
