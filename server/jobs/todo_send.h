/* server/jobs/todo_send.h: messages that are to be sent later to actors with `persist: true`: kept
 * by the store, as flows of `schedule:` are, and taken back by `cancel:` with their key.
 *
 * At least once: the message is over when its handler has succeeded and the store knows; a crash before
 * that sends it again. One whose handler fails, or that finds no room, is tried again as a flow is. */
#pragma once
#include "server/jobs/agenda.h"

struct actor_send;

/* Fills what is kept of the message; its texts are written into `args`. 0; -EMSGSIZE: it is too large;
 * -ENOMEM. */
int todo_of_send(struct todo *todo, const struct actor_send *send, struct buf *args);

/* Before the loops run: from now on the agendas know how to send; they do not know actors otherwise. */
void todo_sends_begin(struct agendas *agendas);
