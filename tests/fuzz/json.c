/* tests/fuzz/json.c: the check and the reader agree, and what is written reads back as the same. */
#include "server/expr/json.h"
#include "core/base/check.h"
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(struct value value, struct arena *arena)
{
	struct value again, copy;
	struct buf out;
	bool equal = false;

	buf_init_arena(&out, arena);
	value_write_json(value, &out);
	check(out.error == 0 && json_check(buf_str(&out), NULL));
	check(json_read(buf_str(&out), arena, &again, NULL) == 0);
	check(value_equal(value, again, arena, &equal) == 0 && equal);
	check(value_copy(&copy, again, arena) == 0);
	check(value_equal(value, copy, arena, &equal) == 0 && equal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct json_error checked = { 0 }, read = { 0 };
	struct arena arena, small;
	struct value value;
	struct buf out;
	bool ok = json_check(text, &checked);
	int r;

	arena_init(&arena, 64 << 20);
	r = json_read(text, &arena, &value, &read);
	check(ok == (r == 0));
	check(ok || (read.offset == checked.offset && read.what == checked.what));
	check(ok || checked.offset <= size);
	if (ok)
		read_back(value, &arena);
	buf_init_arena(&out, &arena);
	json_write_text(text, &out);
	check(json_check(buf_str(&out), NULL));
	arena_init(&small, size);
	r = json_read(text, &small, &value, NULL);
	check(r == -ENOMEM || (r == 0) == ok);
	arena_fini(&small);
	arena_fini(&arena);
	return 0;
}
