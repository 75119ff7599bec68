/* tests/fuzz/multipart.c: the first byte says how the rest is cut: the verdict, the parts and their
 * bytes are those of the whole, and of the bytes one by one. */
#include "tests/server/http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size }, type = body;
	struct buf whole, cut, bytes;

	multipart_boundary(type);
	if (size == 0)
		return 0;
	body = str_skip(body, 1);
	buf_init(&whole, SIZE_MAX);
	buf_init(&cut, SIZE_MAX);
	buf_init(&bytes, SIZE_MAX);
	multipart_transcribe(STR("B-B"), body, body.len + 1, &whole);
	multipart_transcribe(STR("B-B"), body, 1 + data[0] % 64, &cut);
	multipart_transcribe(STR("B-B"), body, 1, &bytes);
	check(whole.data && cut.data && bytes.data); /* each ends in a verdict */
	check(str_eq(buf_str(&whole), buf_str(&cut)) && str_eq(buf_str(&whole), buf_str(&bytes)));
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&bytes);
	return 0;
}
