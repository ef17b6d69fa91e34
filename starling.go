// Package starling is shared state for a fleet of Go services: a key-value store
// that lives inside them and agrees by gossip.
//
// A Node is one member of a cluster. Open makes one, Client gives it a face: a
// kv.Client, with all optional interfaces of package kv, for one kind of value.
// Every node holds everything; reads, writes and watches are local and never
// wait for the network. Writes travel to the others in milliseconds; what gets
// lost on the way is found and repaired.
//
// A CAS is atomic on its node. Across nodes concurrent writes are joined: for a
// register the newer wins, and the writer of the other is told by
// Options.OnConflict. Deleted values stay dead.
//
// The machine that decides all this is pure and has no goroutine; the Node
// around it owns the goroutines, the one mutex, the clock and the sockets.
package starling
