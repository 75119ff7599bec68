/* server/log_journal.c */
#include "server/log_journal.h"
#include "core/io/net.h"
#include "server/log_line.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
enum { JOURNAL_WAIT_MS = 200, JOURNAL_NAME_MAX = 58 /* 64 with LEAT_ */, ENTRY_MAX = 64 << 10 };

int log_journal_open(void)
{
	const struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		fd_close(&fd);
	return fd;
}

/* ------------------------------------------------------------ an entry */

/* With its length in front where it has more than one line. */
static void journal_add_value(struct str value, struct buf *entry)
{
	if (str_has(value, '\n')) {
		buf_add_char(entry, '\n');
		for (unsigned shift = 0; shift < 64; shift += 8)
			buf_add_char(entry, (char)((uint64_t)value.len >> shift & 0xff));
	} else {
		buf_add_char(entry, '=');
	}
	buf_add(entry, value);
	buf_add_char(entry, '\n');
}

static void journal_add_pair(struct str key, struct str value, struct buf *entry)
{
	char plain[LOG_TEXT_MAX];

	buf_add(entry, STR("LEAT_"));
	for (size_t i = 0; i < MIN(key.len, (size_t)JOURNAL_NAME_MAX); i++) {
		char c = key.ptr[i];

		if (char_is_alpha(c))
			buf_add_char(entry, c >= 'a' ? (char)(c - 32) : c);
		else
			buf_add_char(entry, char_is_digit(c) ? c : '_');
	}
	journal_add_value(log_line_plain(value, plain), entry);
}

void log_journal_write(bool json, const struct log_record *record, struct str text,
		       struct buf *entry)
{
	static const char *const priorities[] = { "3", "4", "6", "7" };
	const struct log_style style = { .json = json, .journal = true };
	struct str line, key, value;
	struct buf message;

	text = str_first(text, LOG_TEXT_MAX);
	buf_init(&message, ENTRY_MAX);
	log_line_write(style, record, text, &message);
	line = str_trim_space(buf_str(&message));
	line = str_skip(line, MIN(line.len, sizeof("<6>") - 1)); /* PRIORITY says it */
	buf_add(entry, STR("SYSLOG_IDENTIFIER=leat\nPRIORITY="));
	buf_add(entry, str_of(priorities[log_line_level(record->kind)]));
	buf_add(entry, STR("\nMESSAGE"));
	journal_add_value(line, entry);
	while (log_line_next_pair(&text, &key, &value))
		journal_add_pair(key, value, entry);
	buf_fini(&message);
}

/* ------------------------------------------------------------ sending */

bool log_journal_send(int fd, bool json, const struct log_record *record, struct str text)
{
	struct pollfd poller = { .fd = fd, .events = POLLOUT };
	struct buf entry;
	ssize_t n = -1;

	buf_init(&entry, ENTRY_MAX);
	log_journal_write(json, record, text, &entry);
	if (!entry.error) {
		n = send(fd, entry.data, entry.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN && poll(&poller, 1, JOURNAL_WAIT_MS) > 0)
			n = send(fd, entry.data, entry.len, MSG_NOSIGNAL);
	}
	buf_fini(&entry);
	return n >= 0;
}
