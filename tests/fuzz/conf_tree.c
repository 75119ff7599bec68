/* tests/fuzz/conf_tree.c: any bytes are a tree or an error, within bounds. */
#include "conf/scan.h"
#include "conf/settings.h"
#include "core/base/buf.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
	bool flag;
	int64_t number;
	uint64_t duration, bytes;
	int choice;
	struct str text;
	struct setting_texts texts;
	const struct node *node;
};

static const char *const choices[] = { "skip", "queue", NULL };

static const struct setting table[] = {
	{ .key = "a", .type = SETTING_BOOL, .offset = offsetof(struct target, flag) },
	{ .key = "b", .type = SETTING_INT, .offset = offsetof(struct target, number), .max = 9 },
	{ .key = "c", .type = SETTING_DURATION, .offset = offsetof(struct target, duration) },
	{ .key = "d", .type = SETTING_SIZE, .offset = offsetof(struct target, bytes), .min = 2 },
	{ .key = "e",
	  .type = SETTING_CHOICE,
	  .offset = offsetof(struct target, choice),
	  .choices = choices },
	{ .key = "f", .type = SETTING_TEXT, .offset = offsetof(struct target, text) },
	{ .key = "g", .type = SETTING_TEXTS, .offset = offsetof(struct target, texts) },
	{ .key = "h", .type = SETTING_TEMPLATE, .offset = offsetof(struct target, node) },
	SETTINGS_END,
};

/* What is promised of each node; the tree has at most CONF_DEPTH_MAX levels. */
static void walk(const struct node *node, unsigned level, unsigned *budget)
{
	check(level <= CONF_DEPTH_MAX && node->place.line >= 1 && node->place.col >= 1);
	check(scan_offset(node->place) + node->place.len <= node->place.source->text.len);
	if (node_is_scalar(node)) {
		check(node->text.ptr[node->text.len] == '\0' && str_is_utf8(node->text));
		return;
	}
	for (size_t i = 0; i<node->n_entries && * budget> 0; i++) {
		--*budget;
		check(node->kind == NODE_LIST || node->entries[i].key.ptr);
		walk(node->entries[i].value, level + 1, budget);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct source source = { "fuzz.yaml", { (const char *)data, size } };
	struct target target = { 0 };
	const struct settings_part part = { table, &target };
	unsigned budget = 20000;
	struct arena arena;
	struct diag diag;
	struct buf out;
	struct node *root;

	arena_init_required(&arena);
	diag_init(&diag);
	buf_init(&out, SIZE_MAX);
	root = tree_read(&source, &arena, &diag);
	check(root || diag.n_errors > 0);
	if (root) {
		walk(root, 0, &budget);
		settings_read(&part, 1, root, "a thing", &arena, &diag);
	}
	diag_sort(&diag);
	diag_write(&diag, &out);
	buf_fini(&out);
	diag_fini(&diag);
	arena_fini(&arena);
	return 0;
}
