/* server/expr/fn_id.c: identifiers (RFC 9562). */
#include "core/base/clock.h"
#include "server/expr/functions.h"
#include <errno.h>
#include <sys/random.h>

static int give_uuid(struct expr_env *env, unsigned char *bytes, unsigned version,
		     struct value *ret)
{
	static const char digits[] = "0123456789abcdef";
	char *out;
	int r = fn_give_text(env, 36, &out, ret);

	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | version << 4);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; r == 0 && i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	return r;
}

static int random_bytes(struct expr_env *env, unsigned char *bytes)
{
	if (getrandom(bytes, 16, 0) != 16)
		return expr_fail(env, "got no random numbers from the system");
	return 0;
}

int fn_uuid4(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	unsigned char bytes[16];
	int r = random_bytes(env, bytes);

	(void)args;
	(void)n_args;
	return r < 0 ? r : give_uuid(env, bytes, 4, ret);
}

/* 48 bits of milliseconds and 12 bits that count within one (RFC 9562 §6.2, method 1). When they
 * are used up, or the clock was set back, the time runs ahead of the clock. */
static uint64_t uuid7_stamp(const unsigned char *random)
{
	static _Thread_local uint64_t last;
	uint64_t now = (uint64_t)clock_wall_ns() / NS_PER_MS << 12;

	/* the counter starts anywhere in its lower half */
	now |= (((uint64_t)random[6] << 8) | random[7]) & 0x7ff;
	last = now >> 12 > last >> 12 ? now : last + 1;
	return last;
}

int fn_uuid7(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	unsigned char bytes[16];
	uint64_t stamp;
	int r = random_bytes(env, bytes);

	(void)args;
	(void)n_args;
	if (r < 0)
		return r;
	stamp = uuid7_stamp(bytes);
	for (unsigned i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(stamp >> (52 - 8 * i));
	bytes[6] = (unsigned char)(stamp >> 8 & 0x0f);
	bytes[7] = (unsigned char)stamp;
	return give_uuid(env, bytes, 7, ret);
}
