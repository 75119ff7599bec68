/* server/jq/jq_confine.c
 *
 * What the filter does not know fails with EPERM, as what a library may try in passing (it looks
 * at /etc/localtime each time) must not end the process. abort() cannot send its signal then, and
 * ends by an instruction that cannot be executed. */
#include "server/jq/jq_confine.h"
#include "core/base/check.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* Sanitizers need all the address space there is, and system calls of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINES_MEMORY 0
#else
#define CONFINES_MEMORY 1
#endif

enum {
	MEMORY_MAX = 512 << 20, /* address space */
	FILES_MAX = 16,
};

static void confine_limit(int resource, rlim_t max)
{
	const struct rlimit limit = { max, max };

	setrlimit(resource, &limit);
}

/* ------------------------------------------------------------ system calls */

#if defined(__x86_64__)
#define CONFINE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CONFINE_ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(CONFINE_ARCH) && CONFINES_MEMORY

#define DATA(field) (uint32_t) offsetof(struct seccomp_data, field)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define DENY RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
/* skips the next `n` when the accumulator is not `value` */
#define UNLESS(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, n)
#define MAY(call) UNLESS(SYS_##call, 1), ALLOW

static struct sock_filter confine_calls[] = {
	LOAD(arch),
	UNLESS(CONFINE_ARCH, 1),
	BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	DENY,
	LOAD(nr),
	MAY(read),
	MAY(write),
	MAY(brk),
	MAY(munmap),
	MAY(mremap),
	MAY(madvise),
	MAY(futex),
	MAY(close),
	MAY(fstat),
	MAY(newfstatat),
	MAY(clock_gettime),
	MAY(gettimeofday),
	MAY(getrandom),
	MAY(getrusage),
	MAY(rt_sigaction),
	MAY(rt_sigprocmask),
	MAY(rt_sigreturn),
	MAY(restart_syscall),
	MAY(exit),
	MAY(exit_group),
	/* of its own limits, not those of its neighbours */
	UNLESS(SYS_prlimit64, 4),
	LOAD(args[0]),
	UNLESS(0, 1),
	ALLOW,
	DENY,
	UNLESS(SYS_mmap, 3),
	LOAD(args[2]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
	ALLOW,
	DENY,
};

static void confine_filter(void)
{
	const struct sock_fprog program = { ARRAY_LEN(confine_calls), confine_calls };

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else

static void confine_filter(void)
{
}

#endif

/* ------------------------------------------------------------ the whole */

void jq_confine(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	confine_limit(RLIMIT_CORE, 0);
	confine_limit(RLIMIT_FSIZE, 0);
	confine_limit(RLIMIT_NOFILE, FILES_MAX);
	if (CONFINES_MEMORY)
		confine_limit(RLIMIT_AS, MEMORY_MAX);
	tzset(); /* the zone's file cannot be opened later */
	confine_filter();
}

/* The hard limit stays open, as it can only be lowered. */
void jq_confine_cpu(uint32_t cpu_s)
{
	struct rlimit limit = { .rlim_max = RLIM_INFINITY };
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	limit.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1) + cpu_s;
	setrlimit(RLIMIT_CPU, &limit);
}
