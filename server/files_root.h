/* server/files_root.h: the setting `files_root`: where data is kept (DECISIONS 28). */
#pragma once
#include "conf/load.h"

/* The folder, absolute or relative to the working directory: what the configuration says, relative
 * to the file that says it; else `files` in the state directory. It need not exist. */
struct str files_root(struct conf *conf);
