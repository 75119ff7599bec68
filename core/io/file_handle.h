/* core/io/file_handle.h: an open descriptor that several use: the last one closes it.
 *
 * Work on files may outlive whoever asked for it, and a descriptor that is closed under it would be
 * another file. Any thread. */
#pragma once

struct file_handle;
struct pool;

/* Takes the descriptor. `pool` closes it, where that may wait (a network's file); NULL: the last
 * unref does. NULL without memory: then it is still the caller's. */
struct file_handle *file_handle_create(int fd, struct pool *pool);
int file_handle_fd(const struct file_handle *handle);
struct file_handle *file_handle_ref(struct file_handle *handle);
void file_handle_unref(struct file_handle *handle); /* NULL is accepted */
