/* server/jq/jq_wire.h: what leat and its jq workers say to each other, over a socket pair.
 *
 * One request, then its answer: a head in the byte order of the machine, and bytes. A worker
 * answers every request, or ends. */
#pragma once
#include <stdint.h>

enum {
	JQ_INPUT_MAX = 64 << 20,
	JQ_OUTPUT_MAX = 64 << 20,
	JQ_PROGRAM_MAX = 256 << 10,
	JQ_MESSAGE_MAX = 1000, /* of what it fails with */
};

enum jq_op {
	JQ_OP_CHECK, /* whether the program compiles; the input is the names of its $variables, a
			space between two */
	JQ_OP_RUN,   /* the program on the input, which is one JSON text */
};

/* Then program_size and input_size bytes. */
struct jq_request {
	uint32_t op;     /* enum jq_op */
	uint32_t number; /* that the answer repeats */
	uint32_t program_size, input_size;
	uint32_t output_max; /* bytes of all values together */
	uint32_t cpu_s;      /* more of the processor than this, and the kernel ends the worker */
};

enum jq_status {
	JQ_STATUS_OK, /* "[value,value,…]" */
	JQ_STATUS_FAILED, /* of a run: what the program failed with; of a check: what is wrong with it */
	JQ_STATUS_TOO_LARGE, /* the values are more than output_max; no bytes */
};

/* Then `size` bytes. */
struct jq_answer {
	uint32_t status; /* enum jq_status */
	uint32_t number;
	uint32_t size;
	uint32_t first_size; /* of the first value, which stands behind the "["; 0: there is none */
};
