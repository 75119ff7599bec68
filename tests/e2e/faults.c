/* tests/e2e/faults.c: calls that fail when a test says so; for LD_PRELOAD (see faults.py).
 *
 * The test and the daemon share the struct below, a file that LEAT_FAULTS names. Counted are the
 * calls of the function that is armed, on the threads that the daemon has named (leat-loop-…,
 * leat-compute, leat-log; with `main` also its first one). When `at` of them have been made, the
 * next `times` fail: with errno `how`, or for how < 0 by doing the least they can (one byte).
 *
 * While memory is what fails, a large block that is freed can be had again, in pieces.
 *
 * Memory is asked for before dlsym() has found who gives it: the first of it is static. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the order of faults.py. */
enum function {
	NOTHING,
	MALLOC,
	CALLOC,
	REALLOC,
	ACCEPT4,
	EPOLL_CTL,
	EPOLL_WAIT,
	RECV,
	SEND,
	SENDMSG,
	SENDFILE,
	PREAD,
	OPENAT2,
	FSTAT,
	SOCKET,
	CONNECT,
	WRITE,
	SSL_NEW,
	SSL_DO_HANDSHAKE,
	SSL_READ_EX,
	SSL_PEEK_EX,
	SSL_WRITE_EX,
	SSL_CTX_NEW,
	BIO_NEW,
	RAND_BYTES,
	CIPHER_INIT,
};

struct faults {
	atomic_uint function; /* enum function, or NOTHING */
	atomic_uint main;     /* the first thread too */
	atomic_int at;        /* calls that succeed first */
	atomic_int times;     /* that fail then */
	atomic_int how;
	atomic_uint n_calls, n_failed;
};

static struct faults nobody;
static struct faults *faults = &nobody;

/* ------------------------------------------------------------ whether */

static bool is_meant(void)
{
	static _Thread_local bool named;
	char name[16] = "";

	if (named || atomic_load(&faults->main))
		return true;
	prctl(PR_GET_NAME, name);
	return named = strncmp(name, "leat-", 5) == 0;
}

/* 0: the call is made; else what is wrong with it. */
static int fault(enum function function)
{
	int left;

	if (atomic_load_explicit(&faults->function, memory_order_relaxed) != function ||
	    !is_meant())
		return 0;
	atomic_fetch_add(&faults->n_calls, 1);
	left = atomic_fetch_sub(&faults->at, 1);
	if (left > 0 || left <= -atomic_load(&faults->times))
		return 0;
	atomic_fetch_add(&faults->n_failed, 1);
	return atomic_load(&faults->how);
}

static int fail(int how)
{
	errno = how;
	return -1;
}

static size_t least(int how, size_t size)
{
	return how < 0 && size > 1 ? 1 : size;
}

#define NEXT(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&(name)) next;                                                   \
		if (!next)                                                                         \
			next = (__typeof__(next))dlsym(RTLD_NEXT, #name);                          \
		next;                                                                              \
	})

__attribute__((constructor)) static void faults_begin(void)
{
	const char *path = getenv("LEAT_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared = MAP_FAILED;

	if (fd >= 0)
		shared = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared != MAP_FAILED)
		faults = shared;
	if (fd >= 0)
		close(fd);
}

/* ------------------------------------------------------------ memory */

#ifndef WITHOUT_MEMORY /* a sanitizer's is asked for before it could be found */

static char early[65536];
static size_t early_used;
static _Thread_local bool looking_up;

static void *early_alloc(size_t size)
{
	void *ptr = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof(early) ? ptr : NULL;
}

static bool is_early(const void *ptr)
{
	return (const char *)ptr >= early && (const char *)ptr < early + sizeof(early);
}

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);

static bool find_memory(void)
{
	if (next_free)
		return true;
	if (looking_up)
		return false;
	looking_up = true;
	next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	next_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	looking_up = false;
	return true;
}

enum { LARGE = 1 << 20, HEADER = 32 };

static atomic_long freed; /* of large blocks, since memory fails */

static bool is_failing(void)
{
	unsigned function = atomic_load_explicit(&faults->function, memory_order_relaxed);

	return function >= MALLOC && function <= REALLOC && atomic_load(&faults->n_failed) > 0;
}

static bool no_memory(enum function function, size_t size)
{
	long need = (long)size + HEADER;

	if (!fault(function))
		return false;
	if (atomic_fetch_sub(&freed, need) >= need)
		return false;
	atomic_fetch_add(&freed, need);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	if (!find_memory())
		return early_alloc(size);
	return no_memory(MALLOC, size) ? NULL : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	if (!find_memory())
		return early_alloc(n * size);
	return no_memory(CALLOC, n * size) ? NULL : next_calloc(n, size);
}

void *realloc(void *ptr, size_t size)
{
	find_memory();
	return no_memory(REALLOC, size) ? NULL : next_realloc(ptr, size);
}

