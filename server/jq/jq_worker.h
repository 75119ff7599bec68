/* server/jq/jq_worker.h: `leat jq-worker`, a process that runs jq programs for leat.
 *
 * libjq is not made for what strangers send: some inputs abort it, some programs never end (DECISIONS
 * 3). So it runs where that hurts nobody: in a process without descriptors but its socket (0) and
 * /dev/null, without environment, with bounded memory, that is killed when its time is over. */
#pragma once

/* Serves requests (server/jq/jq_wire.h) on descriptor 0 until its other end is closed; the exit
 * code of the process. */
int jq_worker_main(void);
