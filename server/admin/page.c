/* server/admin/page.c: the status page at /: one file with its script and style, inside the program.
 *
 * It only reads. What it may do is bound by its policy: no other host, no script or style but its own,
 * which are named by their hashes. */
#include "server/admin/admin.h"
#include <openssl/evp.h>
#include <openssl/sha.h>

/* The Makefile says that this object depends on it. */
__asm__(".section .rodata\n"
	".global leat_page\n"
	".global leat_page_end\n"
	"leat_page:\n"
	".incbin \"server/admin/page.html\"\n"
	"leat_page_end:\n"
	".byte 0\n"
	".previous\n");

extern const char leat_page[], leat_page_end[];

/* What stands between <tag> and </tag>, which is there once. */
static struct str page_part(struct str page, struct str open, struct str close)
{
	ptrdiff_t from = str_find(page, open), to = str_find(page, close);

	check(from >= 0 && to > from);
	return str_range(page.ptr + from + open.len, page.ptr + to);
}

static void page_add_hash(struct str part, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH], text[4 * SHA256_DIGEST_LENGTH / 3 + 8];

	SHA256((const unsigned char *)part.ptr, part.len, digest);
	buf_add(out, STR("'sha256-"));
	EVP_EncodeBlock(text, digest, sizeof(digest));
	buf_add(out, str_of((const char *)text));
	buf_add(out, STR("'"));
}

static struct str page_policy(struct str page, struct arena *arena)
{
	struct buf out;

	buf_init_arena(&out, arena);
	buf_add(&out, STR("default-src 'none'; connect-src 'self'; base-uri 'none'; form-action "
			  "'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
			  "script-src "));
	page_add_hash(page_part(page, STR("<script>"), STR("</script>")), &out);
	buf_add(&out, STR("; style-src "));
	page_add_hash(page_part(page, STR("<style>"), STR("</style>")), &out);
	return out.error ? STR_NONE : buf_str(&out);
}

void admin_page(struct request *request)
{
	struct str page = str_range(leat_page, leat_page_end);
	struct http_field *fields = arena_alloc_array(&request->arena, 4, sizeof(*fields));
	struct reply reply = { .status = 200,
			       .content_type = STR("text/html; charset=utf-8"),
			       .body = page,
			       .fields = fields,
			       .n_fields = 4 };

	if (!fields) {
		request_reply(request, reply_refusal(503));
		return;
	}
	fields[0] = (struct http_field){ STR("Content-Security-Policy"),
					 page_policy(page, &request->arena) };
	fields[1] = (struct http_field){ STR("X-Content-Type-Options"), STR("nosniff") };
	fields[2] = (struct http_field){ STR("Referrer-Policy"), STR("no-referrer") };
	fields[3] = (struct http_field){ STR("Cache-Control"), STR("no-store") };
	request_reply(request, fields[0].value.ptr ? &reply : reply_refusal(503));
}
