/* server/http/multipart.c
 *
 *   PREAMBLE --> AFTER --> HEAD --> DATA --> AFTER ... --> EPILOGUE
 *
 *   PREAMBLE  what stands before the first delimiter; it is dropped
 *   AFTER     a delimiter was read: padding and the end of its line, or "--" (CLOSE) must follow
 *   HEAD      the fields of a part, up to an empty line
 *   DATA      the part's bytes
 *   CLOSE     behind the last delimiter: padding, then the end of the line or of the body
 *   EPILOGUE  whatever stands behind; it is dropped
 *
 * A delimiter is CR LF "--" boundary, and CR is nowhere else in it. So the bytes that began to match
 * and then did not are data, and matching begins anew with the byte that differed. At the start of
 * the body, and behind the empty line of a head, the CR LF of what stands before counts. */
#include "server/http/multipart.h"
#include "core/base/check.h"
#include "server/http/grammar.h"
#include "server/http/multipart_head.h"
#include "server/http/parameters.h"

enum state {
	STATE_PREAMBLE,
	STATE_AFTER,
	STATE_AFTER_DASH, /* one '-' of the last delimiter's two */
	STATE_PADDING,
	STATE_LINE_END, /* behind the CR of a delimiter's line */
	STATE_HEAD,
	STATE_DATA,
	STATE_CLOSE,
	STATE_CLOSE_LINE_END,
	STATE_EPILOGUE,
	STATE_BAD,
};

/* What a step came to; the first is "go on". */
enum { GO_ON = -1 };

void multipart_init(struct multipart *multipart, struct str boundary, uint32_t parts_max)
{
	check(boundary.len > 0 && boundary.len <= MULTIPART_BOUNDARY_MAX);
	multipart->name = multipart->filename = multipart->type = STR_NONE;
	multipart->state = STATE_PREAMBLE;
	multipart->whole = false;
	multipart->n_parts = 0;
	multipart->parts_max = parts_max;
	multipart->head_len = 0;
	multipart->n_matched = 2;
	multipart->assumed = true;
	memcpy(multipart->delimiter, "\r\n--", 4);
	memcpy(multipart->delimiter + 4, boundary.ptr, boundary.len);
	multipart->delimiter_len = (uint8_t)(4 + boundary.len);
}

bool multipart_is_whole(const struct multipart *multipart)
{
	return multipart->whole;
}

static int multipart_fail(struct multipart *multipart, int status, const char *problem)
{
	multipart->state = STATE_BAD;
	multipart->whole = false;
	multipart->status = status;
	multipart->problem = problem;
	return MULTIPART_BAD;
}

/* ------------------------------------------------------------ content */

/* Matches the delimiter against the bytes from *at. Returns the bytes that are content, if any:
 * a run without CR, or what began as a delimiter. *ret_found: the delimiter is whole. */
static struct str content_step(struct multipart *multipart, struct str bytes, size_t *at,
			       bool *ret_found)
{
	const char *from = bytes.ptr + *at, *end = bytes.ptr + bytes.len, *cr;
	struct str began;

	if (multipart->n_matched == 0) {
		cr = memchr(from, '\r', (size_t)(end - from));
		cr = cr ? cr : end;
		*at += (size_t)(cr - from);
		if (cr < end) {
			multipart->n_matched = 1;
			multipart->assumed = false;
			(*at)++;
		}
		return str_range(from, cr);
	}
	while (*at < bytes.len && bytes.ptr[*at] == multipart->delimiter[multipart->n_matched]) {
		(*at)++;
		if (++multipart->n_matched == multipart->delimiter_len) {
			multipart->n_matched = 0;
			*ret_found = true;
			return STR_NONE;
		}
	}
	if (*at == bytes.len)
		return STR_NONE;
	began = (struct str){ multipart->delimiter, multipart->n_matched };
	if (multipart->assumed)
		began = str_skip(began, 2);
	multipart->n_matched = 0;
	return began;
}

/* What begins a part's bytes, or the body's: only the boundary is still to come. */
static void content_begin(struct multipart *multipart, enum state state)
{
	multipart->state = (uint8_t)state;
	multipart->n_matched = 2;
	multipart->assumed = true;
}

