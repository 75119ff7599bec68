"""tests/e2e/activate.py: starts a program as systemd does with sockets. usage: activate.py NAME=FD… -- PROGRAM ARG…"""
import os
import sys

end = sys.argv.index("--")
pairs = [arg.split("=") for arg in sys.argv[1:end]]
held = [os.dup(int(fd)) for _, fd in pairs]
for _, number in pairs:
    os.set_inheritable(int(number), False)  # only where the program is told of them
held = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate(held)]
for i, fd in enumerate(held):
    os.dup2(fd, 3 + i)
    os.set_inheritable(3 + i, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(pairs)), LISTEN_FDNAMES=":".join(name for name, _ in pairs))
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
