/* server/jq/jq_confine.h: a process that needs nothing gives up what it could do. */
#pragma once
#include <stdint.h>

/* For good: no core dump, no file larger than nothing, bounded memory and descriptors, dies with the
 * thread that started it; and of the kernel only what computing, and the descriptors that are open,
 * need: no file, socket, process or signal to another one, no memory that can be executed. What a
 * kernel or sandbox refuses to give up is kept: the deadline holds in any case. */
void jq_confine(void);

/* More than so many seconds of the processor from now on, and the kernel ends this process. */
void jq_confine_cpu(uint32_t cpu_s);
