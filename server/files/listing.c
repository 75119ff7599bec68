/* server/files/listing.c */
#include "server/files/listing.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "server/expr/json.h"
#include "server/expr/percent.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct entry {
	struct str name;
	bool is_folder;
	uint64_t size;
	time_t modified;
};

struct listing {
	struct arena arena; /* of the names */
	struct entry *entries;
	size_t n_entries, room;
	bool more; /* than are shown */
};

/* ------------------------------------------------------------ reading */

/* A link is what it leads to, from the root and by the rules of the root. */
static bool entry_follow(const struct file_query *query, int root, const char *name,
			 struct stat *stat)
{
	char path[FILE_PATH_SIZE];
	int n = snprintf(path, sizeof(path), "%s/%s", query->path, name);
	scoped(fd_close) int fd = -1;

	if (n >= FILE_PATH_SIZE)
		return false;
	fd = root_open_at(root, path, query->links, O_PATH);
	return fd >= 0 && fstat(fd, stat) == 0;
}

static bool entry_look(const struct file_query *query, int root, int folder, const char *name,
		       struct stat *stat)
{
	if (fstatat(folder, name, stat, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (S_ISLNK(stat->st_mode) && !entry_follow(query, root, name, stat))
		return false;
	return S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode);
}

static bool listing_grow(struct listing *listing)
{
	size_t room = listing->room ? listing->room * 2 : 64;
	struct entry *entries;

	if (listing->n_entries < listing->room)
		return true;
	entries = realloc(listing->entries, room * sizeof(*entries));
	if (!entries)
		return false;
	listing->entries = entries;
	listing->room = room;
	return true;
}

static int listing_add(struct listing *listing, const char *name, const struct stat *stat)
{
	struct str copy = arena_str(&listing->arena, str_of(name));

	if (!copy.ptr || !listing_grow(listing))
		return -ENOMEM;
	listing->entries[listing->n_entries++] = (struct entry){ copy, S_ISDIR(stat->st_mode),
								 (uint64_t)stat->st_size,
								 stat->st_mtim.tv_sec };
	return 0;
}

static int listing_read(struct listing *listing, const struct file_query *query, int root,
			int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *at;
	int r = 0;

	if (!dir) {
		r = -errno;
		fd_close(&fd);
		return r;
	}
	while (r == 0 && !listing->more && (at = readdir(dir))) {
		struct stat stat;

		if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0 ||
		    (at->d_name[0] == '.' && !query->hidden) ||
		    !entry_look(query, root, folder, at->d_name, &stat))
			continue;
		if (listing->n_entries == LISTING_MAX)
			listing->more = true;
		else
			r = listing_add(listing, at->d_name, &stat);
	}
	closedir(dir);
	return r;
}

static int entry_compare(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	if (left->is_folder != right->is_folder)
		return left->is_folder ? -1 : 1;
	return str_cmp(left->name, right->name);
}

/* ------------------------------------------------------------ writing */

static void write_html(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '&':
			buf_add(out, STR("&amp;"));
			break;
		case '<':
			buf_add(out, STR("&lt;"));
			break;
		case '>':
			buf_add(out, STR("&gt;"));
			break;
		case '"':
			buf_add(out, STR("&quot;"));
			break;
		case '\'':
			buf_add(out, STR("&#39;"));
			break;
		default:
			buf_add_char(out, text.ptr[i]);
		}
	}
}

/* "2026-01-31T10:20:30Z", with something else for the T and the Z. */
static void write_time(const struct entry *entry, char between, const char *zone, struct buf *out)
{
	struct tm tm;

	if (gmtime_r(&entry->modified, &tm))
		buf_printf(out, "%04d-%02d-%02d%c%02d:%02d:%02d%s", tm.tm_year + 1900,
			   tm.tm_mon + 1, tm.tm_mday, between, tm.tm_hour, tm.tm_min, tm.tm_sec,
			   zone);
}

