/* tests/server/gpu/gpu_type.c: numbers on their way into a device and out of it. */
#include "server/gpu/gpu_type.h"
#include "server/expr/json.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static struct arena arena;

static struct value number(const char *text)
{
	struct value value;

	arena_fini(&arena);
	arena_init_required(&arena);
	is_int(json_read(str_of(text), &arena, &value, NULL), 0);
	return value;
}

static int store(enum gpu_scalar scalar, const char *text)
{
	char out[8];

	return gpu_store(scalar, number(text), out);
}

static void types_have_the_names_of_opencl(void)
{
	struct gpu_type type;

	is_true(gpu_type_find(STR("float"), &type));
	is_int(type.scalar, GPU_FLOAT);
	is_int(type.size, 4);
	is_int(type.width, 1);
	is_true(gpu_type_find(STR("uchar16"), &type));
	is_int(type.scalar, GPU_UCHAR);
	is_int(type.width, 16);
	is_false(gpu_type_find(STR("float3"), &type));
	is_false(gpu_type_find(STR("float1"), &type));
	is_false(gpu_type_find(STR("float99999999999999999999"), &type));
	is_false(gpu_type_find(STR("half"), &type));
	is_false(gpu_type_find(STR("4"), &type));
	is_false(gpu_type_find(STR(""), &type));
}

static void a_number_fits_or_is_refused(void)
{
	is_int(store(GPU_CHAR, "-128"), 0);
	is_int(store(GPU_CHAR, "128"), -ERANGE);
	is_int(store(GPU_UCHAR, "255"), 0);
	is_int(store(GPU_UCHAR, "256"), -ERANGE);
	is_int(store(GPU_UCHAR, "-1"), -ERANGE);
	is_int(store(GPU_USHORT, "65535"), 0);
	is_int(store(GPU_SHORT, "-32769"), -ERANGE);
	is_int(store(GPU_INT, "2147483648"), -ERANGE);
	is_int(store(GPU_UINT, "4294967295"), 0);
	is_int(store(GPU_LONG, "-9223372036854775808"), 0);
	is_int(store(GPU_LONG, "9223372036854775808"), -ERANGE);
	is_int(store(GPU_ULONG, "18446744073709551615"), 0);
	is_int(store(GPU_ULONG, "18446744073709551616"), -ERANGE);
	is_int(store(GPU_ULONG, "-1"), -ERANGE);
	is_int(store(GPU_INT, "1e3"), 0);
	is_int(store(GPU_INT, "1.5"), -EINVAL);
	is_int(store(GPU_INT, "1e300"), -ERANGE);
	is_int(store(GPU_FLOAT, "3.4e38"), 0);
	is_int(store(GPU_FLOAT, "3.5e38"), -ERANGE);
	is_int(store(GPU_DOUBLE, "1e300"), 0);
	is_int(store(GPU_FLOAT, "\"1\""), -EINVAL);
	is_int(store(GPU_FLOAT, "null"), -EINVAL);
	is_int(store(GPU_FLOAT, "true"), -EINVAL);
}

static void what_was_stored_is_written_as_it_was(void)
{
	static const struct {
		enum gpu_scalar scalar;
		const char *text, *written;
	} rows[] = {
		{ GPU_CHAR, "-7", "[-7]" },
		{ GPU_UCHAR, "200", "[200]" },
		{ GPU_SHORT, "-300", "[-300]" },
		{ GPU_ULONG, "18446744073709551615", "[18446744073709551615]" },
		{ GPU_LONG, "-9223372036854775808", "[-9223372036854775808]" },
		{ GPU_FLOAT, "0.1", "[0.1]" },
		{ GPU_FLOAT, "-2.5", "[-2.5]" },
		{ GPU_FLOAT, "16777216", "[16777216]" },
		{ GPU_FLOAT, "0.001", "[0.001]" },
		{ GPU_FLOAT, "1e30", "[1e+30]" },
		{ GPU_FLOAT, "1e-30", "[1e-30]" },
		{ GPU_FLOAT, "0", "[0]" },
		{ GPU_FLOAT, "-0.0", "[-0.0]" },
		{ GPU_DOUBLE, "19.99", "[19.99]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[8];
		struct buf text;

		buf_init(&text, 1000);
		is_int(gpu_store(rows[i].scalar, number(rows[i].text), out), 0);
		gpu_write_json(rows[i].scalar, out, 1, &text);
		is_str(buf_str(&text), str_of(rows[i].written));
		buf_fini(&text);
	}
}

/* Every float, in a walk through all exponents and many fractions. */
static void floats_read_back_as_they_were(void)
{
	unsigned n_wrong = 0;

	for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 40009) {
		uint32_t word = (uint32_t)bits;
		char copy[64];
		struct buf text;
		float value;

		memcpy(&value, &word, sizeof(value));
		buf_init(&text, 1000);
		gpu_write_json(GPU_FLOAT, &value, 1, &text);
		snprintf(copy, sizeof(copy), "%.*s", (int)text.len - 2, text.data + 1);
		if (isfinite(value))
			n_wrong += strtof(copy, NULL) != value ||
				   !!signbit(strtof(copy, NULL)) != !!signbit(value);
		else
			n_wrong += strcmp(copy, "null") != 0;
		n_wrong += text.len > 19;
		buf_fini(&text);
	}
	is_int(n_wrong, 0);
}

static void a_buffer_that_is_full_stops_it(void)
{
	float many[100] = { 0 };
	struct buf text;

	buf_init(&text, 100);
	gpu_write_json(GPU_FLOAT, many, 100, &text);
	is_true(text.error < 0);
	buf_fini(&text);
}

int main(void)
{
	TEST(types_have_the_names_of_opencl);
	TEST(a_number_fits_or_is_refused);
	TEST(what_was_stored_is_written_as_it_was);
	TEST(floats_read_back_as_they_were);
	TEST(a_buffer_that_is_full_stops_it);
	arena_fini(&arena);
	return tap_done();
}
