/* server/files/listing.h: what is in a folder, as a page or as JSON. */
#pragma once
#include "server/files/file.h"

enum { LISTING_MAX = 2000 }; /* entries; more are told of, not shown */

/* Of `folder`, which is query->path beneath `root`. Folders first, then by name; only what would
 * be served: files, folders, and links to them that may be followed. 0 or a negative errno.
 * Blocks. */
int listing_make(const struct file_query *query, int root, int folder, struct buf *out);
