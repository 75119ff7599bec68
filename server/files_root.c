/* server/files_root.c */
#include "server/files_root.h"
#include "core/io/file_tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct str files_root(struct conf *conf)
{
	const struct node *node = node_find(conf->root, "files_root");
	struct str state = str_of(getenv("STATE_DIRECTORY"));
	ptrdiff_t colon = str_find_char(state, ':'); /* systemd lists several that way */

	if (node && node_is_scalar(node) && node->text.len)
		return conf_path(conf, node->place, node->text);
	if (colon >= 0)
		state = str_first(state, (size_t)colon);
	if (state.len == 0)
		state = STR("/var/lib/leat");
	return arena_printf(&conf->arena, "%.*s/files", STR_ARG(state));
}

static int data_root_try(struct data_root *root)
{
	int r = mkdir(root->path.ptr, 0700) < 0 && errno != EEXIST ? -errno : 0;
	int fd = file_root_open(root->path.ptr);

	if (fd < 0)
		return r < 0 ? r : fd;
	r = file_root_check(fd);
	if (r == 0)
		root->handle = file_handle_create(fd, NULL);
	if (root->handle)
		return 0;
	close(fd);
	return r < 0 ? r : -ENOMEM;
}

/* systemd's RestrictSUIDSGID= refuses openat2(), too. */
bool data_root_open(struct data_root *root, bool checking, struct diag *diag)
{
	int r = root->used && !checking ? data_root_try(root) : 0;

	if (r == -ENOSYS)
		diag_error(
			diag, root->place,
			"this kernel or sandbox has no openat2(), which tasks on files need; use "
			"Linux 5.6 or later, without RestrictSUIDSGID=");
	else if (r < 0)
		diag_error(diag, root->place, "cannot open files_root, %s: %s", root->path.ptr,
			   strerror(-r));
	return r == 0;
}

void data_root_close(struct data_root *root)
{
	file_handle_unref(root->handle);
	root->handle = NULL;
}
