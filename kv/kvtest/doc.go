// Package kvtest holds a kv.Client to the contract.
package kvtest
