/* server/reply_tag.c: the ETag of a body. */
#include "server/reply.h"
#include <openssl/evp.h>

bool reply_add_tag(struct arena *arena, struct reply *reply)
{
	enum { TAG_BYTES = 16 };
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct buf tag;

	if (!EVP_Digest(reply->body.len ? reply->body.ptr : "", reply->body.len, digest, NULL,
			EVP_sha256(), NULL))
		return false;
	buf_init_arena(&tag, arena);
	buf_add_char(&tag, '"');
	for (size_t i = 0; i < TAG_BYTES; i++)
		buf_printf(&tag, "%02x", digest[i]);
	buf_add_char(&tag, '"');
	reply->fields[reply->n_fields++] = (struct http_field){ STR("ETag"), buf_str(&tag) };
	return !tag.error;
}
