/* tests/server/one_file.h: a generation, from a file in a folder of its own, for what needs a real one. */
#pragma once
#include "core/base/check.h"
#include "core/base/memory.h"
#include "server/generation.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct one_file {
	char folder[64], path[96];
	struct generation *generation;
};

/* `text` stands behind a line that says where it listens; references are counted for n_loops. */
static inline void one_file_load(struct one_file *one, const char *text, size_t n_loops)
{
	struct diag diag;
	FILE *file;

	snprintf(one->folder, sizeof(one->folder), "/tmp/leat-test-XXXXXX");
	check(mkdtemp(one->folder));
	snprintf(one->path, sizeof(one->path), "%s/leat.yaml", one->folder);
	file = fopen(one->path, "we");
	check(file);
	fprintf(file, "listen: unix:%s/socket\n%s", one->folder, text);
	fclose(file);
	diag_init(&diag);
	one->generation = generation_load(one->path, NULL, false, false, &diag);
	diag_print(&diag, stderr);
	check(one->generation);
	diag_fini(&diag);
	one->generation->listens[0].number = 1;
	one->generation->n_refs = mem_zalloc((n_loops + 1) * sizeof(size_t));
}

static inline void one_file_forget(struct one_file *one)
{
	generation_destroy(one->generation);
	unlink(one->path);
	rmdir(one->folder);
}
