/* server/log_journal.h: lines as entries of systemd's journal, by its native protocol
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL). Internal to the logger.
 *
 * Beside MESSAGE, which is the line as it would be written to stderr, each of its pairs is a field:
 * "status=500" is LEAT_STATUS=500, so that `journalctl LEAT_STATUS=500` finds it. */
#pragma once
#include "core/base/buf.h"
#include "server/log_ring.h"

/* A descriptor, or -1: there is no journal. */
int log_journal_open(void);

/* Appends the entry. `json`: of the line that is its MESSAGE. */
void log_journal_write(bool json, const struct log_record *record, struct str text,
		       struct buf *entry);

/* False when the journal does not take it now: then it is to be written to stderr. */
bool log_journal_send(int fd, bool json, const struct log_record *record, struct str text);
