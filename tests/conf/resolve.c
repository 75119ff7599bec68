/* tests/conf/resolve.c: ${env.X} in settings. */
#include "conf/load.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

/* The tree of a text, resolved; kept until the next. */
static struct node *resolved(const char *text, bool strict, size_t *ret_errors)
{
	static struct conf conf;
	static struct source source;
	struct diag diag;
	struct node *root;

	arena_fini(&conf.arena);
	conf = (struct conf){ .strict = strict };
	arena_init_required(&conf.arena);
	map_init(&conf.secrets);
	source = (struct source){ "t.yaml", str_of(text) };
	diag_init(&diag);
	root = tree_read(&source, &conf.arena, &diag);
	conf_resolve(&conf, root, &diag);
	*ret_errors = diag.n_errors;
	diag_fini(&diag);
	return root;
}

static void texts_are_put_in_wherever_they_stand(void)
{
	size_t n_errors;
	struct node *root;

	setenv("LEAT_TEST_HOST", "example.test", 1);
	root = resolved(
		"a: \"http://${env.LEAT_TEST_HOST}:80/\"\nb: [\"${ env.LEAT_TEST_HOST }\"]\n", true,
		&n_errors);
	is_int(n_errors, 0);
	is_str(node_find(root, "a")->text, STR("http://example.test:80/"));
	is_str(node_find(root, "b")->entries[0].value->text, STR("example.test"));
}

static void a_whole_reference_has_the_type_of_its_value(void)
{
	size_t n_errors;
	struct node *root;

	setenv("LEAT_TEST_NUMBER", "12", 1);
	root = resolved("n: \"${env.LEAT_TEST_NUMBER}\"\n", true, &n_errors);
	is_int(node_find(root, "n")->kind, NODE_INT);
	is_int(node_find(root, "n")->integer, 12);
}

static void what_does_not_exist_is_an_error_and_other_references_stay(void)
{
	size_t n_errors;
	struct node *root;

	unsetenv("LEAT_TEST_NONE");
	resolved("a: \"${env.LEAT_TEST_NONE}\"\n", true, &n_errors);
	is_int(n_errors, 1);
	root = resolved("a: \"${path.x} ${env.} ${env.a b} $\"\n", true, &n_errors);
	is_int(n_errors, 0);
	is_str(node_find(root, "a")->text, STR("${path.x} ${env.} ${env.a b} $"));
}

int main(void)
{
	TEST(texts_are_put_in_wherever_they_stand);
	TEST(a_whole_reference_has_the_type_of_its_value);
	TEST(what_does_not_exist_is_an_error_and_other_references_stay);
	return tap_done();
}
