// Package theirs runs dskit's own tests on starling's stores.
//
// dskit is copied out of the module cache into a temporary directory, the one
// call with which its tests open a store is rewritten there, and the go command
// is told to build this module with the copy. Nothing of it is kept.
package theirs
