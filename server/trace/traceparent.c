/* server/trace/traceparent.c */
#include "server/trace/traceparent.h"

enum { STATE_MEMBERS_MAX = 32, STATE_KEY_MAX = 256, STATE_VALUE_MAX = 256 };

/* ------------------------------------------------------------ traceparent */

/* Lower-case digits only, as the standard has them. */
static bool hex_read(struct str digits, uint64_t *ret)
{
	uint64_t number = 0;

	for (size_t i = 0; i < digits.len; i++) {
		int digit = char_hex(digits.ptr[i]);

		if (digit < 0 || (digits.ptr[i] >= 'A' && digits.ptr[i] <= 'F'))
			return false;
		number = number << 4 | (unsigned)digit;
	}
	*ret = number;
	return true;
}

static bool hex_read_at(struct str text, size_t at, size_t len, uint64_t *ret)
{
	return hex_read(str_first(str_skip(text, at), len), ret);
}

bool traceparent_read(struct str text, struct traceparent *ret)
{
	uint64_t version, flags;
	struct traceparent parent;

	if (text.len < TRACEPARENT_LEN || text.ptr[2] != '-' || text.ptr[35] != '-' ||
	    text.ptr[52] != '-' || !hex_read_at(text, 0, 2, &version) || version == 0xff)
		return false;
	if (version == 0 ? text.len > TRACEPARENT_LEN
			 : text.len > TRACEPARENT_LEN && text.ptr[TRACEPARENT_LEN] != '-')
		return false;
	if (!hex_read_at(text, 3, 16, &parent.high) || !hex_read_at(text, 19, 16, &parent.low) ||
	    !hex_read_at(text, TRACEPARENT_SPAN_AT, SPAN_ID_LEN, &parent.span) ||
	    !hex_read_at(text, 53, 2, &flags))
		return false;
	if ((parent.high | parent.low) == 0 || parent.span == 0)
		return false;
	parent.flags = (uint8_t)(flags & TRACE_SAMPLED); /* others are not known yet */
	*ret = parent;
	return true;
}

static void hex_write(char *out, uint64_t number, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = len; i-- > 0; number >>= 4)
		out[i] = digits[number & 15];
}

void span_id_write(char out[SPAN_ID_LEN], uint64_t span)
{
	hex_write(out, span, SPAN_ID_LEN);
}

void trace_id_write(char out[TRACE_ID_LEN], const struct traceparent *parent)
{
	hex_write(out, parent->high, 16);
	hex_write(out + 16, parent->low, 16);
}

void traceparent_write(char out[TRACEPARENT_LEN], const struct traceparent *parent)
{
	hex_write(out, 0, 2); /* the version */
	out[2] = '-';
	trace_id_write(out + 3, parent);
	out[35] = '-';
	span_id_write(out + TRACEPARENT_SPAN_AT, parent->span);
	out[52] = '-';
	hex_write(out + 53, parent->flags, 2);
}

/* ------------------------------------------------------------ tracestate */

static bool state_key_is_good(struct str key)
{
	if (key.len == 0 || key.len > STATE_KEY_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !char_is_digit(c) && !str_has(STR("_-*/@"), c))
			return false;
	}
	return (key.ptr[0] >= 'a' && key.ptr[0] <= 'z') || char_is_digit(key.ptr[0]);
}

static bool state_value_is_good(struct str value)
{
	if (value.len == 0 || value.len > STATE_VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == '=')
			return false;
	return true;
}

bool tracestate_is_good(struct str text)
{
	struct str rest = text, member;
	size_t n_members = 0;

	if (text.len == 0 || text.len > TRACESTATE_MAX)
		return false;
	while (str_next_part(&rest, ',', &member)) {
		ptrdiff_t equals;

		member = str_trim(member);
		if (member.len == 0)
			continue; /* allowed, and nothing */
		equals = str_find_char(member, '=');
		if (equals < 0 || ++n_members > STATE_MEMBERS_MAX ||
		    !state_key_is_good(str_first(member, (size_t)equals)) ||
		    !state_value_is_good(str_skip(member, (size_t)equals + 1)))
			return false;
	}
	return n_members > 0;
}
