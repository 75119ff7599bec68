/* core/base/blob.c */
#include "core/base/blob.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include <stdatomic.h>
#include <stdlib.h>

struct blob {
	atomic_uint n_refs;
	size_t size;
	char bytes[];
};

struct blob *blob_create(struct str bytes)
{
	struct blob *blob;

	check(bytes.len <= SIZE_MAX / 2);
	blob = mem_alloc(sizeof(*blob) + bytes.len);
	atomic_init(&blob->n_refs, 1);
	blob->size = bytes.len;
	if (bytes.len > 0)
		memcpy(blob->bytes, bytes.ptr, bytes.len);
	return blob;
}

struct blob *blob_ref(struct blob *blob)
{
	if (blob)
		atomic_fetch_add_explicit(&blob->n_refs, 1, memory_order_relaxed);
	return blob;
}

void blob_unref(struct blob *blob)
{
	if (blob && atomic_fetch_sub_explicit(&blob->n_refs, 1, memory_order_acq_rel) == 1)
		free(blob);
}

struct str blob_str(const struct blob *blob)
{
	return blob ? (struct str){ blob->bytes, blob->size } : STR_NONE;
}

size_t blob_memory(const struct blob *blob)
{
	return blob ? sizeof(*blob) + blob->size : 0;
}
