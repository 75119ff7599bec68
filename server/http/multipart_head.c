/* server/http/multipart_head.c
 *
 * Names are decoded as the Fetch standard says browsers encode them: %22, %0D and %0A stand for a
 * quote, CR and LF, and any other % for itself. Older programs wrote \" and \\ instead; any other
 * backslash is one, as in C:\a.txt. filename* is not looked at (RFC 7578 §4.2). */
#include "server/http/multipart_head.h"
#include "server/http/grammar.h"
#include "server/http/parameters.h"

struct fields {
	struct str disposition, type, encoding; /* ptr NULL: not there */
};

static const char *field_set(struct str *field, struct str value)
{
	if (field->ptr)
		return "a field of a part is there twice";
	*field = value;
	return NULL;
}

static const char *field_read(struct fields *fields, struct str line)
{
	const char *end = line.ptr + line.len, *colon = http_skip(line.ptr, end, CHAR_TOKEN);
	struct str name = str_range(line.ptr, colon), value;

	if (name.len == 0 || colon == end || *colon != ':' ||
	    http_find_control(line.ptr, end) != end)
		return "a field of a part is malformed";
	value = http_trim(colon + 1, end);
	if (str_eq_nocase(name, STR("content-disposition")))
		return field_set(&fields->disposition, value);
	if (str_eq_nocase(name, STR("content-type")))
		return field_set(&fields->type, value);
	if (str_eq_nocase(name, STR("content-transfer-encoding")))
		return field_set(&fields->encoding, value);
	return NULL;
}

static const char *fields_read(struct fields *fields, struct str head)
{
	const char *problem = NULL;

	while (!problem) {
		ptrdiff_t end = str_find(head, STR("\r\n"));

		if (end <= 0)
			break;
		problem = field_read(fields, str_first(head, (size_t)end));
		head = str_skip(head, (size_t)end + 2);
	}
	return problem;
}

/* The byte that "%22", "%0D" or "%0A" stands for, or -1. */
static int decode_percent(struct str text, size_t at)
{
	static const struct {
		const char *escape;
		char c;
	} escapes[] = { { "%22", '"' }, { "%0d", '\r' }, { "%0a", '\n' } };

	for (size_t i = 0; i < 3 && text.len - at >= 3; i++)
		if (str_eq_nocase((struct str){ text.ptr + at, 3 }, str_of(escapes[i].escape)))
			return escapes[i].c;
	return -1;
}

/* In place: what is decoded is never longer. */
static struct str name_decode(struct http_parameter parameter)
{
	char *out = (char *)(uintptr_t)parameter.value.ptr;
	struct str text = parameter.value;
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int escaped = decode_percent(text, i);

		if (escaped >= 0) {
			out[len++] = (char)escaped;
			i += 2;
			continue;
		}
		if (parameter.quoted && text.ptr[i] == '\\' && i + 1 < text.len &&
		    (text.ptr[i + 1] == '"' || text.ptr[i + 1] == '\\'))
			i++;
		out[len++] = text.ptr[i];
	}
	return (struct str){ text.ptr, len };
}

/* What is behind the last slash of either kind: no file has more of a name here. */
static struct str name_without_folders(struct str name)
{
	size_t from = name.len;

	while (from > 0 && name.ptr[from - 1] != '/' && name.ptr[from - 1] != '\\')
		from--;
	return str_skip(name, from);
}

static const char *disposition_read(struct multipart *multipart, struct str text)
{
	struct http_parameter parameter;
	int r;

	if (!text.ptr || !str_eq_nocase(http_parameters_begin(&text), STR("form-data")))
		return "a part without a Content-Disposition of form-data";
	while ((r = http_parameters_next(&text, &parameter)) > 0) {
		bool name = str_eq_nocase(parameter.name, STR("name"));
		struct str *to = name ? &multipart->name : &multipart->filename;

		if (!name && !str_eq_nocase(parameter.name, STR("filename")))
			continue;
		if (to->ptr)
			return "a part with two names";
		*to = name_decode(parameter);
		if (!str_is_utf8(*to))
			return "a part whose name is not UTF-8";
	}
	if (r < 0)
		return "a malformed Content-Disposition";
	if (!multipart->name.ptr)
		return "a part without a name";
	if (multipart->filename.ptr)
		multipart->filename = name_without_folders(multipart->filename);
	return NULL;
}

/* RFC 7578 §4.7: nobody sends these any more, and they would have to be decoded. */
static bool encoding_is_none(struct str encoding)
{
	return !encoding.ptr || str_eq_nocase(encoding, STR("binary")) ||
	       str_eq_nocase(encoding, STR("8bit")) || str_eq_nocase(encoding, STR("7bit"));
}

const char *multipart_head_read(struct multipart *multipart)
{
	struct fields fields = { 0 };
	const char *problem =
		fields_read(&fields, (struct str){ multipart->head, multipart->head_len });

	multipart->name = multipart->filename = STR_NONE;
	multipart->type = fields.type.len ? fields.type : STR("text/plain");
	if (problem)
		return problem;
	if (!encoding_is_none(fields.encoding))
		return "a Content-Transfer-Encoding; send the part as it is";
	return disposition_read(multipart, fields.disposition);
}

/* ------------------------------------------------------------ the boundary */

static bool is_boundary(struct str text)
{
	if (text.len == 0 || text.len > MULTIPART_BOUNDARY_MAX || text.ptr[text.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (!char_is_alpha(c) && !char_is_digit(c) &&
		    (c == '\0' || !strchr("'()+_,-./:=? ", c)))
			return false;
	}
	return true;
}

struct str multipart_boundary(struct str content_type)
{
	struct http_parameter parameter;
	struct str boundary = STR_NONE;
	int r;

	http_parameters_begin(&content_type);
	while ((r = http_parameters_next(&content_type, &parameter)) > 0) {
		if (!str_eq_nocase(parameter.name, STR("boundary")))
			continue;
		if (boundary.ptr || !is_boundary(parameter.value))
			return STR_NONE;
		boundary = parameter.value;
	}
	return r < 0 ? STR_NONE : boundary;
}
