package main

import (
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// nats starts a server whose configuration file is that of nats-server.
func nats(config string) error {
	o, err := server.ProcessConfigFile(config)
	if err != nil {
		return err
	}
	o.NoSigs = true
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.SetLogger(fatal{}, false, false)
	s.Start()
	if !s.ReadyForConnections(readyWithin) {
		return fmt.Errorf("not ready after %v", readyWithin)
	}
	return nil
}

// fatal is a log of what ends the server, which without one would go on without the port that it did not get.
type fatal struct{}

// Fatalf ends the process.
func (fatal) Fatalf(format string, v ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", v...)
	os.Exit(1)
}

// Noticef, Warnf, Errorf, Debugf and Tracef are part of server.Logger.
func (fatal) Noticef(string, ...any) {}
func (fatal) Warnf(string, ...any)   {}
func (fatal) Errorf(string, ...any)  {}
func (fatal) Debugf(string, ...any)  {}
func (fatal) Tracef(string, ...any)  {}
