/* server/files/files.c
 *
 *     files_serve() --> cache: fresh --------------------------------> files_answer()
 *                          \--> unknown, or old --> pool --> post --/
 *
 * While the pool looks, the request waits (request->native), and is there even when its client
 * has left. */
#include "server/files/files.h"
#include "server/files/answer.h"
#include "server/http/conditional.h"
#include "server/server.h"
#include <errno.h>
#include <sys/stat.h>

static const struct file_coding codings[] = {
	{ STR_INIT("br"), STR_INIT(".br") },
	{ STR_INIT("zstd"), STR_INIT(".zst") },
	{ STR_INIT("gzip"), STR_INIT(".gz") },
};
static const char *const coding_names[] = { "br", "zst", "gz" };

struct files {
	struct files_config config;
	struct str path; /* of a route that is one file; else empty */
	size_t n_codings;
	const struct file_coding *codings[FILE_CODINGS_MAX];
};

#define AT(field) offsetof(struct files_config, field)
const struct setting files_keys[] = {
	{ "root", SETTING_TEXT, AT(root), .help = "The folder that is served; it is never left.",
	  .required = true },
	{ "index", SETTING_TEXT, AT(index), "index.html", "What is served for a folder." },
	{ "listing", SETTING_BOOL, AT(listing), "false", "Folders are not listed: false." },
	{ "etag", SETTING_BOOL, AT(etag), "true", "Whether answers have an ETag." },
	{ "cache_control", SETTING_TEXT, AT(cache_control), .help = "The value of Cache-Control." },
	{ "precompressed", SETTING_TEXTS, AT(precompressed),
	  .help = "Which of br, zst and gz may stand beside a file, under its name with that "
		  "ending." },
	{ "fallback", SETTING_TEXT, AT(fallback),
	  .help = "The file in the root that is served where there is none." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

static bool files_compile_codings(struct diag *diag, struct files *files)
{
	const struct setting_texts *texts = &files->config.precompressed;

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
	struct str root = files->config.root, folder = root;

	while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
		folder.len--;
	files->path = arena_str(arena, str_skip(root, folder.len));
	files->config.root = arena_str(arena, folder.len ? folder : STR("."));
}

static bool files_check(struct arena *arena, struct diag *diag, struct place place,
			struct files *files, bool has_rest)
{
	struct files_config *config = &files->config;
	struct stat found;
	int r;

	if (config->listing || !http_is_field_value(config->cache_control)) {
		diag_error(diag, place,
			   "listing is not in this version of leat, and cache_control has no line "
			   "breaks; remove them");
		return false;
	}
	config->root = files_root(arena, place, config->root);
	if (!has_rest && stat(config->root.ptr, &found) == 0 && S_ISREG(found.st_mode))
		files_split(arena, files);
	r = file_check_root(config->root.ptr);
	if (r == -ENOSYS)
		diag_error(diag, place,
			   "this kernel has no openat2(), which files needs; "
			   "use Linux 5.6 or later");
	else if (r < 0)
		diag_error(diag, place, "cannot open the folder %s: %s", config->root.ptr,
			   strerror(-r));
	return r >= 0;
}

struct files *files_compile(struct arena *arena, struct diag *diag, const struct node *node,
			    bool has_rest)
{
	struct files *files = arena_zalloc(arena, sizeof(*files));
	struct files_config *config = &files->config;
	const struct settings_part part = { files_keys, config };

	if (node_is_scalar(node) && node->kind != NODE_NULL) {
		settings_defaults(files_keys, config, arena);
		config->root = node->text;
	} else if (settings_read(&part, 1, node, "files", arena, diag) > 0) {
		return NULL;
	}
	if (!files_compile_codings(diag, files) ||
	    !files_check(arena, diag, node->place, files, has_rest))
		return NULL;
	return files;
}

/* ------------------------------------------------------------ looking */

struct files_job {
	struct work work;
	struct post post;
	const struct files *files;
	struct request *request;
	struct file_query query;
	struct str key;
	bool fell_back;
	struct file *known; /* which may have changed; or NULL */
	struct file *found;
	int result;
};

static void files_look(const struct files *files, struct request *request, const char *path,
		       bool fell_back);

static void files_refuse(struct request *request, int status)
{
	struct reply reply = reply_problem(&request->arena, status, STR_NONE, STR_NONE,
					   request->context.id, STR_NONE);

	request_reply(request, &reply);
}

static void files_fail(const struct files_job *job)
{
	const struct files *files = job->files;

	switch (job->result) {
	case -EISDIR:
		files_redirect(job->request);
		return;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		files_refuse(job->request, 503);
		return;
	default:
		if (files->config.fallback.len && !job->fell_back)
			files_look(files, job->request, files->config.fallback.ptr, true);
		else
			files_refuse(job->request, 404);
	}
}

/* Back on the loop. */
static void files_on_looked(struct post *post)
{
	struct files_job *job = container_of(post, struct files_job, post);
	struct request *request = job->request;
	struct worker *worker = request->worker;
	struct file *file = job->found;

	if (job->known)
		job->known->checking = false;
	if (job->result == 0 && !file) {
		file = take(&job->known);
	} else if (job->known) {
		file_cache_remove(&worker->files, job->known);
		file_unref(take(&job->known));
	}
	if (job->result < 0) {
		files_fail(job);
		return;
	}
	file->checked_ns = loop_now_ns(worker->loop);
	if (job->found)
		file_cache_add(&worker->files, job->key, file);
	request->file = file;
	files_answer(&job->files->config, request, file);
}

static void files_run(struct work *work)
{
	struct files_job *job = container_of(work, struct files_job, work);

	if (!job->known || file_check(&job->query, job->known) < 0)
		job->result = file_load(&job->query, &job->found);
	loop_post(job->request->worker->loop, &job->post);
}

/* What the client takes, best first; the order of the configuration decides between equals. */
static void files_choose(const struct files *files, const struct request *request,
			 struct file_query *query)
{
	unsigned weights[FILE_CODINGS_MAX];
	unsigned plain = http_coding_quality(&request->head, STR("identity"));

	for (size_t i = 0; i < files->n_codings; i++) {
		unsigned weight = http_coding_quality(&request->head, files->codings[i]->name);
		size_t at = query->n_codings;

		if (weight == 0 || weight < plain)
			continue;
		for (; at > 0 && weights[at - 1] < weight; at--) {
			weights[at] = weights[at - 1];
			query->codings[at] = query->codings[at - 1];
		}
		weights[at] = weight;
		query->codings[at] = files->codings[i];
		query->n_codings++;
	}
}

static struct str files_key(struct arena *arena, const struct file_query *query)
{
	struct buf key;

	buf_init_arena(&key, arena);
	buf_printf(&key, "%s\n%s\n%s", query->root, query->index, query->path);
	for (size_t i = 0; i < query->n_codings; i++)
		buf_add(&key, query->codings[i]->suffix);
	return key.error ? STR_NONE : buf_str(&key);
}

static void files_look(const struct files *files, struct request *request, const char *path,
		       bool fell_back)
{
	struct worker *worker = request->worker;
	struct files_job *job = arena_zalloc(&request->arena, sizeof(*job));
	struct file *file;

	if (job)
		job->query = (struct file_query){
			files->config.root.ptr, path, files->config.index.ptr, 0, { NULL }
		};
	if (job)
		files_choose(files, request, &job->query);
	if (!job || !(job->key = files_key(&request->arena, &job->query)).ptr) {
		files_refuse(request, 503);
		return;
	}
	file = file_cache_find(&worker->files, job->key);
	if (file && (file->checking || loop_now_ns(worker->loop) - file->checked_ns <
					       FILE_CACHE_FRESH_MS * UINT64_C(1000000))) {
		file_ref(file);
		request->file = file;
		files_answer(&files->config, request, file);
		return;
	}
	if (file) {
		file_ref(file);
		file->checking = true;
	}
	job->known = file;
	job->files = files;
	job->request = request;
	job->fell_back = fell_back;
	job->work.run = files_run;
	job->post.run = files_on_looked;
	request->native = job;
	pool_submit(worker->server->pool, &job->work);
}

/* ------------------------------------------------------------ the path */

/* Beneath the root, without a NUL, hidden names and what a segment must not be; false: 404. */
static bool files_path(const struct request *request, struct buf *out)
{
	const struct http_path *path = &request->path;

	for (size_t i = request->match.rest_from; i < path->n_segments; i++) {
		struct str segment = path->segments[i];
		bool last = i + 1 == path->n_segments;

		if (str_has(segment, '/') || str_has(segment, '\0') ||
		    str_starts_with(segment, STR(".")) || (segment.len == 0 && !last))
			return false;
		buf_add(out, segment);
		if (!last)
			buf_add_char(out, '/');
	}
	if (out->len == 0)
		buf_add_char(out, '.');
	buf_add_char(out, '\0');
	return !out->error;
}

void files_serve(const struct files *files, struct request *request)
{
	enum http_method method = request->head.method_id;
	struct buf path;

	if (method != HTTP_GET && method != HTTP_HEAD) {
		request_reply(request, server_allow_reply(1U << HTTP_GET, method == HTTP_OPTIONS));
		return;
	}
	if (!request->route->pattern.has_rest) {
		files_look(files, request, files->path.len ? files->path.ptr : ".", false);
		return;
	}
	if (request->match.rest_from == SIZE_MAX) {
		files_redirect(request);
		return;
	}
	buf_init_arena(&path, &request->arena);
	if (files_path(request, &path))
		files_look(files, request, path.data, false);
	else
		files_refuse(request, 404);
}
