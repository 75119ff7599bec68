/* core/base/blob.h: bytes that do not change and may be read by any thread.
 *
 * One block, counted: who holds a reference may read it, and the last unref frees it. This is
 * how a value travels between loops: copied once, when it is made. */
#pragma once
#include "core/base/str.h"

struct blob;

struct blob *blob_create(struct str bytes); /* a copy, with one reference, which is the caller's */
struct blob *blob_ref(struct blob *blob);   /* returns it; NULL is accepted */
void blob_unref(struct blob *blob);         /* NULL is accepted; any thread */
struct str blob_str(const struct blob *blob); /* NULL gives an empty slice */
size_t blob_memory(const struct blob *blob);  /* what it costs; 0 for NULL */