static int step_content(struct multipart *multipart, struct str bytes, size_t *at,
			struct str *ret_data)
{
	bool found = false, part = multipart->state == STATE_DATA;
	struct str data = content_step(multipart, bytes, at, &found);

	if (found) {
		multipart->state = STATE_AFTER;
		return part ? MULTIPART_PART_END : GO_ON;
	}
	if (data.len == 0 || !part)
		return GO_ON;
	*ret_data = data;
	return MULTIPART_DATA;
}

/* ------------------------------------------------------------ the line of a delimiter */

static int step_delimiter(struct multipart *multipart, char c)
{
	static const char *const junk = "a line that begins as a delimiter and is none";

	switch ((enum state)multipart->state) {
	case STATE_AFTER:
		multipart->state = c == '-' ? STATE_AFTER_DASH : STATE_PADDING;
		if (c == '-')
			return GO_ON;
		__attribute__((fallthrough));
	case STATE_PADDING:
		if (c == '\r')
			multipart->state = STATE_LINE_END;
		else if (c != ' ' && c != '\t')
			return multipart_fail(multipart, 400, junk);
		return GO_ON;
	case STATE_AFTER_DASH:
		if (c != '-')
			return multipart_fail(multipart, 400, junk);
		multipart->state = STATE_CLOSE;
		multipart->whole = true;
		return GO_ON;
	case STATE_LINE_END:
		if (c != '\n')
			return multipart_fail(multipart, 400, junk);
		if (multipart->n_parts == multipart->parts_max)
			return multipart_fail(multipart, 413, "too many parts");
		multipart->n_parts++;
		multipart->state = STATE_HEAD;
		multipart->head_len = 0;
		return GO_ON;
	case STATE_CLOSE:
		if (c == '\r') {
			multipart->state = STATE_CLOSE_LINE_END;
			multipart->whole = false;
		} else if (c != ' ' && c != '\t') {
			return multipart_fail(multipart, 400, junk);
		}
		return GO_ON;
	case STATE_CLOSE_LINE_END:
		if (c != '\n')
			return multipart_fail(multipart, 400, junk);
		multipart->state = STATE_EPILOGUE;
		multipart->whole = true;
		return GO_ON;
	case STATE_PREAMBLE:
	case STATE_HEAD:
	case STATE_DATA:
	case STATE_EPILOGUE:
	case STATE_BAD:
		break;
	}
	unreachable();
}

/* ------------------------------------------------------------ heads */

/* One byte of a part's head. The head is whole behind an empty line. */
static int step_head(struct multipart *multipart, char c)
{
	size_t len = multipart->head_len;
	const char *problem;

	if (len == MULTIPART_HEAD_MAX)
		return multipart_fail(multipart, 400, "the fields of a part are too long");
	multipart->head[len++] = c;
	multipart->head_len = (uint16_t)len;
	if (c != '\n' || len < 2 || multipart->head[len - 2] != '\r')
		return GO_ON;
	if (len > 2 && (multipart->head[len - 3] != '\n'))
		return GO_ON;
	problem = multipart_head_read(multipart);
	if (problem)
		return multipart_fail(multipart, 400, problem);
	content_begin(multipart, STATE_DATA);
	return MULTIPART_PART;
}

enum multipart_event multipart_read(struct multipart *multipart, struct str bytes, size_t *ret_used,
				    struct str *ret_data)
{
	size_t at = 0;
	int event = GO_ON;

	while (event == GO_ON && at < bytes.len) {
		switch ((enum state)multipart->state) {
		case STATE_PREAMBLE:
		case STATE_DATA:
			event = step_content(multipart, bytes, &at, ret_data);
			break;
		case STATE_HEAD:
			event = step_head(multipart, bytes.ptr[at++]);
			break;
		case STATE_AFTER:
		case STATE_AFTER_DASH:
		case STATE_PADDING:
		case STATE_LINE_END:
		case STATE_CLOSE:
		case STATE_CLOSE_LINE_END:
			event = step_delimiter(multipart, bytes.ptr[at++]);
			break;
		case STATE_EPILOGUE:
			at = bytes.len;
			break;
		case STATE_BAD:
			event = MULTIPART_BAD;
			break;
		}
	}
	*ret_used = at;
	return event == GO_ON ? MULTIPART_MORE : (enum multipart_event)event;
}
