package kvtest

import "strings"

// check is one sentence of the contract and what proves it.
type check struct {
	name     string
	sentence string // as in the table of the package doc
	needs    hooks
	clock    clock
	run      func(*env)
}

// hooks is a set of the optional hooks of a suite.
type hooks uint8

const (
	hookStart hooks = 1 << iota
	hookUnmoved
	hookLeave
	hookIsolate
	hookClose
	hookLine
	hookHistory
)

// String names the hooks of the set.
func (h hooks) String() string {
	var names []string
	for i, name := range []string{"Starting", "Unmoved", "Leave and Unsent", "Isolate", "Close", "Line", "Line of a store that can tell"} {
		if h&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// clock says on which clock a check may run.
type clock uint8

const (
	anyClock  clock = iota // the suite's: real, or a bubble's
	realClock              // the real one: a broken store would leave a mutex locked, behind which a bubble's clock stands still
)

// checks lists all checks in the order of the contract.
var checks = concat(
	listChecks, getChecks, deleteChecks,
	casChecks, casRetryChecks, casRaceChecks,
	watchKeyChecks, watchPrefixChecks, watchCallChecks, watchEndChecks,
	eventsChecks, onlyChecks, decodeChecks, kindChecks,
	lifeChecks, errorChecks, lostChecks, keyChecks, valueChecks, countChecks,
	iteratorChecks, typedChecks,
	entryChecks, putChecks, removeChecks, versionChecks, mediaChecks,
	ttlChecks, capabilityChecks, wrapperChecks, hygieneChecks,
)

func concat(groups ...[]check) []check {
	var all []check
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
