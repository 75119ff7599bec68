/* server/http/multipart.h: bodies of multipart/form-data (RFC 7578, RFC 2046 §5.1), as they come.
 *
 * One reading: what is malformed is refused, and so is a line that begins as a delimiter and goes
 * on as something else. The verdict, the parts and their bytes do not depend on how the bytes were cut.
 * Nothing is allocated. */
#pragma once
#include "core/base/str.h"

enum {
	MULTIPART_BOUNDARY_MAX = 70,
	MULTIPART_HEAD_MAX = 4096, /* bytes of one part's fields */
};

enum multipart_event {
	MULTIPART_MORE,     /* all bytes are used */
	MULTIPART_PART,     /* a part begins: its name, filename and type are known */
	MULTIPART_DATA,     /* bytes of the part */
	MULTIPART_PART_END, /* the part is whole */
	MULTIPART_BAD, /* malformed: multipart.status and .problem; there is nothing after it */
};

struct multipart {
	/* Of the part at hand, until the next MULTIPART_PART; UTF-8. */
	struct str name;
	struct str filename; /* without folders; ptr NULL: it is a field, not a file */
	struct str type;     /* its Content-Type, or "text/plain" */

	int status;          /* of MULTIPART_BAD: 400, or 413: too many parts */
	const char *problem; /* for people */

	/* the rest is the parser's */
	uint8_t state;
	bool assumed; /* the CR LF before the delimiter was not among this part's bytes */
	bool whole;   /* the last delimiter was read */
	uint8_t delimiter_len, n_matched;
	uint16_t head_len;
	uint32_t n_parts, parts_max;
	char delimiter[4 + MULTIPART_BOUNDARY_MAX];
	char head[MULTIPART_HEAD_MAX];
};

/* The boundary in a Content-Type, a slice of it; ptr NULL: there is none, or two, or one that is no
 * boundary (RFC 2046 §5.1.1; it has no escapes, as none of its bytes need any). */
struct str multipart_boundary(struct str content_type);

/* `boundary` is as multipart_boundary() gives it. */
void multipart_init(struct multipart *multipart, struct str boundary, uint32_t parts_max);

/* Reads on. *ret_used bytes were used (all of them when it is MULTIPART_MORE); MULTIPART_DATA's bytes
 * are in *ret_data, and live until the next call. */
enum multipart_event multipart_read(struct multipart *multipart, struct str bytes, size_t *ret_used,
				    struct str *ret_data);

/* Whether the body may end here: behind the last delimiter. */
bool multipart_is_whole(const struct multipart *multipart);
