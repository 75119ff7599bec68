/* conf/load.c: the main file, what it includes, and their sum. Secrets are in conf/secret.c. */
#include "conf/load.h"
#include "conf/file.h"
#include "conf/merge.h"
#include "conf/reader.h"
#include "conf/settings.h"
#include "core/base/buf.h"
#include "core/base/memory.h"
#include <errno.h>
#include <glob.h>
#include <stdlib.h>

enum {
	INCLUDES_MAX = 16, /* files that include each other */
	FILES_MAX = 10000,
	TOTAL_MAX = 256 << 20, /* bytes of all files */
};

/* A file that was read, by what the file system knows it. */
struct loaded {
	dev_t dev;
	ino_t ino;
	const struct source *source;
	struct place named_at;
};

struct loader {
	struct conf *conf;
	struct diag *diag;
	struct merge merge;
	struct loaded *files;
	size_t n_files, cap_files;
	size_t n_bytes;
	size_t budget; /* nodes that are left */
	bool broken;   /* a file gave no tree: what is missing is not wrong */
};

static const struct setting include_setting = { .key = "include", .type = SETTING_TEXTS };

static void loader_include(struct loader *loader, const struct node *root, unsigned level);

/* ------------------------------------------------------------------ one file */

/* The main file is named on the command line: then its own name is the place. */
static struct place loader_place(struct conf *conf, struct place named_at, struct str path)
{
	struct source *source;

	if (named_at.source)
		return named_at;
	source = arena_alloc(&conf->arena, sizeof(*source));
	check(source);
	*source = (struct source){ path.ptr, STR_NONE };
	return (struct place){ .source = source };
}

static void loader_refuse(struct loader *loader, struct place place, struct str path,
			  struct str problem)
{
	diag_error(loader->diag, place, "cannot read %.*s: %.*s", STR_ARG(path), STR_ARG(problem));
	loader->broken = true;
}

/* True, and an error, when the file was read before. */
static bool loader_has(struct loader *loader, const struct file *file, struct str path,
		       struct place place)
{
	for (size_t i = 0; i < loader->n_files; i++) {
		const struct loaded *other = &loader->files[i];

		if (other->dev != file->dev || other->ino != file->ino)
			continue;
		if (other->named_at.source)
			diag_error(loader->diag, place,
				   "%.*s is included already by %s:%u:%u; include each file once",
				   STR_ARG(path), other->named_at.source->name,
				   other->named_at.line, other->named_at.col);
		else
			diag_error(loader->diag, place,
				   "%.*s is the main file, which includes this; put what is "
				   "included into a folder of its own",
				   STR_ARG(path));
		loader->broken = true;
		return true;
	}
	return false;
}

static const struct source *loader_add(struct loader *loader, const struct file *file,
				       struct str path, struct place named_at)
{
	struct conf *conf = loader->conf;
	struct source *source = arena_alloc(&conf->arena, sizeof(*source));

	check(source);
	*source = (struct source){ path.ptr, file->text };
	if (loader->n_files == loader->cap_files) {
		loader->cap_files = MAX(loader->cap_files * 2, (size_t)8);
		loader->files =
			mem_realloc_array(loader->files, loader->cap_files, sizeof(*loader->files));
		conf->sources = mem_realloc_array(conf->sources, loader->cap_files,
						  sizeof(struct source *));
	}
	loader->files[loader->n_files++] =
		(struct loaded){ file->dev, file->ino, source, named_at };
	conf->sources[conf->n_sources++] = source;
	loader->n_bytes += file->text.len;
	return source;
}

static void loader_read_tree(struct loader *loader, const struct source *source, unsigned level)
{
	struct node *root =
		tree_read_within(source, &loader->budget, &loader->conf->arena, loader->diag);

	if (!root) {
		loader->broken = true;
	} else if (root->kind != NODE_MAP) {
		diag_error(loader->diag, root->place,
			   "the file is %s, and should be a map; write key: value, with a space "
			   "behind the \":\"",
			   node_kind_name(root));
		loader->broken = true;
	} else {
		merge_add(&loader->merge, root);
		loader_include(loader, root, level);
	}
}

/* `path` has a NUL behind it. Recursion is bounded by INCLUDES_MAX. */
static void loader_read(struct loader *loader, struct str path, struct place named_at,
			unsigned level)
{
	struct arena *arena = &loader->conf->arena;
	struct place place = loader_place(loader->conf, named_at, path);
	struct file file;
	int error;

	if (loader->n_files == FILES_MAX || level > INCLUDES_MAX) {
		loader_refuse(
			loader, place, path,
			level > INCLUDES_MAX
				? STR("more than 16 files include each other; include them from "
				      "one file")
				: STR("more than 10000 files are included; join some"));
		return;
	}
	error = file_read(path.ptr, MIN((size_t)CONF_FILE_MAX, TOTAL_MAX - loader->n_bytes), arena,
			  &file);
	if (error == -EFBIG && loader->n_bytes > TOTAL_MAX - CONF_FILE_MAX)
		loader_refuse(loader, place, path,
			      STR("all files together are larger than 256 MiB; make them smaller"));
	else if (error)
		loader_refuse(loader, place, path, file_problem(error, CONF_FILE_MAX, arena));
	else if (!loader_has(loader, &file, path, place))
		loader_read_tree(loader, loader_add(loader, &file, path, named_at), level);
}

