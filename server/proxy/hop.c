/* server/proxy/hop.c: fields that end with the connection they came by. */
#include "server/http/fields.h"
#include "server/proxy/passing.h"

bool hop_names_read(const struct http_field *fields, size_t n_fields, struct hop_names *ret_names)
{
	ret_names->n = 0;
	for (size_t i = 0; i < n_fields; i++) {
		struct str rest = fields[i].value;

		if (!str_eq_nocase(fields[i].name, STR("connection")))
			continue;
		while (rest.len > 0) {
			ptrdiff_t comma = str_find_char(rest, ',');
			size_t len = comma < 0 ? rest.len : (size_t)comma;
			struct str name = str_trim(str_first(rest, len));

			rest = str_skip(rest, MIN(len + 1, rest.len));
			if (name.len == 0)
				continue;
			if (ret_names->n == HOP_NAMES_MAX)
				return false;
			ret_names->names[ret_names->n++] = name;
		}
	}
	return true;
}

bool hop_names_have(const struct hop_names *names, struct str name, bool trailers)
{
	static const struct str always[] = {
		STR_INIT("connection"),
		STR_INIT("keep-alive"),
		STR_INIT("proxy-connection"),
		STR_INIT("proxy-authorization"),
		STR_INIT("proxy-authenticate"),
		STR_INIT("te"),
		STR_INIT("transfer-encoding"),
		STR_INIT("content-length"),
		STR_INIT("upgrade"),
		STR_INIT("http2-settings"),
	};

	if (!trailers && str_eq_nocase(name, STR("trailer")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (http_names_alike(name, always[i]))
			return true;
	return hop_names_name(names, name);
}

bool hop_names_name(const struct hop_names *names, struct str name)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_eq_nocase(name, names->names[i]))
			return true;
	return false;
}
