/* tests/modules/old_abi.c: a module of another time: only the first field of its description means
 * what it means today. */
#include <stdint.h>

struct other_module {
	uint32_t abi;
	const void *something_else;
};

extern const struct other_module leat_module;

const struct other_module leat_module = { (uint32_t)7 << 16 | 3, 0 };