/* ------------------------------------------------------------------ include: */

static struct str conf_folder(struct place named_at)
{
	struct str name = str_of(named_at.source ? named_at.source->name : NULL);

	while (name.len > 0 && name.ptr[name.len - 1] != '/')
		name.len--;
	return name;
}

struct str conf_path(struct conf *conf, struct place named_at, struct str path)
{
	struct str folder = conf_folder(named_at);

	if (path.len > 0 && path.ptr[0] == '/')
		folder = STR("");
	return arena_printf(&conf->arena, "%.*s%.*s", STR_ARG(folder), STR_ARG(path));
}

/* The same for a pattern: the folder is no part of it. */
static struct str loader_pattern(struct loader *loader, struct place named_at, struct str pattern)
{
	struct str folder = conf_folder(named_at);
	struct buf buf;

	buf_init_arena(&buf, &loader->conf->arena);
	if (pattern.ptr[0] == '/')
		folder = STR("");
	for (size_t i = 0; i < folder.len; i++) {
		if (strchr("*?[]\\", folder.ptr[i]))
			buf_add_char(&buf, '\\');
		buf_add_char(&buf, folder.ptr[i]);
	}
	buf_add(&buf, pattern);
	buf_add_char(&buf, '\0');
	return buf_str(&buf);
}

static void loader_include_pattern(struct loader *loader, struct str pattern, struct place named_at,
				   unsigned level)
{
	struct str path = loader_pattern(loader, named_at, pattern);
	glob_t found;
	int result;

	errno = 0;
	result = glob(path.ptr, GLOB_ERR, NULL, &found);
	/* a folder that does not exist is one without files */
	if (result == GLOB_ABORTED && errno != ENOENT)
		loader_refuse(loader, named_at, pattern,
			      file_problem(errno ? -errno : -EIO, 0, &loader->conf->arena));
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
		loader_read(loader, arena_str(&loader->conf->arena, str_of(found.gl_pathv[i])),
			    named_at, level);
	if (result == 0 || result == GLOB_ABORTED)
		globfree(&found);
}

static void loader_include(struct loader *loader, const struct node *root, unsigned level)
{
	const struct node *include = node_find(root, "include");
	struct setting_texts texts = { 0 };
	struct conf *conf = loader->conf;

	if (!include || include->kind == NODE_NULL)
		return;
	if (!setting_read_value(&include_setting, include, &texts, &conf->arena, loader->diag)) {
		loader->broken = true;
		return;
	}
	for (size_t i = 0; i < texts.n_texts; i++) {
		struct str text = texts.texts[i];
		struct place place = texts.nodes[i]->place;

		if (text.len > 0 && strpbrk(text.ptr, "*?["))
			loader_include_pattern(loader, text, place, level + 1);
		else
			loader_read(loader, conf_path(conf, place, text), place, level + 1);
	}
}

/* ------------------------------------------------------------------ all */

struct secrets_section {
	struct str dir;
};

static const struct setting secrets_settings[] = {
	{ .key = "dir",
	  .type = SETTING_TEXT,
	  .offset = offsetof(struct secrets_section, dir),
	  .help = "The folder whose files are secrets, each by its name." },
	SETTINGS_END,
};

static void conf_read_secrets(struct conf *conf, struct diag *diag)
{
	const struct node *node = node_find(conf->root, "secrets");
	struct secrets_section section = { 0 };
	const struct settings_part part = { secrets_settings, &section };

	if (!node)
		return;
	settings_read(&part, 1, node, "secrets", &conf->arena, diag);
	if (section.dir.len)
		conf->secrets_dir = conf_path(conf, node_find(node, "dir")->place, section.dir);
}

static void conf_init(struct conf *conf)
{
	*conf = (struct conf){ .strict = conf->strict, .checking = conf->checking };
	arena_init_required(&conf->arena);
	map_init(&conf->secrets);
}

int conf_load(struct conf *conf, const char *path, struct diag *diag)
{
	struct loader loader = { .conf = conf, .diag = diag, .budget = CONF_NODES_MAX };

	conf_init(conf);
	merge_init(&loader.merge, &conf->arena, diag);
	loader_read(&loader, arena_str(&conf->arena, str_of(path)), (struct place){ 0 }, 0);
	if (conf->n_sources > 0)
		conf->root =
			merge_finish(&loader.merge, (struct place){ conf->sources[0], 1, 1, 0 });
	if (conf->root)
		conf_read_secrets(conf, diag);
	merge_fini(&loader.merge);
	free(loader.files);
	return conf->root && !loader.broken ? 0 : -EINVAL;
}

void conf_fini(struct conf *conf)
{
	map_fini(&conf->secrets);
	free(conf->sources);
	arena_fini(&conf->arena);
	*conf = (struct conf){ 0 };
}
