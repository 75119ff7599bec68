/* server/files/config.c */
#include "server/files/config.h"
#include "server/files/mime.h"
#include "server/http/head.h"
#include <errno.h>
#include <openssl/evp.h>
#include <sys/stat.h>

static const struct file_coding codings[] = {
	{ STR_INIT("br"), STR_INIT(".br") },
	{ STR_INIT("zstd"), STR_INIT(".zst") },
	{ STR_INIT("gzip"), STR_INIT(".gz") },
};
static const char *const coding_names[] = { "br", "zst", "gz" };
static const char *const link_choices[] = { "inside", "any", "none", NULL };

#define AT(field) offsetof(struct files, field)
const struct setting files_keys[] = {
	{ "root", SETTING_TEXT, AT(root), .help = "The folder that is served; it is never left.",
	  .required = true },
	{ "index", SETTING_TEXT, AT(index), "index.html", "What is served for a folder." },
	{ "listing", SETTING_BOOL, AT(listing), "false",
	  "Whether a folder without an index is listed, as a page or as JSON." },
	{ "symlinks", SETTING_CHOICE, AT(links), "inside",
	  "Which symbolic links are followed: those that stay inside the root, any, or none.",
	  .choices = link_choices },
	{ "hidden", SETTING_BOOL, AT(hidden), "false",
	  "Whether names that begin with a dot are served; /.well-known/ always is." },
	{ "etag", SETTING_BOOL, AT(etag), "true", "Whether answers have an ETag." },
	{ "cache_control", SETTING_TEXT, AT(cache_control), .help = "The value of Cache-Control." },
	{ "precompressed", SETTING_TEXTS, AT(precompressed),
	  .help = "Which of br, zst and gz may stand beside a file, under its name with that "
		  "ending." },
	{ "fallback", SETTING_TEXT, AT(fallback),
	  .help = "The file in the root that is served where there is none." },
	{ "types", SETTING_MAP, AT(types_node),
	  .help = "Media types by the ending of names, before the known ones: {ending: type}." },
	SETTINGS_END
};
#undef AT

static bool files_compile_codings(struct diag *diag, struct files *files)
{
	const struct setting_texts *texts = &files->precompressed;

	for (size_t i = 0; i < texts->n_texts; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(codings) && !str_eq(texts->texts[i], str_of(coding_names[k])))
			k++;
		if (k == ARRAY_LEN(codings) || files->n_codings == FILE_CODINGS_MAX) {
			diag_error(diag, texts->nodes[i]->place,
				   "not a list of codings; write [br, zst, gz], or some of them");
			return false;
		}
		files->codings[files->n_codings++] = &codings[k];
	}
	return true;
}

static bool type_is_valid(struct str type)
{
	return type.len > 0 && http_is_field_value(type) && str_find_char(type, '/') > 0;
}

static bool files_compile_types(struct arena *arena, struct diag *diag, struct files *files)
{
	const struct node *node = files->types_node;

	if (!node)
		return true;
	files->types = arena_alloc_array(arena, node->n_entries, sizeof(*files->types));
	for (size_t i = 0; i < node->n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct str ending = entry->key;

		if (str_starts_with(ending, STR(".")))
			ending = str_skip(ending, 1);
		if (ending.len == 0 || str_has(ending, '.') || str_has(ending, '/') ||
		    !node_is_scalar(entry->value) || !type_is_valid(entry->value->text)) {
			diag_error(diag, entry->key_place,
				   "not an ending and a media type; write ending: type/subtype");
			return false;
		}
		files->types[files->n_types++] = (struct files_type){ ending, entry->value->text };
	}
	return true;
}

/* DECISIONS 28: relative to the file that names it. */
static struct str files_root(struct arena *arena, struct place place, struct str root)
{
	struct str folder = str_of(place.source ? place.source->name : NULL);

	while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
		folder.len--;
	if (root.len > 0 && root.ptr[0] == '/')
		folder.len = 0;
	return arena_printf(arena, "%.*s%.*s", STR_ARG(folder), STR_ARG(root));
}

/* A root that is a file: its folder, and the file in it. */
static void files_split(struct arena *arena, struct files *files)
{
	struct str root = files->root, folder = root;

	while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
		folder.len--;
	files->path = arena_str(arena, str_skip(root, folder.len));
	files->root = arena_str(arena, folder.len ? folder : STR("."));
}