/* "sub/" of "sub/", "" of ".": what stands between the slashes that begin and end the title. */
static struct str query_folder(const struct file_query *query)
{
	return strcmp(query->path, ".") == 0 ? STR_NONE : str_of(query->path);
}

/* "./" and all but the unreserved encoded: no name becomes a scheme, a host or a query. */
static void write_entry_html(const struct entry *entry, struct buf *out)
{
	struct str slash = entry->is_folder ? STR("/") : STR_NONE;

	buf_add(out, STR("<tr><td><a href=\"./"));
	percent_encode(entry->name, out);
	buf_add(out, slash);
	buf_add(out, STR("\">"));
	write_html(entry->name, out);
	buf_add(out, slash);
	buf_add(out, STR("</a></td><td>"));
	if (!entry->is_folder)
		buf_add_u64(out, entry->size);
	buf_add(out, STR("</td><td>"));
	write_time(entry, ' ', "", out);
	buf_add(out, STR("</td></tr>\n"));
}

static void write_page(const struct listing *listing, const struct file_query *query,
		       struct buf *out)
{
	struct str folder = query_folder(query);

	buf_add(out, STR("<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n"
			 "<meta name=\"viewport\" content=\"width=device-width\">\n<title>/"));
	write_html(folder, out);
	buf_add(out, STR("</title>\n<style>body{font:16px monospace}td{padding:0 2em 0 0}"
			 "td:nth-child(2){text-align:right}</style>\n</head>\n<body>\n<h1>/"));
	write_html(folder, out);
	buf_add(out, STR("</h1>\n<table>\n"));
	if (folder.len)
		buf_add(out, STR("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n"));
	for (size_t i = 0; i < listing->n_entries; i++)
		write_entry_html(&listing->entries[i], out);
	buf_add(out, STR("</table>\n"));
	if (listing->more)
		buf_printf(out, "<p>There are more than these %d.</p>\n", LISTING_MAX);
	buf_add(out, STR("</body>\n</html>\n"));
}

static void write_entry_json(const struct entry *entry, struct buf *out)
{
	buf_add(out, STR("{\"name\":"));
	json_write_text(entry->name, out);
	buf_add(out, entry->is_folder ? STR(",\"type\":\"folder\",\"size\":null")
				      : STR(",\"type\":\"file\",\"size\":"));
	if (!entry->is_folder)
		buf_add_u64(out, entry->size);
	buf_add(out, STR(",\"modified\":\""));
	write_time(entry, 'T', "Z", out);
	buf_add(out, STR("\"}"));
}

static void write_json(const struct listing *listing, const struct file_query *query,
		       struct buf *out)
{
	struct str folder = query_folder(query);
	char path[FILE_PATH_SIZE + 1];

	snprintf(path, sizeof(path), "/%.*s", STR_ARG(folder));
	buf_add(out, STR("{\"path\":"));
	json_write_text(str_of(path), out);
	buf_add(out, STR(",\"entries\":["));
	for (size_t i = 0; i < listing->n_entries; i++) {
		if (i)
			buf_add_char(out, ',');
		write_entry_json(&listing->entries[i], out);
	}
	buf_add(out, listing->more ? STR("],\"more\":true}\n") : STR("],\"more\":false}\n"));
}

int listing_make(const struct file_query *query, int root, int folder, struct buf *out)
{
	struct listing listing = { 0 };
	int r;

	arena_init(&listing.arena, SIZE_MAX);
	r = listing_read(&listing, query, root, folder);
	if (r == 0 && listing.n_entries > 0)
		qsort(listing.entries, listing.n_entries, sizeof(*listing.entries), entry_compare);
	if (r == 0 && query->listing == FILE_LISTING_HTML)
		write_page(&listing, query, out);
	else if (r == 0)
		write_json(&listing, query, out);
	free(listing.entries);
	arena_fini(&listing.arena);
	return r < 0 ? r : out->error;
}
