/* server/native/library.c
 *
 * dlopen() knows files by device and inode, and by the name that it was given: a file that was
 * replaced in place would be the old one, or crash whoever runs it. So the bytes are copied into a
 * memfd, which is opened as /proc/self/fd/N. That name must not come again while the object is
 * loaded: the descriptor stays open until it is unloaded, and for ever when the linker keeps it
 * (objects with unique symbols, as C++ has them, are never unloaded). */
#include "server/native/library.h"
#include "conf/file.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/net.h"
#include "server/native/api.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ------------------------------------------------------------ the private copy */

static int library_write(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		bytes = str_skip(bytes, n < 0 ? 0 : (size_t)n);
	}
	return 0;
}

/* A descriptor or a negative errno. */
static int library_copy(struct str bytes)
{
	scoped(fd_close) int fd = memfd_create("leat-module", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = library_write(fd, bytes);
	return r < 0 ? r : fd_take(&fd);
}

static bool library_has_bytes(const struct library *library, struct str bytes)
{
	bool same;
	void *copy;

	if (library->size != bytes.len || bytes.len == 0)
		return false;
	copy = mmap(NULL, bytes.len, PROT_READ, MAP_PRIVATE, library->fd, 0);
	if (copy == MAP_FAILED)
		return false;
	same = memcmp(copy, bytes.ptr, bytes.len) == 0;
	munmap(copy, bytes.len);
	return same;
}

/* ------------------------------------------------------------ loading */

static void library_name(const struct library *library, char out[32])
{
	snprintf(out, 32, "/proc/self/fd/%d", library->fd);
}

/* What dlopen() says, with the path of the module for that of the copy. */
static void library_tell(const struct library *library, struct place place, const char *error,
			 struct diag *diag)
{
	char name[32];
	struct str text = str_of(error ? error : "unknown error");

	library_name(library, name);
	if (str_starts_with(text, str_of(name)))
		text = str_trim(str_skip(text, strlen(name) + 1));
	diag_error(diag, place,
		   "the module %s cannot be loaded: %.*s; build it as a shared object, with all "
		   "libraries that it needs: cc -shared -fPIC …",
		   library->path, STR_ARG(text));
}

static bool library_check_abi(const struct library *library, struct place place, struct diag *diag)
{
	uint32_t abi = library->module->abi;

	if (abi >> 16 == LEAT_ABI_MAJOR && (abi & 0xffff) <= LEAT_ABI_MINOR)
		return true;
	diag_error(diag, place,
		   "the module %s was built with version %u.%u of leat.h, and this leat has %u.%u; "
		   "build it with the leat.h that came with this leat",
		   library->path, abi >> 16, abi & 0xffff, LEAT_ABI_MAJOR, LEAT_ABI_MINOR);
	return false;
}

static bool library_load(struct library *library, struct place place, struct diag *diag)
{
	char name[32];

	library_name(library, name);
	library->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!library->handle) {
		library_tell(library, place, dlerror(), diag);
		return false;
	}
	library->module = dlsym(library->handle, "leat_module");
	if (!library->module) {
		diag_error(diag, place,
			   "%s is a shared object, but no module of leat: it has no symbol "
			   "leat_module; write LEAT_MODULE(…) in one of its sources",
			   library->path);
		return false;
	}
	if (!library_check_abi(library, place, diag) ||
	    !library_check(library->module, place, diag))
		return false;
	*library->module->leat = &native_api;
	return true;
}

static void library_unload(struct library *library)
{
	char name[32];
	void *kept = NULL;

	library_name(library, name);
	if (library->handle) {
		dlclose(library->handle);
		kept = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
	}
	if (kept) {
		dlclose(kept);
		log_info("module is kept in memory by the dynamic linker path=%s",
			 LOG_QUOTE(str_of(library->path)));
	} else {
		close(library->fd);
	}
	free(library->path);
	free(library);
}

/* ------------------------------------------------------------ all of them */

static struct lock all_lock = LOCK_INIT; /* guards the list; nothing else is taken with it */
static struct library *all;

static void library_enlist(struct library *library)
{
	lock_acquire(&all_lock);
	library->next = all;
	all = library;
	lock_release(&all_lock);
}

