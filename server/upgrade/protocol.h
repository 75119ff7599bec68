/* server/upgrade/protocol.h: what the process that serves and the one that takes its place say to each other.
 *
 *   serving                            replacing
 *      |---- KEYS (of TLS tickets) ------->|     at once
 *      |                                   |     loads, checks, opens
 *      |<---------- ERROR text ------------|     and ends: nothing has changed
 *      |<---------- SERVING version -------|     it accepts, from the same sockets
 *   MAINPID= to systemd                    |
 *      |---- MAIN ------------------------>|     READY=1 to systemd
 *   drains, ends                           |
 *
 * Packets of a SOCK_SEQPACKET pair; the first byte is the kind, unknown kinds are ignored: the two may be of
 * different versions. An end before MAIN is the other's failure. The pair is open as long as both live. */
#pragma once

enum {
	UPGRADE_KEYS = 'K',
	UPGRADE_ERROR = 'E',
	UPGRADE_SERVING = 'S',
	UPGRADE_MAIN = 'M',
	UPGRADE_PACKET_MAX = 32 << 10,
};

/* "LEAT_UPGRADE=SOCKET:STDERR": two descriptors. Standard error is a pipe while the process starts, so that
 * whoever asked for the upgrade sees what a program says that does not even come to its main(). */
#define UPGRADE_VARIABLE "LEAT_UPGRADE"