void free(void *ptr)
{
	if (!ptr || is_early(ptr) || !find_memory())
		return;
	if (!is_failing())
		atomic_store(&freed, 0);
	else if (malloc_usable_size(ptr) >= LARGE)
		atomic_fetch_add(&freed, (long)malloc_usable_size(ptr));
	next_free(ptr);
}

#endif

/* ------------------------------------------------------------ sockets */

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int how = fault(ACCEPT4);

	return how ? fail(how) : NEXT(accept4)(fd, addr, len, flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	/* taking out cannot fail for what is in */
	int how = op == EPOLL_CTL_DEL ? 0 : fault(EPOLL_CTL);

	return how ? fail(how) : NEXT(epoll_ctl)(epoll, op, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	int how = fault(EPOLL_WAIT);

	return how ? fail(how) : NEXT(epoll_wait)(epoll, events, max, timeout);
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	int how = fault(RECV);

	return how > 0 ? fail(how) : NEXT(recv)(fd, bytes, size, flags);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
	int how = fault(SEND);

	return how > 0 ? fail(how) : NEXT(send)(fd, bytes, least(how, size), flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	int how = fault(SENDMSG);
	struct msghdr first = *message;

	if (how < 0)
		first.msg_iovlen = 1; /* the first part */
	return how > 0 ? fail(how) : NEXT(sendmsg)(fd, &first, flags);
}

ssize_t sendfile(int to, int from, off_t *at, size_t size)
{
	int how = fault(SENDFILE);

	return how > 0 ? fail(how) : NEXT(sendfile)(to, from, at, least(how, size));
}

int socket(int domain, int type, int protocol)
{
	int how = fault(SOCKET);

	return how ? fail(how) : NEXT(socket)(domain, type, protocol);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int how = fault(CONNECT);

	return how ? fail(how) : NEXT(connect)(fd, addr, len);
}

/* ------------------------------------------------------------ files */

ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
	int how = fault(PREAD);

	return how > 0 ? fail(how) : NEXT(pread)(fd, bytes, least(how, size), at);
}

int fstat(int fd, struct stat *stat)
{
	int how = fault(FSTAT);

	return how ? fail(how) : NEXT(fstat)(fd, stat);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	int how = fault(WRITE);

	/* a count for an eventfd is written whole or not at all */
	return how > 0 ? fail(how) : NEXT(write)(fd, bytes, size == 8 ? 8 : least(how, size));
}

long syscall(long number, ...)
{
	int how = number == SYS_openat2 ? fault(OPENAT2) : 0;
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	return how ? fail(how) : NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ------------------------------------------------------------ OpenSSL: by name, for not every
 * process that this is loaded into has it */

enum { ERROR_OF_SSL = 20, REASON_MEMORY = 256 | 1 };

static int ssl_fail(int result)
{
	void (*begin)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "ERR_new");
	void (*set)(int, int, const char *, ...) =
		(void (*)(int, int, const char *, ...))dlsym(RTLD_DEFAULT, "ERR_set_error");

	if (begin && set) {
		begin();
		set(ERROR_OF_SSL, REASON_MEMORY, NULL);
	}
	return result;
}

void *SSL_new(void *ctx)
{
	return fault(SSL_NEW) ? (ssl_fail(0), NULL) : NEXT(SSL_new)(ctx);
}

int SSL_do_handshake(void *ssl)
{
	return fault(SSL_DO_HANDSHAKE) ? ssl_fail(-1) : NEXT(SSL_do_handshake)(ssl);
}

int SSL_read_ex(void *ssl, void *bytes, size_t size, size_t *n)
{
	return fault(SSL_READ_EX) ? ssl_fail(0) : NEXT(SSL_read_ex)(ssl, bytes, size, n);
}

int SSL_peek_ex(void *ssl, void *bytes, size_t size, size_t *n)
{
	return fault(SSL_PEEK_EX) ? ssl_fail(0) : NEXT(SSL_peek_ex)(ssl, bytes, size, n);
}

int SSL_write_ex(void *ssl, const void *bytes, size_t size, size_t *n)
{
	return fault(SSL_WRITE_EX) ? ssl_fail(0) : NEXT(SSL_write_ex)(ssl, bytes, size, n);
}

void *SSL_CTX_new(const void *kind)
{
	return fault(SSL_CTX_NEW) ? (ssl_fail(0), NULL) : NEXT(SSL_CTX_new)(kind);
}

void *BIO_new(const void *kind)
{
	return fault(BIO_NEW) ? (ssl_fail(0), NULL) : NEXT(BIO_new)(kind);
}

int RAND_bytes(unsigned char *bytes, int size)
{
	return fault(RAND_BYTES) ? ssl_fail(0) : NEXT(RAND_bytes)(bytes, size);
}

int EVP_CipherInit_ex(void *ctx, const void *kind, void *engine, const unsigned char *key,
		      const unsigned char *iv, int encrypts)
{
	return fault(CIPHER_INIT) ? ssl_fail(0)
				  : NEXT(EVP_CipherInit_ex)(ctx, kind, engine, key, iv, encrypts);
}
