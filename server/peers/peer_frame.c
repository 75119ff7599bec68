/* server/peers/peer_frame.c */
#include "server/peers/peer_frame.h"
#include "core/base/check.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { FLAG_ASKS = 1 };

/* ------------------------------------------------------------ numbers and texts */

static void number_write(char *to, uint64_t number, unsigned n_bytes)
{
	for (unsigned i = 0; i < n_bytes; i++)
		to[i] = (char)(number >> 8 * (n_bytes - 1 - i));
}

static uint64_t number_read(const char *from, unsigned n_bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n_bytes; i++)
		number = number << 8 | (uint8_t)from[i];
	return number;
}

void peer_put(struct buf *out, uint64_t number, unsigned n_bytes)
{
	char bytes[8];

	number_write(bytes, number, n_bytes);
	buf_add(out, (struct str){ bytes, n_bytes });
}

void peer_put_text(struct buf *out, struct str text, unsigned n_bytes)
{
	struct str part = str_first(text, n_bytes == 1 ? UINT8_MAX : UINT16_MAX);

	peer_put(out, part.len, n_bytes);
	buf_add(out, part);
}

struct str peer_get_bytes(struct peer_fields *fields, size_t size)
{
	struct str bytes = str_first(fields->rest, size);

	if (bytes.len < size || fields->bad) {
		fields->bad = true;
		return STR_NONE;
	}
	fields->rest = str_skip(fields->rest, size);
	return bytes;
}

uint64_t peer_get(struct peer_fields *fields, unsigned n_bytes)
{
	struct str bytes = peer_get_bytes(fields, n_bytes);

	return bytes.len ? number_read(bytes.ptr, n_bytes) : 0;
}

struct str peer_get_text(struct peer_fields *fields, unsigned n_bytes)
{
	return peer_get_bytes(fields, (size_t)peer_get(fields, n_bytes));
}

/* ------------------------------------------------------------ seals */

/* False without memory. */
static bool seal_make(const struct peer_seal *seal, struct str bytes,
		      unsigned char out[EVP_MAX_MD_SIZE])
{
	unsigned char mid[EVP_MAX_MD_SIZE + 8];
	unsigned len = 0;

	number_write((char *)mid, seal->n_frames, 8);
	if (!EVP_Digest(bytes.ptr, bytes.len, mid + 8, &len, EVP_sha256(), NULL))
		return false;
	return HMAC(EVP_sha256(), seal->key, sizeof(seal->key), mid, 8 + len, out, NULL) != NULL;
}

/* ------------------------------------------------------------ writing */

size_t peer_frame_begin(struct buf *out, enum peer_frame_type type)
{
	size_t begin = out->len;

	peer_put(out, 0, 4);
	peer_put(out, (uint64_t)type, 1);
	return begin;
}

void peer_frame_end(struct buf *out, size_t begin, struct peer_seal *seal)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	size_t size = out->len - begin - 4 + (seal->on ? PEER_SEAL_SIZE : 0);

	if (out->error)
		return;
	number_write(out->data + begin, size, 4);
	if (!seal->on)
		return;
	if (!seal_make(seal, str_skip(buf_str(out), begin), bytes)) {
		out->error = -ENOMEM;
		return;
	}
	seal->n_frames++;
	buf_add(out, (struct str){ (const char *)bytes, PEER_SEAL_SIZE });
}

/* ------------------------------------------------------------ reading */

void peer_frames_init(struct peer_frames *frames, size_t max)
{
	*frames = (struct peer_frames){ .max = max };
	buf_init(&frames->in, SIZE_MAX / 2);
}

void peer_frames_fini(struct peer_frames *frames)
{
	buf_fini(&frames->in);
}

bool peer_frames_add(struct peer_frames *frames, struct str bytes)
{
	if (frames->used > 0) {
		buf_consume(&frames->in, frames->used);
		frames->used = 0;
	}
	buf_add(&frames->in, bytes);
	return frames->in.error == 0;
}

static bool frame_open(struct peer_seal *seal, struct str whole, struct str *body)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	size_t size = whole.len - PEER_SEAL_SIZE;

	if (!seal_make(seal, str_first(whole, size), bytes) ||
	    CRYPTO_memcmp(bytes, whole.ptr + size, PEER_SEAL_SIZE) != 0)
		return false;
	seal->n_frames++;
	body->len -= PEER_SEAL_SIZE;
	return true;
}

enum peer_frames_step peer_frames_next(struct peer_frames *frames, struct peer_seal *seal,
				       struct peer_frame *ret_frame)
{
	struct str have = str_skip(buf_str(&frames->in), frames->used);
	size_t size_min = 1 + (seal->on ? PEER_SEAL_SIZE : 0);
	uint64_t size;

	if (have.len < 4)
		return PEER_FRAMES_MORE;
	size = number_read(have.ptr, 4);
	if (size < size_min || size > frames->max)
		return PEER_FRAMES_BAD;
	if (have.len < 4 + size)
		return PEER_FRAMES_MORE;
	have = str_first(have, 4 + (size_t)size);
	ret_frame->type = (enum peer_frame_type)(uint8_t)have.ptr[4];
	ret_frame->body = str_skip(have, PEER_HEAD_SIZE);
	if (seal->on && !frame_open(seal, have, &ret_frame->body))
		return PEER_FRAMES_BAD;
	frames->used += have.len;
	return PEER_FRAMES_FRAME;
}

/* ------------------------------------------------------------ messages and answers */

void peer_message_write(const struct peer_message *message, struct buf *out)
{
	peer_put(out, message->id, 8);
	peer_put(out, message->timeout_ms, 4);
	peer_put(out, message->asks ? FLAG_ASKS : 0, 1);
	peer_put_text(out, message->actor, 2);
	peer_put_text(out, message->handler, 2);
	peer_put_text(out, message->sender, 2);
	peer_put_text(out, message->sender_id, 2);
	buf_add(out, message->value);
}

void peer_message_stamp(char *body, uint64_t id, uint32_t timeout_ms)
{
	number_write(body, id, 8);
	number_write(body + 8, timeout_ms, 4);
}

bool peer_message_read(struct str body, struct peer_message *ret_message)
{
	struct peer_fields fields = { body, false };

	ret_message->id = peer_get(&fields, 8);
	ret_message->timeout_ms = (uint32_t)peer_get(&fields, 4);
	ret_message->asks = peer_get(&fields, 1) & FLAG_ASKS;
	ret_message->actor = peer_get_text(&fields, 2);
	ret_message->handler = peer_get_text(&fields, 2);
	ret_message->sender = peer_get_text(&fields, 2);
	ret_message->sender_id = peer_get_text(&fields, 2);
	ret_message->value = fields.rest;
	return !fields.bad;
}

void peer_answer_write(const struct peer_answer *answer, struct buf *out)
{
	peer_put(out, answer->id, 8);
	peer_put(out, answer->status, 2);
	peer_put_text(out, answer->code, 1);
	peer_put_text(out, answer->custom, 2);
	peer_put_text(out, answer->detail, 2);
	buf_add(out, answer->value);
}

bool peer_answer_read(struct str body, struct peer_answer *ret_answer)
{
	struct peer_fields fields = { body, false };

	ret_answer->id = peer_get(&fields, 8);
	ret_answer->status = (uint16_t)peer_get(&fields, 2);
	ret_answer->code = peer_get_text(&fields, 1);
	ret_answer->custom = peer_get_text(&fields, 2);
	ret_answer->detail = peer_get_text(&fields, 2);
	ret_answer->value = fields.rest;
	return !fields.bad;
}
