/* tests/server/native/dying.h: modules that tests load, and children that must abort. */
#pragma once
#include "server/native/library.h"
#include "tests/lib/tap.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* build/FLAVOR/tests/modules/NAME.so, from where this program is. */
static inline struct str module_path(const char *name)
{
	static char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *at;

	check(len > 0);
	path[len] = '\0';
	at = strstr(path, "/tests/");
	check(at);
	snprintf(at, 64, "/tests/modules/%s.so", name);
	return str_of(path);
}

/* Runs act(arg) in a child; true when it aborts and its last words are `words`. */
static inline bool aborts_saying(void (*act)(void *arg), void *arg, const char *words)
{
	char text[4096] = "";
	int fds[2], status = 0;
	ssize_t n, len = 0;
	bool right;
	pid_t pid;

	check(pipe(fds) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1); /* the checks of the child are not those of the test */
		dup2(fds[1], 2);
		act(arg);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	close(fds[0]);
	check(waitpid(pid, &status, 0) == pid);
	right = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, words);
	if (!right)
		printf("# it said: %s\n", text);
	return right;
}
