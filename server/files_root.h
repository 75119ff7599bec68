/* server/files_root.h: the setting `files_root`: where data is kept (DECISIONS 28). */
#pragma once
#include "conf/load.h"

struct file_handle;

/* What tasks on files refer to: opened when there are any. */
struct data_root {
	struct str path;
	struct place place; /* of a task that uses it, when `used` */
	bool used;
	struct file_handle *handle; /* NULL: not used, or only checked */
};

/* The folder is made when it is not there. False with an error. `checking`: nothing is made or
 * opened. */
bool data_root_open(struct data_root *root, bool checking, struct diag *diag);
void data_root_close(struct data_root *root);

/* The folder, absolute or relative to the working directory: what the configuration says, relative
 * to the file that says it; else `files` in the state directory. It need not exist. */
struct str files_root(struct conf *conf);
