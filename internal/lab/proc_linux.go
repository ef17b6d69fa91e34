package lab

import "syscall"

// withParent lets the process end with the test binary, however that ends.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
