/* core/base/base64.h: reading base64 (RFC 4648), strictly.
 *
 * A text has one meaning and a meaning one text: no white space, no other characters, and the bits
 * behind the last byte are 0. */
#pragma once
#include "core/base/str.h"

enum base64_digits {
	BASE64_STANDARD = 1, /* + and / */
	BASE64_URL = 2,      /* - and _ */
	BASE64_EITHER = 3,
};

/* Takes the padding off the end. False when there is some and it does not fit: the text is no
 * base64. */
bool base64_strip_padding(struct str *text);

/* How many bytes so many digits give. */
static inline size_t base64_size(size_t n_digits)
{
	return n_digits / 4 * 3 + n_digits % 4 * 3 / 4;
}

/* How many digits so many bytes give, with padding. */
static inline size_t base64_encoded_size(size_t n_bytes)
{
	return (n_bytes + 2) / 3 * 4;
}

/* The usual digits, with padding, into `out`, which has room for base64_encoded_size() of them. */
void base64_encode(struct str bytes, char *out);

/* Decodes digits without padding into `out`, which has room for base64_size() of them. False when
 * they are not what they should be. */
bool base64_decode(struct str digits, enum base64_digits kind, char *out);
