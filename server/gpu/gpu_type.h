/* server/gpu/gpu_type.h: the types that a kernel's arguments may have, and numbers as JSON on their
 * way into the memory of a device and out of it. */
#pragma once
#include "server/expr/value.h"

enum gpu_scalar {
	GPU_CHAR,
	GPU_UCHAR,
	GPU_SHORT,
	GPU_USHORT,
	GPU_INT,
	GPU_UINT,
	GPU_LONG,
	GPU_ULONG,
	GPU_FLOAT,
	GPU_DOUBLE,
};

enum { GPU_VALUE_MAX = 16 * 8 }; /* bytes of the largest one: double16 */

struct gpu_type {
	enum gpu_scalar scalar;
	uint8_t size;  /* of one component */
	uint8_t width; /* components: 4 of float4 */
};

/* "float", "uchar4". False: it is none of them (as half, float3, a struct, a typedef). */
bool gpu_type_find(struct str name, struct gpu_type *ret_type);

/* One component. 0; -EINVAL: it is not a number, or one with a fraction for an integer; -ERANGE: it
 * does not fit. */
int gpu_store(enum gpu_scalar scalar, struct value value, void *out);

/* The n components as a list of JSON: reals in the fewest digits that read back as them, those that
 * are no number (and the infinite ones) as null. Errors stick to `out`. */
void gpu_write_json(enum gpu_scalar scalar, const void *data, size_t n, struct buf *out);
