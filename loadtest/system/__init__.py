"""What the kernel tells and does: processes, CPUs, memory, sockets, system calls."""
