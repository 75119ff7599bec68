/* tests/fuzz/replay/main.c: a fuzzer's corpus as an ordinary test.
 *
 * Linked to tests/fuzz/NAME.c it feeds every file of tests/fuzz/corpus/NAME, and the empty input;
 * a crash or a failed check ends it without a plan, which prove reports. Run from the root. */
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <dirent.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In memory of its exact size, so that a read past the end is seen. */
static void replay_file(const char *folder, const char *name)
{
	scoped(mem_free_ptr) char *path = mem_printf("%s/%s", folder, name);
	FILE *file = fopen(path, "re");
	uint8_t *data;
	long size;

	if (!tap_ok(file != NULL, __FILE__, __LINE__, "%s opens", path))
		return;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	check(size >= 0);
	data = size ? mem_alloc((size_t)size) : NULL;
	check(size == 0 || fread(data, (size_t)size, 1, file) == 1);
	fclose(file);
	is_int(LLVMFuzzerTestOneInput(data, (size_t)size), 0);
	free(data);
}

int main(int argc, char **argv)
{
	scoped(mem_free_ptr) char *folder =
		mem_printf("tests/fuzz/corpus/%s",
			   strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0]);
	DIR *dir = opendir(folder);

	(void)argc;
	is_int(LLVMFuzzerTestOneInput((const uint8_t *)"", 0), 0);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (replay_is_file(entry))
			replay_file(folder, entry->d_name);
	is_true(dir != NULL);
	if (dir)
		closedir(dir);
	return tap_done();
}