/* What is joined to a path beneath the root: it must not lead out where links may (`any`). */
static bool files_check_name(struct diag *diag, struct place place, const char *key,
			     struct str name)
{
	struct str rest = name, part;
	bool ok = !str_has(name, '\0') && !str_starts_with(name, STR("/"));

	while (ok && str_next_part(&rest, '/', &part))
		ok = !str_eq(part, STR(".."));
	if (!ok)
		diag_error(diag, place,
			   "%s is a path beneath the root; write it without .. and "
			   "without a / at its beginning",
			   key);
	return ok;
}

static bool files_check_root(struct arena *arena, struct diag *diag, struct place place,
			     struct files *files)
{
	struct stat found;
	int r;

	files->root = files_root(arena, place, files->root);
	if (!files->has_rest && stat(files->root.ptr, &found) == 0 && S_ISREG(found.st_mode))
		files_split(arena, files);
	r = root_check(files->root.ptr);
	if (r == -ENOSYS)
		diag_error(diag, place,
			   "this kernel has no openat2(), which files needs; "
			   "use Linux 5.6 or later");
	else if (r < 0)
		diag_error(diag, place, "cannot open the folder %s: %s", files->root.ptr,
			   strerror(-r));
	return r >= 0;
}

static bool files_check(struct arena *arena, struct diag *diag, struct place place,
			struct files *files)
{
	if (!http_is_field_value(files->cache_control)) {
		diag_error(diag, place,
			   "cache_control has a line break or another control "
			   "character; remove it");
		return false;
	}
	return files_check_name(diag, place, "index", files->index) &&
	       files_check_name(diag, place, "fallback", files->fallback) &&
	       files_check_root(arena, diag, place, files);
}

static void mark_add(EVP_MD_CTX *hash, struct str part)
{
	uint64_t len = part.len;

	EVP_DigestUpdate(hash, &len, sizeof(len));
	EVP_DigestUpdate(hash, part.ptr ? part.ptr : "", part.len);
}

/* All that decides what is found and what is answered, in which order it may be. */
static bool files_set_mark(struct files *files)
{
	const char flags[] = { files->listing, files->etag, files->hidden, (char)files->links };
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool ok = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);

	if (ok) {
		mark_add(hash, files->root);
		mark_add(hash, files->index);
		mark_add(hash, files->cache_control);
		mark_add(hash, (struct str){ flags, sizeof(flags) });
		for (size_t i = 0; i < files->n_codings; i++)
			mark_add(hash, files->codings[i]->name);
		for (size_t i = 0; i < files->n_types; i++) {
			mark_add(hash, files->types[i].ending);
			mark_add(hash, files->types[i].type);
		}
		ok = EVP_DigestFinal_ex(hash, digest, NULL);
	}
	EVP_MD_CTX_free(hash);
	if (ok)
		memcpy(files->mark, digest, sizeof(files->mark));
	return ok;
}

struct files *files_compile(struct arena *arena, struct diag *diag, const struct node *node,
			    bool has_rest)
{
	struct files *files = arena_zalloc(arena, sizeof(*files));
	const struct settings_part part = { files_keys, files };

	if (node_is_scalar(node) && node->kind != NODE_NULL) {
		settings_defaults(files_keys, files, arena);
		files->root = node->text;
	} else if (settings_read(&part, 1, node, "files", arena, diag) > 0) {
		return NULL;
	}
	files->has_rest = has_rest;
	if (!files_compile_codings(diag, files) || !files_compile_types(arena, diag, files) ||
	    !files_check(arena, diag, node->place, files))
		return NULL;
	if (!files_set_mark(files)) {
		diag_error(diag, node->place, "SHA-256 is not there: OpenSSL does not work");
		return NULL;
	}
	return files;
}

struct str files_type(const struct files *files, struct str name)
{
	ptrdiff_t dot = -1;

	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] == '.')
			dot = (ptrdiff_t)i;
	if (dot >= 0)
		for (size_t i = 0; i < files->n_types; i++)
			if (str_eq_nocase(files->types[i].ending, str_skip(name, (size_t)dot + 1)))
				return files->types[i].type;
	return mime_type(name);
}
