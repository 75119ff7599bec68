/* hello.c: the smallest module: one function, which greets whom it is given. See hello.yaml. */
#include <leat.h>
#include <stdio.h>

static void greet(struct leat_call *call)
{
	const struct leat_value *input = leat->input(call);
	struct leat_text name = leat->text(leat->member(input, "name"));
	char text[200];
	int len;

	if (name.len == 0 || name.len > 100) {
		leat->fail(call, "invalid_input", 0, "a name has 1 to 100 bytes");
		return;
	}
	len = snprintf(text, sizeof(text), "Hello, %.*s!", (int)name.len, name.ptr);
	leat->json_text(leat->result(call), text, (size_t)len);
}

static const struct leat_function functions[] = {
	{ "greet", "A greeting for the `name` of its input.", greet, LEAT_IDEMPOTENT },
	LEAT_END,
};

LEAT_MODULE("hello", functions, NULL, NULL, NULL);
