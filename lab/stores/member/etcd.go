package main

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// etcd starts a member whose configuration file is etcd's own, in YAML.
func etcd(config string) error {
	c, err := embed.ConfigFromFile(config)
	if err != nil {
		return err
	}
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err := <-e.Err():
		return err
	case <-time.After(readyWithin):
		return fmt.Errorf("not ready after %v", readyWithin)
	}
}
