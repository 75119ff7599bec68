/* server/live/event.c */
#include "server/live/event.h"

/* The next line, whichever way it ends (\n, \r\n, \r). False: there is none; a text that ends in a line's
 * end has an empty one behind it. */
static bool event_next_line(struct str *rest, struct str *ret_line)
{
	size_t n = 0;

	if (!rest->ptr)
		return false;
	while (n < rest->len && rest->ptr[n] != '\n' && rest->ptr[n] != '\r')
		n++;
	*ret_line = str_first(*rest, n);
	if (n == rest->len) {
		*rest = STR_NONE;
		return true;
	}
	n += rest->ptr[n] == '\r' && n + 1 < rest->len && rest->ptr[n + 1] == '\n' ? 2 : 1;
	*rest = (struct str){ rest->ptr + n, rest->len - n };
	return true;
}

static char *event_put(char *at, struct str text)
{
	if (text.len)
		memcpy(at, text.ptr, text.len);
	return at + text.len;
}

static char *event_put_line(char *at, struct str field, struct str text)
{
	at = event_put(at, field);
	at = event_put(at, text);
	return event_put(at, STR("\n"));
}

/* What there is for `rest` to be seen as a text of one empty line. */
static struct str event_payload(struct str payload)
{
	return payload.ptr ? payload : STR("");
}

static size_t event_size(struct str id_line, struct str name, struct str payload)
{
	struct str rest = event_payload(payload), line;
	size_t size = id_line.len + 1;

	if (name.len)
		size += name.len + strlen("event: \n");
	while (event_next_line(&rest, &line))
		size += line.len + strlen("data: \n");
	return size;
}

struct packet *event_packet(struct arena_budget *budget, struct str id_line, struct str name,
			    struct str payload)
{
	struct str rest = event_payload(payload), line;
	struct packet *packet;
	char *at;

	packet = packet_create_empty(budget, event_size(id_line, name, payload), &at);
	if (!packet)
		return NULL;
	at = event_put(at, id_line);
	if (name.len)
		at = event_put_line(at, STR("event: "), name);
	while (event_next_line(&rest, &line))
		at = event_put_line(at, STR("data: "), line);
	event_put(at, STR("\n"));
	return packet;
}
