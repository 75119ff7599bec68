/* server/body/uploads.h: the folder where the files of all uploads of this process are.
 *
 *     BASE/run-PID-RANDOM/RANDOM
 *
 * BASE is what the configuration says, or `uploads` in the state directory, or a folder of leat's in
 * $TMPDIR. Each process has one folder in it, made when first needed, and holds a lock on it (flock)
 * for as long as it lives: what has no lock is left over from a process that has ended, and is
 * removed. Any thread, but for create and destroy. */
#pragma once
#include "core/base/str.h"

struct uploads;

/* `base` may be empty. */
struct uploads *uploads_create(struct str base);
void uploads_destroy(struct uploads *uploads); /* removes this process's folder; NULL is accepted */

/* A descriptor of this process's folder, which stays uploads'; or a negative errno. Makes it (and
 * removes what is left over) when there is none. Blocks. */
int uploads_open(struct uploads *uploads);
struct str uploads_base(const struct uploads *uploads);
struct str uploads_path(const struct uploads *uploads); /* of the folder; after uploads_open() */
