//go:build !linux

package lab

import "syscall"

// withParent has no way here to let the process end with a test binary that is killed: it has its standard input for that.
func withParent() *syscall.SysProcAttr { return nil }
