/* server/expr/fn_code.c: JSON, base64, hexadecimal, hashes, percent-encoding. */
#include "core/base/base64.h"
#include "server/expr/functions.h"
#include "server/expr/json.h"
#include "server/expr/percent.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int fn_parse_json(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct json_error error;
	struct str text;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r < 0)
		return r;
	r = json_read(text, env->arena, ret, &error);
	if (r == -EINVAL)
		return expr_fail(env, "takes a JSON text, but at byte %zu %s", error.offset,
				 error.what);
	return r;
}

int fn_to_json(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct buf out;

	(void)n_args;
	buf_init_arena(&out, env->arena);
	value_write_json(args[0], &out);
	return fn_give_buf(&out, ret);
}

int fn_base64(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text;
	char *out;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r == 0)
		r = fn_give_text(env, base64_encoded_size(text.len), &out, ret);
	if (r < 0)
		return r;
	base64_encode(text, out);
	return 0;
}

int fn_base64_decode(struct expr_env *env, const struct value *args, size_t n_args,
		     struct value *ret)
{
	struct str text;
	char *out;
	bool ok;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r < 0)
		return r;
	ok = base64_strip_padding(&text);
	r = fn_give_text(env, base64_size(text.len), &out, ret);
	if (r < 0)
		return r;
	return ok && base64_decode(text, BASE64_EITHER, out)
		       ? 0
		       : expr_fail(env, "takes a text in base64");
}

static int give_hex(struct expr_env *env, struct str bytes, struct value *ret)
{
	static const char digits[] = "0123456789abcdef";
	char *out;
	int r = fn_give_text(env, 2 * bytes.len, &out, ret);

	for (size_t i = 0; r == 0 && i < bytes.len; i++) {
		*out++ = digits[(unsigned char)bytes.ptr[i] >> 4];
		*out++ = digits[(unsigned char)bytes.ptr[i] & 15];
	}
	return r;
}

int fn_hex(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	return r < 0 ? r : give_hex(env, text, ret);
}

int fn_sha256(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size;
	struct str text;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r < 0)
		return r;
	if (!EVP_Digest(text.len ? text.ptr : "", text.len, digest, &size, EVP_sha256(), NULL))
		return -ENOMEM;
	return give_hex(env, (struct str){ (const char *)digest, size }, ret);
}

int fn_hmac_sha256(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size;
	struct str key, text;
	int r = fn_take_text(env, args[0], &key);

	(void)n_args;
	if (r == 0)
		r = fn_take_text(env, args[1], &text);
	if (r < 0)
		return r;
	if (key.len > INT32_MAX)
		return expr_fail(env, "takes a shorter key");
	if (!HMAC(EVP_sha256(), key.len ? key.ptr : "", (int)key.len,
		  (const unsigned char *)(text.len ? text.ptr : ""), text.len, digest, &size))
		return -ENOMEM;
	return give_hex(env, (struct str){ (const char *)digest, size }, ret);
}

int fn_url_encode(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str text;
	struct buf out;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r < 0)
		return r;
	buf_init_arena(&out, env->arena);
	percent_encode(text, &out);
	return fn_give_buf(&out, ret);
}
