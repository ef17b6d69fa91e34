//go:build !linux

package consullab

import "syscall"

// withParent has no way here to let the agent end with a test binary that is killed.
func withParent() *syscall.SysProcAttr { return nil }
