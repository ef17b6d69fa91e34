package consullab

import "syscall"

// withParent lets the agent end with the test binary, however that ends.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
