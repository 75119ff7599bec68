/* server/http/libprocess.c */
#include "server/http/libprocess.h"

/* ------------------------------------------------------------ who */

static bool char_is_control(char c)
{
	return (unsigned char)c < ' ' || c == '\x7f';
}

static bool pid_is_visible(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == ' ' || char_is_control(text.ptr[i]))
			return false;
	return str_is_utf8(text);
}

/* "host:port" or "[ip6]:port". */
static bool pid_read_addr(struct str addr, struct libprocess_pid *pid)
{
	size_t colon = addr.len;
	uint64_t port;

	while (colon > 0 && addr.ptr[colon - 1] != ':')
		colon--;
	if (colon < 2 || !http_is_host(addr) || str_to_u64(str_skip(addr, colon), &port) < 0 ||
	    port == 0 || port > UINT16_MAX)
		return false;
	pid->host = str_first(addr, colon - 1);
	pid->port = (uint16_t)port;
	if (pid->host.ptr[0] != '[')
		return !str_has(pid->host, ':');
	pid->host = str_skip(str_first(pid->host, pid->host.len - 1), 1);
	return true;
}

bool libprocess_pid_read(struct str text, struct libprocess_pid *ret_pid)
{
	ptrdiff_t at = str_find_char(text, '@');
	struct libprocess_pid pid;

	if (at < 1 || at > LIBPROCESS_ID_MAX || !pid_is_visible(text))
		return false;
	pid.id = str_first(text, (size_t)at);
	if (!pid_read_addr(str_skip(text, (size_t)at + 1), &pid))
		return false;
	*ret_pid = pid;
	return true;
}

/* ------------------------------------------------------------ reading */

#define AGENT STR("libprocess/")

static const struct http_field *message_agent(const struct http_head *head)
{
	const struct http_field *agent = http_head_find(head, STR("user-agent"));

	return agent && str_starts_with(agent->value, AGENT) ? agent : NULL;
}

bool libprocess_is_message(const struct http_head *head)
{
	return head->method_id == HTTP_POST &&
	       (http_head_find(head, STR("libprocess-from")) || message_agent(head));
}

/* Libprocess-From wins, also when it says nothing that can be read. */
static struct str message_from(const struct http_head *head)
{
	const struct http_field *field = http_head_find(head, STR("libprocess-from"));
	struct libprocess_pid pid;
	struct str from = STR("");

	if (field)
		from = field->value;
	else if ((field = message_agent(head)))
		from = str_skip(field->value, AGENT.len);
	return libprocess_pid_read(from, &pid) ? from : STR("");
}

bool libprocess_read(const struct http_head *head, struct libprocess_message *ret_message)
{
	struct str rest = str_skip(head->path, 1);
	ptrdiff_t slash = str_find_char(rest, '/');

	if (!str_starts_with(head->path, STR("/")))
		return false;
	*ret_message = (struct libprocess_message){ .to = rest, .name = STR("") };
	if (slash >= 0) {
		ret_message->to = str_first(rest, (size_t)slash);
		ret_message->name = str_skip(rest, (size_t)slash + 1);
	}
	ret_message->from = message_from(head);
	return true;
}

/* ------------------------------------------------------------ writing */

static bool char_is_plain(char c)
{
	return char_is_alpha(c) || char_is_digit(c) || (c && strchr("-._~", c));
}

/* RFC 3986's pchar without the escapes, and without the '@' that ends an id. */
static bool char_is_right(char c)
{
	return char_is_plain(c) || (c && strchr("!$&'()*+,;=:", c));
}

/* "." and ".." would be taken out of the path. */
static bool part_is_dots(struct str part)
{
	return str_eq(part, STR(".")) || str_eq(part, STR(".."));
}

bool libprocess_id_is_right(struct str id)
{
	if (id.len == 0 || id.len > LIBPROCESS_ID_MAX || part_is_dots(id))
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (char_is_control(id.ptr[i]))
			return false;
		if (id.ptr[i] == '%' &&
		    (id.len - i < 3 || char_hex(id.ptr[i + 1]) < 0 || char_hex(id.ptr[i + 2]) < 0))
			return false;
	}
	return true;
}

bool libprocess_name_is_right(struct str name)
{
	struct str rest = name, part;

	if (name.len == 0 || name.len > LIBPROCESS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!char_is_right(name.ptr[i]) && name.ptr[i] != '/' && name.ptr[i] != '@')
			return false;
	while (str_next_part(&rest, '/', &part))
		if (part_is_dots(part))
			return false;
	return true;
}

static void char_escape(char c, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_add_char(out, '%');
	buf_add_char(out, digits[(unsigned char)c >> 4]);
	buf_add_char(out, digits[(unsigned char)c & 15]);
}

void libprocess_write_id(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		if (char_is_plain(text.ptr[i]))
			buf_add_char(out, text.ptr[i]);
		else
			char_escape(text.ptr[i], out);
}

/* A receiver decodes it, and takes a '+' for a space. Escapes that are there stay. */
static void letter_write_to(struct str to, struct buf *out)
{
	for (size_t i = 0; i < to.len; i++)
		if ((char_is_right(to.ptr[i]) && to.ptr[i] != '+') || to.ptr[i] == '%')
			buf_add_char(out, to.ptr[i]);
		else
			char_escape(to.ptr[i], out);
}

void libprocess_write(const struct libprocess_letter *letter, struct buf *out)
{
	buf_add(out, STR("POST /"));
	letter_write_to(letter->to, out);
	buf_printf(out,
		   "/%.*s HTTP/1.1\r\n"
		   "User-Agent: libprocess/%.*s@%.*s\r\n"
		   "Libprocess-From: %.*s@%.*s\r\n"
		   "Connection: Keep-Alive\r\n"
		   "Host: %.*s\r\n",
		   STR_ARG(letter->name), STR_ARG(letter->from), STR_ARG(letter->from_addr),
		   STR_ARG(letter->from), STR_ARG(letter->from_addr), STR_ARG(letter->to_addr));
	if (letter->body.len == 0) {
		buf_add(out, STR("\r\n"));
		return;
	}
	buf_printf(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", letter->body.len);
	buf_add(out, letter->body);
	buf_add(out, STR("\r\n0\r\n\r\n"));
}