static void library_delist(struct library *library)
{
	struct library **at = &all;

	lock_acquire(&all_lock);
	while (*at != library)
		at = &(*at)->next;
	*at = library->next;
	lock_release(&all_lock);
}

struct library *library_of(const struct leat_module *module)
{
	struct library *library;

	lock_acquire(&all_lock);
	for (library = all; library && library->module != module; library = library->next)
		;
	lock_release(&all_lock);
	return library;
}

const struct leat_kind *library_kinds(const struct leat_module *module)
{
	return (module->abi & 0xffff) >= 1 ? module->kinds : NULL;
}

/* ------------------------------------------------------------ */

static struct library *library_create(struct str path, struct str bytes, struct place place,
				      struct diag *diag)
{
	struct library *library;
	int fd = library_copy(bytes);

	if (fd < 0) {
		diag_error(diag, place, "the module %.*s cannot be copied: %s", STR_ARG(path),
			   strerror(-fd));
		return NULL;
	}
	library = mem_zalloc(sizeof(*library));
	library->fd = fd;
	library->size = bytes.len;
	library->path = mem_strndup(path.ptr, path.len);
	atomic_init(&library->refs, 1);
	if (library_load(library, place, diag)) {
		promises_init(&library->promises);
		native_actors_init(&library->actors);
		lock_init(&library->lock);
		library_enlist(library);
		return library;
	}
	library_unload(library);
	return NULL;
}

struct library *library_open(struct str path, struct place place, struct library *const before[],
			     size_t n_before, struct diag *diag)
{
	struct library *library = NULL;
	struct arena arena;
	struct file file;
	int r;

	arena_init_required(&arena);
	r = file_read(path.ptr, LIBRARY_SIZE_MAX, &arena, &file);
	if (r < 0)
		diag_error(diag, place, "the module %.*s cannot be read: %.*s", STR_ARG(path),
			   STR_ARG(file_problem(r, LIBRARY_SIZE_MAX, &arena)));
	for (size_t i = 0; r == 0 && !library && i < n_before; i++)
		if (str_eq(path, str_of(before[i]->path)) &&
		    library_has_bytes(before[i], file.text))
			library = library_ref(before[i]);
	if (r == 0 && !library)
		library = library_create(path, file.text, place, diag);
	arena_fini(&arena);
	if (library)
		native_actors_name(library);
	return library;
}

void library_close(struct library *library)
{
	native_actors_unname(library);
	library_unref(library);
}

struct library *library_ref(struct library *library)
{
	atomic_fetch_add_explicit(&library->refs, 1, memory_order_relaxed);
	return library;
}

void library_unref(struct library *library)
{
	size_t n_kept;

	if (!library || atomic_fetch_sub_explicit(&library->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (library->started && library->module->fini)
		library->module->fini();
	n_kept = promises_fini(&library->promises);
	if (n_kept > 0)
		log_warning("module has left promises module=%s n=%zu; nothing waits for them, "
			    "ignoring",
			    library->module->name, n_kept);
	for (size_t i = 0; i < LIBRARY_SPENT; i++)
		free(library->spent[i]);
	library_delist(library);
	native_actors_fini(&library->actors);
	lock_fini(&library->lock);
	library_unload(library);
}

void library_spend(struct library *library, void *block)
{
	void *oldest;

	lock_acquire(&library->lock);
	oldest = library->spent[library->next_spent];
	library->spent[library->next_spent] = block;
	library->next_spent = (library->next_spent + 1) % LIBRARY_SPENT;
	lock_release(&library->lock);
	free(oldest);
}

bool library_start(struct library *library, const struct native_host *host, struct place place,
		   struct diag *diag)
{
	const char *error = NULL;

	if (library->started)
		return true;
	library->actors.host = host;
	if (library->module->init)
		error = library->module->init();
	if (error)
		diag_error(diag, place, "the module %s does not start: %s", library->module->name,
			   error);
	library->started = !error;
	return !error;
}

const struct leat_function *library_function(const struct library *library, struct str name)
{
	const struct leat_function *row = library->module->functions;

	for (; row && row->name; row++)
		if (str_eq(name, str_of(row->name)))
			return row;
	return NULL;
}
