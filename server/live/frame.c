/* server/live/frame.c */
#include "server/live/frame.h"

enum {
	BIT_FINAL = 0x80,
	BIT_RSV1 = 0x40,
	BITS_RSV23 = 0x30,
	BIT_MASKED = 0x80,
	SIZE_16 = 126, /* in the place of a size: the next two bytes have it */
	SIZE_64 = 127, /* the next eight */
	MASK_SIZE = 4,
};

static bool frame_opcode_is_known(uint8_t opcode)
{
	return opcode <= FRAME_BINARY || (opcode >= FRAME_CLOSE && opcode <= FRAME_PONG);
}

/* RSV1 stands at the first frame of a message, and never at a control frame (RFC 7692 §6). */
static bool frame_first_is_good(uint8_t byte, bool may_compress)
{
	uint8_t opcode = byte & 0x0f;

	if (byte & BITS_RSV23 || !frame_opcode_is_known(opcode))
		return false;
	if (frame_is_control(opcode) && !(byte & BIT_FINAL))
		return false;
	return !(byte & BIT_RSV1) ||
	       (may_compress && !frame_is_control(opcode) && opcode != FRAME_CONTINUATION);
}

static bool frame_second_is_good(uint8_t first, uint8_t byte)
{
	bool is_control = frame_is_control(first & 0x0f);

	return byte & BIT_MASKED && (!is_control || (byte & 0x7f) <= FRAME_CONTROL_MAX);
}

static size_t frame_n_size_bytes(uint8_t byte)
{
	byte &= 0x7f;
	return byte == SIZE_16 ? 2 : byte == SIZE_64 ? 8 : 0;
}

static uint64_t frame_number(const uint8_t *bytes, size_t n_bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < n_bytes; i++)
		number = number << 8 | bytes[i];
	return number;
}

/* In as few bytes as it fits, and positive (§5.2). */
static bool frame_size_is_good(const struct frame_scan *scan)
{
	size_t n_bytes = frame_n_size_bytes(scan->bytes[1]);
	uint64_t size = frame_number(scan->bytes + 2, n_bytes);

	return n_bytes == 0 ||
	       (n_bytes == 2 ? size >= SIZE_16 : size > UINT16_MAX && !(size >> 63));
}

/* Each byte is judged when it comes. */
static bool frame_take(struct frame_scan *scan, uint8_t byte, bool may_compress)
{
	scan->bytes[scan->len++] = byte;
	if (scan->len == 1)
		return frame_first_is_good(byte, may_compress);
	if (scan->len == 2) {
		scan->size = (uint8_t)(2 + frame_n_size_bytes(byte) + MASK_SIZE);
		return frame_second_is_good(scan->bytes[0], byte);
	}
	return scan->len != scan->size - MASK_SIZE || frame_size_is_good(scan);
}

static void frame_tell(const struct frame_scan *scan, struct frame_head *ret_head)
{
	size_t n_bytes = frame_n_size_bytes(scan->bytes[1]);

	ret_head->opcode = scan->bytes[0] & 0x0f;
	ret_head->final = scan->bytes[0] & BIT_FINAL;
	ret_head->compressed = scan->bytes[0] & BIT_RSV1;
	ret_head->size = n_bytes ? frame_number(scan->bytes + 2, n_bytes) : scan->bytes[1] & 0x7f;
	memcpy(ret_head->mask, scan->bytes + 2 + n_bytes, MASK_SIZE);
}

enum frame_step frame_read(struct frame_scan *scan, struct str *in, bool may_compress,
			   struct frame_head *ret_head)
{
	while (in->len > 0) {
		uint8_t byte = (uint8_t)in->ptr[0];

		*in = str_skip(*in, 1);
		if (!frame_take(scan, byte, may_compress))
			return FRAME_BAD;
		if (scan->len < 2 || scan->len < scan->size)
			continue;
		frame_tell(scan, ret_head);
		*scan = (struct frame_scan){ 0 };
		return FRAME_WHOLE;
	}
	return FRAME_MORE;
}

void frame_unmask(char *to, struct str from, const uint8_t mask[4], uint64_t at)
{
	uint8_t turned[8];
	uint64_t word, mask_word;
	size_t i = 0;

	for (size_t j = 0; j < sizeof(turned); j++)
		turned[j] = mask[(at + j) % 4];
	memcpy(&mask_word, turned, sizeof(mask_word));
	for (; from.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, from.ptr + i, sizeof(word));
		word ^= mask_word;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < from.len; i++)
		to[i] = (char)((uint8_t)from.ptr[i] ^ turned[i % 8]);
}

size_t frame_write_head(char out[FRAME_OWN_HEAD_MAX], enum frame_opcode opcode, bool final,
			bool compressed, uint64_t size)
{
	size_t n_bytes = size < SIZE_16 ? 0 : size <= UINT16_MAX ? 2 : 8;

	out[0] = (char)((uint8_t)opcode | (final ? BIT_FINAL : 0) | (compressed ? BIT_RSV1 : 0));
	out[1] = (char)(n_bytes == 0 ? size : n_bytes == 2 ? SIZE_16 : SIZE_64);
	for (size_t i = 0; i < n_bytes; i++)
		out[2 + i] = (char)(size >> 8 * (n_bytes - 1 - i));
	return 2 + n_bytes;
}

/* 1004 to 1006 and 1015 are never sent; 1012 to 1014 are registered with IANA; below 3000 nobody else
 * may have any. */
bool frame_close_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}
