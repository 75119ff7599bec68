/* server/conn_late.h: answers to libprocess' messages, which go out together. Internal to the connection.
 *
 * Its programs read answers only to drop them, and what they have not read when they close resets the
 * connection, under messages that are still on their way. So while there are more messages, answers
 * wait: for the end of what there is to be read, or for the message at hand. Between two turns there are
 * such ones only while a message is in work; behind one that took long nothing waits. */
#pragma once
#include "server/connection.h"

/* What stands in the scratch are answers to messages, and there are more of those: they are taken out of there.
 * False: they have to go out now. */
bool conn_put_late(struct conn *conn);

/* Puts them into the scratch, before what stands there. False: there is no room. */
bool conn_take_late(struct conn *conn);

void conn_forget_late(struct conn *conn);

/* Nothing more is there that they could wait for. */
bool conn_late_is_due(const struct conn *conn);
